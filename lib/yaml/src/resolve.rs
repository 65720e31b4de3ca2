//! What a bare word means: YAML 1.1 with go-yaml's own reading of numbers.

use crate::{Error, Tag, timestamp};

/// Which of go-yaml's dialects a text is read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// go-yaml v2, as `sigs.k8s.io/yaml` uses it: `yes`, `on`, `y` are booleans, dates stay text.
    GoV2,
    /// go-yaml v3, as kustomize reads resources: those words are text, dates are times.
    GoV3,
}

/// The meaning of the plain text `text`.
pub fn resolve(text: &str, schema: Schema) -> Tag {
    let Some(first) = text.bytes().next() else {
        return Tag::Null;
    };
    match first {
        b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'y' | b'Y' | b'o' | b'O' => word(text, schema),
        b'<' if text == "<<" => Tag::Merge,
        b'.' => match text {
            ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" => Tag::Float,
            _ if separated(text) => {
                let plain = without_underscores(text);
                let float = is_float(&plain) && finite(&plain);
                if float { Tag::Float } else { Tag::Str }
            }
            _ => Tag::Str,
        },
        b'+' | b'-' | b'0'..=b'9' => number(text),
        _ => Tag::Str,
    }
}

/// Checks an explicit tag against the text it stands before and gives the tag that holds.
pub(crate) fn resolve_tagged(tag: &str, text: &str, schema: Schema) -> Result<Tag, Error> {
    let short = tag.strip_prefix("tag:yaml.org,2002:").unwrap_or(tag);
    let wanted = match short {
        "str" | "!" => return Ok(Tag::Str),
        "binary" => return Ok(Tag::Binary),
        "merge" => return Ok(Tag::Merge),
        "int" => Tag::Int,
        "float" => Tag::Float,
        "bool" => Tag::Bool,
        "null" => Tag::Null,
        "timestamp" => Tag::Timestamp,
        _ => return Ok(Tag::Str),
    };
    check(wanted, text, schema)?;
    Ok(wanted)
}

/// Checks that the text is a value of the tag; an integer may be a float.
pub(crate) fn check(wanted: Tag, text: &str, schema: Schema) -> Result<(), Error> {
    match resolve(text, schema) {
        found if found == wanted => Ok(()),
        Tag::Int if wanted == Tag::Float => Ok(()),
        found => Err(Error::BadTag {
            found: name(found),
            text: text.to_string(),
            wanted: name(wanted),
        }),
    }
}

fn name(tag: Tag) -> &'static str {
    match tag {
        Tag::Str => "!!str",
        Tag::Int => "!!int",
        Tag::Float => "!!float",
        Tag::Bool => "!!bool",
        Tag::Null => "!!null",
        Tag::Timestamp => "!!timestamp",
        Tag::Binary => "!!binary",
        Tag::Merge => "!!merge",
    }
}

fn word(text: &str, schema: Schema) -> Tag {
    match text {
        "~" | "null" | "Null" | "NULL" => Tag::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Tag::Bool,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "n" | "N" | "no" | "No" | "NO" | "off"
        | "Off" | "OFF"
            if schema == Schema::GoV2 =>
        {
            Tag::Bool
        }
        _ => Tag::Str,
    }
}

fn number(text: &str) -> Tag {
    if matches!(text, "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF") {
        return Tag::Float;
    }
    if timestamp::parse(text).is_some() {
        return Tag::Timestamp;
    }
    let plain = without_underscores(text);
    if integer(&plain).is_some() {
        Tag::Int
    } else if is_float(&plain) && finite(&plain) {
        Tag::Float
    } else {
        Tag::Str
    }
}

/// The text without `_`, copied only if there is one.
pub(crate) fn without_underscores(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('_') {
        text.replace('_', "").into()
    } else {
        text.into()
    }
}

/// Whether every `_` stands between digits, as in Go's literals.
fn separated(text: &str) -> bool {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let between =
        |at: usize| digit(at.checked_sub(1).and_then(|at| bytes.get(at))) && digit(bytes.get(at + 1));
    bytes
        .iter()
        .enumerate()
        .all(|(at, byte)| *byte != b'_' || between(at))
}

/// Reads an integer as Go's `ParseInt` with base 0 does: sign, `0x`, `0o`, `0b`, and a leading `0` for octal.
pub(crate) fn integer(text: &str) -> Option<i128> {
    // What follows `0b` go-yaml reads as a number of its own.
    if let Some(signed) = text.strip_prefix("0b+").or_else(|| text.strip_prefix("0b-"))
        && signed.bytes().all(|b| matches!(b, b'0' | b'1'))
    {
        let value = i64::from_str_radix(&text[2..], 2).ok()?;
        return Some(value.into());
    }
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits
        .as_bytes()
        .get(..2)
        .map(|p| [p[0], p[1].to_ascii_lowercase()]);
    let (radix, digits) = match lower {
        Some([b'0', b'x']) => (16, &digits[2..]),
        Some([b'0', b'o']) => (8, &digits[2..]),
        Some([b'0', b'b']) => (2, &digits[2..]),
        Some([b'0', _]) => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -magnitude } else { magnitude };
    let unsigned = text.starts_with('+') && value > i128::from(i64::MAX);
    (value >= i128::from(i64::MIN) && value <= i128::from(u64::MAX) && !unsigned).then_some(value)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, the shape go-yaml asks of a float.
fn is_float(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    mantissa_ok && exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)))
}

/// A float beyond the range of 64 bits is text to go-yaml.
fn finite(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}
