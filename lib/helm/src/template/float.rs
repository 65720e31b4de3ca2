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
