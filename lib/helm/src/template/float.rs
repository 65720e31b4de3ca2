//! Floats as Go's `strconv` prints them.

/// `strconv.FormatFloat(value, 'g', -1, 64)`, as `%v` prints a float: exponent form below 1e-4 and from 1e6 on
/// unless more digits are needed anyway.
pub(crate) fn shortest(value: f64) -> String {
    if let Some(text) = special(value) {
        return text.to_string();
    }
    let (negative, digits, exponent) = parts(&format!("{value:e}"));
    general(negative, &digits, exponent, !(-4..6).contains(&exponent))
}

/// `%g` with a precision: that many significant digits, trailing zeros removed.
pub(crate) fn precise(value: f64, precision: usize) -> String {
    if let Some(text) = special(value) {
        return text.to_string();
    }
    let precision = precision.max(1);
    let (negative, digits, exponent) = parts(&format!("{:.*e}", precision - 1, value));
    let trimmed = digits.trim_end_matches('0');
    let digits = if trimmed.is_empty() { "0" } else { trimmed };
    // Digits that are not there do not count: %e begins where the digits kept end.
    let whole = (exponent + 1).max(0) as usize;
    let mut limit = precision;
    if limit > digits.len() && digits.len() >= whole {
        limit = digits.len();
    }
    general(
        negative,
        digits,
        exponent,
        exponent < -4 || exponent >= limit as i32,
    )
}

/// `%e`, with a precision or as short as it can be.
pub(crate) fn scientific(value: f64, precision: Option<usize>) -> String {
    if let Some(text) = special(value) {
        return text.to_string();
    }
    let text = match precision {
        Some(precision) => format!("{value:.precision$e}"),
        None => format!("{value:e}"),
    };
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{mantissa}e{}", signed(exponent.parse().unwrap_or(0))),
        None => text,
    }
}

/// `%f`, with a precision or as short as it can be.
pub(crate) fn fixed(value: f64, precision: Option<usize>) -> String {
    if let Some(text) = special(value) {
        return text.to_string();
    }
    match precision {
        Some(precision) => format!("{value:.precision$}"),
        None => format!("{value}"),
    }
}

/// `%b`: the mantissa as an integer and the power of two.
pub(crate) fn binary(value: f64) -> String {
    if let Some(text) = special(value) {
        return text.to_string();
    }
    let (negative, mantissa, exponent) = bits(value);
    let sign = if negative { "-" } else { "" };
    format!("{sign}{mantissa}p{exponent:+}")
}

/// `%x`: hexadecimal digits and the power of two.
pub(crate) fn hexadecimal(value: f64, precision: Option<usize>) -> String {
    if let Some(text) = special(value) {
        return text.to_string();
    }
    let (negative, mantissa, exponent) = bits(value);
    let sign = if negative { "-" } else { "" };
    if mantissa == 0 {
        let zeros = "0".repeat(precision.unwrap_or(0));
        let point = if zeros.is_empty() { "" } else { "." };
        return format!("{sign}0x0{point}{zeros}p+00");
    }
    // One digit before the point: 52 bits after it.
    let shift = mantissa.leading_zeros() - 11;
    let mut mantissa = mantissa << shift;
    let mut exponent = exponent + 52 - shift as i32;
    let digits = match precision {
        None => 13,
        Some(precision) => {
            if precision < 13 {
                let drop = 4 * (13 - precision) as u32;
                let half = 1u64 << (drop - 1);
                let rest = mantissa & ((1 << drop) - 1);
                mantissa >>= drop;
                if rest > half || rest == half && mantissa & 1 == 1 {
                    mantissa += 1;
                }
                mantissa <<= drop;
                if mantissa >> 53 != 0 {
                    mantissa >>= 1;
                    exponent += 1;
                }
            }
            precision
        }
    };
    let text = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let fraction = match precision {
        None => text.trim_end_matches('0').to_string(),
        Some(_) => format!("{text:0<digits$}")[..digits].to_string(),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}0x1{point}{fraction}p{}", signed(exponent))
}

/// Sign, mantissa and power of two of a finite value.
fn bits(value: f64) -> (bool, u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let exponent = (bits >> 52 & 0x7ff) as i32;
    let negative = value.is_sign_negative();
    match exponent {
        0 => (negative, fraction, -1074),
        _ => (negative, fraction | 1 << 52, exponent - 1075),
    }
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        None
    }
}

fn parts(scientific: &str) -> (bool, String, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let negative = mantissa.starts_with('-');
    let digits = mantissa.chars().filter(char::is_ascii_digit).collect();
    (negative, digits, exponent.parse().unwrap_or(0))
}

fn general(negative: bool, digits: &str, exponent: i32, scientific: bool) -> String {
    let mut out = String::new();
    if negative {
        out.push('-');
    }
    if scientific {
        out.push_str(&digits[..1]);
        if digits.len() > 1 {
            out.push('.');
            out.push_str(&digits[1..]);
        }
        out.push('e');
        out.push_str(&signed(exponent));
    } else if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        out.push_str(digits);
    } else {
        let whole = exponent as usize + 1;
        if digits.len() <= whole {
            out.push_str(digits);
            out.extend(std::iter::repeat_n('0', whole - digits.len()));
        } else {
            out.push_str(&digits[..whole]);
            out.push('.');
            out.push_str(&digits[whole..]);
        }
    }
    out
}

fn signed(exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{:02}", exponent.abs())
}
