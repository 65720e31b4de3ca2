//! A span of time as Go writes it: `1h30m`, `1.5s`, `300ms`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// The pattern of duration fields that may count in hours.
pub(crate) const HOURS: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$";
/// The pattern of duration fields that may not: most timeouts.
pub(crate) const MINUTES: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$";

/// The largest number of nanoseconds that Go's `time.Duration` holds.
const MAX_NANOS: u64 = i64::MAX as u64;
const NANOS_PER_SEC: u64 = 1_000_000_000;

/// A duration field as the user wrote it.
///
/// Reading one never fails, so that a single absurd value that is already stored cannot make the list of its
/// kind unreadable (CVE-2022-39272); [`get`](Self::get) says whether the text means anything.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Duration(String);

impl Duration {
    /// The duration in Go's canonical spelling, such as `1m0s`.
    pub fn new(value: std::time::Duration) -> Self {
        Self(format_go(value))
    }

    /// What the text means.
    ///
    /// # Errors
    /// When the text is not a Go duration, is negative, or exceeds Go's range of about 292 years.
    pub fn get(&self) -> Result<std::time::Duration, DurationError> {
        parse_go(&self.0)
    }

    /// The text as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Duration {
    fn default() -> Self {
        Self::new(std::time::Duration::ZERO)
    }
}

impl From<std::time::Duration> for Duration {
    fn from(value: std::time::Duration) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Duration {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Duration {
    /// Prints as Go's `time.Duration.String()`; a text that is no duration is printed as it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Ok(value) => f.write_str(&format_go(value)),
            Err(_) => f.write_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyScalar;
        impl de::Visitor<'_> for AnyScalar {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"10m\"")
            }
            fn visit_str<E>(self, text: &str) -> Result<Duration, E> {
                Ok(Duration(text.to_owned()))
            }
            fn visit_i64<E>(self, n: i64) -> Result<Duration, E> {
                Ok(Duration(n.to_string()))
            }
            fn visit_u64<E>(self, n: u64) -> Result<Duration, E> {
                Ok(Duration(n.to_string()))
            }
            fn visit_f64<E>(self, n: f64) -> Result<Duration, E> {
                Ok(Duration(n.to_string()))
            }
        }
        deserializer.deserialize_any(AnyScalar)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

/// Why a text is not a usable duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text does not follow Go's grammar.
    #[error("'{0}' is not a duration such as 1h30m or 10s")]
    Invalid(String),
    /// The text has no unit, or one that Go does not know.
    #[error("duration '{0}' lacks a unit of ns, us, ms, s, m or h")]
    Unit(String),
    /// The value is longer than Go can hold.
    #[error("duration '{0}' is longer than 292 years")]
    OutOfRange(String),
    /// The value is below zero.
    #[error("duration '{0}' is negative")]
    Negative(String),
}

/// Reads a duration in the grammar of Go's `time.ParseDuration`: numbers with fractions, each with a unit.
///
/// # Errors
/// As [`DurationError`] lists them; `-0s` is zero, any other negative value is refused.
pub fn parse_go(text: &str) -> Result<std::time::Duration, DurationError> {
    let invalid = || DurationError::Invalid(excerpt(text));
    let too_long = || DurationError::OutOfRange(excerpt(text));
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(std::time::Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after_whole) = split_digits(rest);
        let (fraction, after_fraction) = match after_whole.strip_prefix('.') {
            Some(after_dot) => split_digits(after_dot),
            None => ("", after_whole),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_end = after_fraction
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after_fraction.len());
        let (unit, after_unit) = after_fraction.split_at(unit_end);
        let unit = nanos_of(unit).ok_or_else(|| DurationError::Unit(excerpt(text)))?;
        let whole: u64 = match whole {
            "" => 0,
            digits => digits.parse().map_err(|_| too_long())?,
        };
        let part = whole
            .checked_mul(unit)
            .and_then(|n| n.checked_add(fraction_of(fraction, unit)));
        // Go admits one nanosecond more below zero than above; nothing below zero passes here.
        total = part
            .and_then(|n| total.checked_add(n))
            .filter(|n| *n <= MAX_NANOS)
            .ok_or_else(too_long)?;
        rest = after_unit;
    }
    if negative && total > 0 {
        return Err(DurationError::Negative(excerpt(text)));
    }
    Ok(std::time::Duration::from_nanos(total))
}

/// Prints a duration as Go's `time.Duration.String()` does: `1h0m0s`, `1.5s`, `300ms`, `0s`.
pub fn format_go(value: std::time::Duration) -> String {
    let nanos = u64::from(value.subsec_nanos());
    let seconds = value.as_secs();
    if seconds == 0 {
        return match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => format!("{}µs", decimal(nanos / 1_000, nanos % 1_000, 3)),
            _ => format!("{}ms", decimal(nanos / 1_000_000, nanos % 1_000_000, 6)),
        };
    }
    let last = decimal(seconds % 60, nanos, 9);
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{last}s"),
        (0, minutes) => format!("{minutes}m{last}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{last}s"),
    }
}

/// `whole.fraction` with `width` digits of fraction, trailing zeros cut.
fn decimal(whole: u64, fraction: u64, width: usize) -> String {
    let digits = format!("{fraction:0width$}");
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        whole.to_string()
    } else {
        format!("{whole}.{digits}")
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn nanos_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // Both the micro sign and the Greek letter are in use.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SEC,
        "m" => 60 * NANOS_PER_SEC,
        "h" => 3600 * NANOS_PER_SEC,
        _ => return None,
    })
}

/// The fraction of a unit, in nanoseconds, cut and not rounded.
///
/// Eighteen digits decide every nanosecond of an hour; what follows them is ignored.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let digits = &digits[..digits.len().min(18)];
    let Ok(numerator) = digits.parse::<u128>() else {
        return 0;
    };
    let nanos = numerator * u128::from(unit) / 10u128.pow(u32::try_from(digits.len()).unwrap_or(0));
    u64::try_from(nanos).unwrap_or(0)
}

/// The text for an error message, cut so that a huge value cannot fill a log.
fn excerpt(text: &str) -> String {
    const LIMIT: usize = 64;
    if text.chars().count() <= LIMIT {
        text.to_owned()
    } else {
        text.chars().take(LIMIT).chain(['…']).collect()
    }
}
