//! Number constants: every reading that the syntax allows, as the place where they stand decides.

use super::quote::{Piece, unquote_char};

/// A constant and what it can be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Number {
    pub text: String,
    pub int: Option<i64>,
    pub uint: Option<u64>,
    pub float: Option<f64>,
    pub complex: Option<(f64, f64)>,
}

impl Number {
    /// A character constant such as `'x'`.
    pub fn character(text: &str) -> Result<Number, String> {
        let malformed = || format!("malformed character constant: {text}");
        let (piece, tail) = unquote_char(&text[1..], '\'').ok_or("invalid syntax")?;
        if tail != "'" {
            return Err(malformed());
        }
        let value = match piece {
            Piece::Byte(byte) => i64::from(byte),
            Piece::Char(c) => i64::from(u32::from(c)),
        };
        Ok(Number {
            text: text.to_string(),
            int: Some(value),
            uint: u64::try_from(value).ok(),
            float: Some(value as f64),
            complex: None,
        })
    }

    /// An integer, float or imaginary constant; `complex` for one of two parts.
    pub fn parse(text: &str, complex: bool) -> Result<Number, String> {
        let mut number = Number {
            text: text.to_string(),
            ..Number::default()
        };
        if let Some(imaginary) = text.strip_suffix('i') {
            let split = if complex {
                imaginary.rfind(['+', '-']).unwrap_or(0)
            } else {
                0
            };
            let (re, im) = imaginary.split_at(split);
            let re = if re.is_empty() { Some(0.0) } else { float(re) };
            if let (Some(re), Some(im)) = (re, float(im)) {
                number.set_complex(re, im);
                return Ok(number);
            }
            return Err(format!("illegal number syntax: {:?}", text));
        }
        number.uint = unsigned(text);
        number.int = signed(text);
        if number.int == Some(0) {
            number.uint = Some(0);
        }
        if let Some(value) = number.int {
            number.float = Some(value as f64);
        } else if let Some(value) = number.uint {
            number.float = Some(value as f64);
        } else if let Some(value) = float(text) {
            if !text.contains(['.', 'e', 'E', 'p', 'P']) {
                return Err(format!("integer overflow: {text:?}"));
            }
            number.set_float(value);
        } else {
            return Err(format!("illegal number syntax: {text:?}"));
        }
        Ok(number)
    }

    fn set_float(&mut self, value: f64) {
        self.float = Some(value);
        if value.fract() == 0.0 && value >= i64::MIN as f64 && value < i64::MAX as f64 {
            self.int = Some(value as i64);
        }
        if value.fract() == 0.0 && value >= 0.0 && value < u64::MAX as f64 {
            self.uint = Some(value as u64);
        }
    }

    fn set_complex(&mut self, re: f64, im: f64) {
        self.complex = Some((re, im));
        if im == 0.0 {
            self.set_float(re);
        }
    }
}

/// Go's `strconv.ParseInt(text, 0, 64)`.
pub(crate) fn signed(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = unsigned(digits)?;
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// Go's `strconv.ParseUint(text, 0, 64)`.
pub(crate) fn unsigned(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.contains('_') && !underscores_ok(&lower) {
        return None;
    }
    let digits = digits.replace('_', "");
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(&digits, radix).ok()
}

/// `_` may stand between digits, and between the prefix of the base and digits.
fn underscores_ok(text: &str) -> bool {
    let digits = |b: u8| b.is_ascii_hexdigit();
    let bytes = text.as_bytes();
    let start = if bytes.len() > 1 && bytes[0] == b'0' && bytes[1].is_ascii_alphabetic() {
        2
    } else {
        0
    };
    (start..bytes.len()).filter(|&i| bytes[i] == b'_').all(|i| {
        let before = i == start && start == 2 || i > start && digits(bytes[i - 1]);
        before && bytes.get(i + 1).is_some_and(|&b| digits(b))
    })
}

/// Go's `strconv.ParseFloat(text, 64)`; none also where the value is out of range.
pub(crate) fn float(text: &str) -> Option<f64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let lower = digits.to_ascii_lowercase();
    if matches!(lower.as_str(), "inf" | "infinity") {
        return Some(sign * f64::INFINITY);
    }
    if lower == "nan" {
        return Some(f64::NAN);
    }
    if let Some(hex) = lower.strip_prefix("0x") {
        return hex_float(hex).map(|value| sign * value);
    }
    if lower.starts_with(['+', '-']) || lower.contains("inf") || lower.contains("nan") {
        return None;
    }
    if lower.contains('_') && !underscores_ok(&lower) {
        return None;
    }
    let lower = lower.replace('_', "");
    let value: f64 = lower.parse().ok()?;
    value.is_finite().then_some(sign * value)
}

fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut value = 0f64;
    for c in whole.chars().chain(fraction.chars()).filter(|&c| c != '_') {
        value = value * 16.0 + f64::from(c.to_digit(16)?);
    }
    let exponent = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    let value = value * 2f64.powi(exponent);
    value.is_finite().then_some(value)
}
