//! Times as Go reads them from JSON and writes them again.

use serde_json::Value as Json;

/// Go's zero time.
pub(super) const ZERO: &str = "0001-01-01T00:00:00Z";

/// The time in a JSON value as Go prints it: RFC 3339 with up to nine digits of a second; nothing at all is Go's zero time.
///
/// # Errors
/// Another type, another format, or a day that is not in the calendar.
pub(crate) fn normal(value: Option<&Json>) -> Result<String, String> {
    match value {
        None | Some(Json::Null) => Ok(ZERO.to_owned()),
        Some(Json::String(text)) => parse(text).ok_or_else(|| {
            format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse it")
        }),
        Some(_) => Err("Time.UnmarshalJSON: input is not a JSON string".to_owned()),
    }
}

fn parse(text: &str) -> Option<String> {
    let (day, rest) = (text.get(..19)?, text.get(19..)?);
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let fits = |(have, want): (u8, &u8)| match want {
        b'd' => have.is_ascii_digit(),
        want => have == *want,
    };
    if !day.bytes().zip(shape).all(fits) {
        return None;
    }
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            (rest.get(..end).filter(|digits| !digits.is_empty())?, &rest[end..])
        }
        None => ("", rest),
    };
    let zone = match zone.as_bytes() {
        [b'Z'] => "Z",
        [
            b'+' | b'-',
            b'0'..=b'2',
            b'0'..=b'9',
            b':',
            b'0'..=b'5',
            b'0'..=b'9',
        ] => zone,
        _ => return None,
    };
    // What is there is well-formed; whether there is such a day and hour, the calendar knows.
    format!("{day}{zone}").parse::<jiff::Timestamp>().ok()?;
    let fraction = fraction.get(..9).unwrap_or(fraction).trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let zone = if zone.ends_with("00:00") { "Z" } else { zone };
    Some(format!("{day}{point}{fraction}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_go_prints_them() {
        for (text, expected) in [
            ("2026-01-01T00:00:00Z", Some("2026-01-01T00:00:00Z")),
            ("2026-01-01T00:00:00+00:00", Some("2026-01-01T00:00:00Z")),
            ("2026-01-01T00:00:00.120Z", Some("2026-01-01T00:00:00.12Z")),
            ("2026-01-01T00:00:00.000+02:00", Some("2026-01-01T00:00:00+02:00")),
            (
                "2026-01-01T00:00:00.1234567891Z",
                Some("2026-01-01T00:00:00.123456789Z"),
            ),
            ("2026-02-30T00:00:00Z", None),
            ("2026-01-01", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01T00:00:00.Z", None),
            ("2026-01-01 00:00:00Z", None),
            ("", None),
            ("äääääääääääääääääää", None),
        ] {
            assert_eq!(parse(text).as_deref(), expected, "{text}");
        }
        assert_eq!(normal(None).unwrap(), ZERO);
        assert!(normal(Some(&Json::from(1))).is_err());
    }
}
