//! Integers and floats with their verbs and flags.

use super::Printer;
use crate::template::float;
use crate::template::quote;
use crate::template::value::Value;

impl Printer {
    pub(super) fn integer(&mut self, value: &Value, int: i64, verb: char, depth: usize) {
        let negative = int < 0;
        let magnitude = int.unsigned_abs();
        let (digits, prefix) = match verb {
            'd' | 'v' => (magnitude.to_string(), ""),
            'b' => (format!("{magnitude:b}"), "0b"),
            'o' => (format!("{magnitude:o}"), "0"),
            'O' => (format!("{magnitude:o}"), "0o"),
            'x' => (format!("{magnitude:x}"), "0x"),
            'X' => (format!("{magnitude:X}"), "0X"),
            'c' => {
                let c = u32::try_from(int)
                    .ok()
                    .and_then(char::from_u32)
                    .unwrap_or('\u{fffd}');
                return self.pad(c.to_string().as_bytes());
            }
            'q' => {
                let text = quote::quote_char(int, self.plus);
                return self.pad(text.as_bytes());
            }
            'U' => return self.unicode(magnitude),
            _ => return self.bad(value, verb, depth),
        };
        let mut digits = digits;
        if let Some(precision) = self.precision {
            if precision == 0 && magnitude == 0 {
                let zero = std::mem::replace(&mut self.zero, false);
                self.pad(&vec![b' '; self.width.unwrap_or(0)]);
                self.zero = zero;
                return;
            }
            if digits.len() < precision {
                digits.insert_str(0, &"0".repeat(precision - digits.len()));
            }
        } else if self.zero
            && !self.minus
            && let Some(width) = self.width
        {
            let sign = usize::from(negative || self.plus || self.space);
            if digits.len() + sign < width {
                digits.insert_str(0, &"0".repeat(width - digits.len() - sign));
            }
        }
        let mut text = String::new();
        if negative {
            text.push('-');
        } else if self.plus {
            text.push('+');
        } else if self.space {
            text.push(' ');
        }
        if verb == 'O' || self.sharp && !(verb == 'o' && digits.starts_with('0')) {
            text.push_str(prefix);
        }
        text.push_str(&digits);
        let zero = std::mem::replace(&mut self.zero, false);
        self.pad(text.as_bytes());
        self.zero = zero;
    }

    pub(super) fn unicode(&mut self, value: u64) {
        let digits = self.precision.unwrap_or(4).max(4);
        let mut text = format!("U+{value:0digits$X}");
        if self.sharp
            && let Some(c) = u32::try_from(value).ok().and_then(char::from_u32)
            && quote::is_print(c)
        {
            text.push_str(&format!(" '{c}'"));
        }
        let zero = std::mem::replace(&mut self.zero, false);
        self.pad(text.as_bytes());
        self.zero = zero;
    }

    pub(super) fn float(&mut self, value: &Value, float: f64, verb: char, depth: usize) {
        let mut text = match verb {
            'v' => match self.precision {
                Some(precision) => float::precise(float, precision),
                None => float::shortest(float),
            },
            'g' | 'G' => match self.precision {
                Some(precision) => float::precise(float, precision),
                None => float::shortest(float),
            },
            'e' | 'E' => float::scientific(float, Some(self.precision.unwrap_or(6))),
            'f' | 'F' => float::fixed(float, Some(self.precision.unwrap_or(6))),
            'b' => float::binary(float),
            'x' | 'X' => float::hexadecimal(float, self.precision),
            _ => return self.bad(value, verb, depth),
        };
        if matches!(verb, 'E' | 'G' | 'X') {
            text = text.to_uppercase();
        }
        let special = text.contains(['N', 'I']);
        if !text.starts_with(['-', '+']) {
            text.insert(0, '+');
        }
        if self.sharp && !special && verb != 'b' {
            let mut digits = match verb {
                'e' | 'E' | 'f' | 'F' => None,
                _ => Some(self.precision.unwrap_or(6)),
            };
            text = with_point(&text, &mut digits);
        }
        let shows_sign = self.plus || !text.starts_with('+');
        if self.space && text.starts_with('+') && !self.plus {
            text.replace_range(..1, " ");
        }
        let shows_sign = shows_sign || self.space;
        // Infinity always shows its sign.
        if !shows_sign && !float.is_infinite() {
            text.remove(0);
        }
        if self.zero
            && !self.minus
            && !special
            && shows_sign
            && let Some(width) = self.width
            && text.len() < width
        {
            let (sign, digits) = text.split_at(1);
            text = format!("{sign}{}{digits}", "0".repeat(width - text.len()));
        }
        let zero = self.zero;
        self.zero &= !special;
        self.pad(text.as_bytes());
        self.zero = zero;
    }
}

/// `%#g` and the like: a decimal point always, and zeros up to the precision.
fn with_point(text: &str, digits: &mut Option<usize>) -> String {
    let (mantissa, tail) = match text.find(['e', 'E']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let mut out = mantissa.to_string();
    let significant = mantissa
        .trim_start_matches(['+', '-', '0', '.'])
        .chars()
        .filter(char::is_ascii_digit)
        .count();
    if !out.contains('.') {
        out.push('.');
    }
    if let Some(digits) = digits {
        out.push_str(&"0".repeat(digits.saturating_sub(significant)));
    }
    out + tail
}
