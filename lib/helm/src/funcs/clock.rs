//! Moments, spans and zones as Go's `time` has them.

use super::layout;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::fmt;

/// A span in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Duration(pub i64);

/// A moment, seen in a zone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    pub nanos: u32,
    pub zone: Zone,
}

/// Where a clock hangs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Zone {
    Utc,
    /// East of UTC in seconds, with the name that a text gave.
    Fixed(i32, String),
    Named(TimeZone),
}

/// The fields of a moment in its zone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
}

const SECOND: i64 = 1_000_000_000;
/// Seconds from year 1 to 1970.
pub(crate) const YEAR_ONE: i64 = -62_135_596_800;

impl Zone {
    /// The zone of that name in the IANA database; `""` and `UTC` are UTC, `Local` is `local`.
    pub fn find(name: &str, local: &str) -> Option<Zone> {
        match name {
            "" | "UTC" => Some(Zone::Utc),
            "Local" if local == "Local" => Some(Zone::Utc),
            "Local" => Zone::find(local, local),
            name if name.contains("..") || name.starts_with(['/', '\\']) => None,
            name => TimeZoneDatabase::bundled().get(name).ok().map(Zone::Named),
        }
    }

    /// Seconds east of UTC at a moment, and the zone's abbreviation then.
    pub fn at(&self, seconds: i64) -> (i64, String) {
        match self {
            Zone::Utc => (0, "UTC".to_string()),
            Zone::Fixed(offset, name) => (i64::from(*offset), name.clone()),
            Zone::Named(zone) => match jiff::Timestamp::from_second(seconds) {
                Ok(moment) => {
                    let info = zone.to_offset_info(moment);
                    (
                        i64::from(info.offset().seconds()),
                        info.abbreviation().to_string(),
                    )
                }
                Err(_) => (0, "UTC".to_string()),
            },
        }
    }
}

impl Time {
    pub fn new(seconds: i64, nanos: u32, zone: Zone) -> Time {
        Time { seconds, nanos, zone }
    }

    /// The beginning of year one, Go's zero time.
    pub fn zero() -> Time {
        Time::new(YEAR_ONE, 0, Zone::Utc)
    }

    pub fn within(&self, zone: Zone) -> Time {
        Time::new(self.seconds, self.nanos, zone)
    }

    pub fn add(&self, span: Duration) -> Time {
        let nanos = i64::from(self.nanos) + span.0.rem_euclid(SECOND);
        let seconds = self
            .seconds
            .saturating_add(span.0.div_euclid(SECOND))
            .saturating_add(nanos / SECOND);
        Time::new(seconds, (nanos % SECOND) as u32, self.zone.clone())
    }

    pub fn since(&self, earlier: &Time) -> Duration {
        let nanos = i128::from(self.seconds - earlier.seconds) * i128::from(SECOND) + i128::from(self.nanos)
            - i128::from(earlier.nanos);
        Duration(nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    pub fn civil(&self) -> Civil {
        let local = self.seconds.saturating_add(self.zone.at(self.seconds).0);
        let (days, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }

    /// 0 is Sunday.
    pub fn weekday(&self) -> i64 {
        let local = self.seconds.saturating_add(self.zone.at(self.seconds).0);
        (local.div_euclid(86_400) + 4).rem_euclid(7)
    }

    /// From 1.
    pub fn year_day(&self) -> i64 {
        let civil = self.civil();
        days_from_civil(civil.year, civil.month, civil.day) - days_from_civil(civil.year, 1, 1) + 1
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&layout::format(self, "2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let unit = |value: u64, per: u64, unit: &str| {
            let mut text = (value / per).to_string();
            let rest = value % per;
            if rest > 0 {
                let digits = per.ilog10() as usize;
                text.push('.');
                text.push_str(format!("{rest:0digits$}").trim_end_matches('0'));
            }
            text + unit
        };
        let text = match nanos {
            0 => return f.write_str("0s"),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => unit(nanos, 1_000, "µs"),
            1_000_000..1_000_000_000 => unit(nanos, 1_000_000, "ms"),
            _ => {
                let second = SECOND as u64;
                let (minutes, rest) = (nanos / (60 * second), nanos % (60 * second));
                let seconds = unit(rest, second, "s");
                match (minutes / 60, minutes % 60) {
                    (0, 0) => seconds,
                    (0, minutes) => format!("{minutes}m{seconds}"),
                    (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
                }
            }
        };
        write!(f, "{sign}{text}")
    }
}

/// Go's `time.ParseDuration`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    use crate::template::quote::quote;
    let invalid = || format!("time: invalid duration {}", quote(text.as_bytes()));
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Duration(0));
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let whole = take_digits(&mut rest);
        let mut fraction = "";
        let mut dot = false;
        if let Some(after) = rest.strip_prefix('.') {
            dot = true;
            rest = after;
            fraction = take_digits(&mut rest);
        }
        if whole.is_empty() && fraction.is_empty() {
            let _ = dot;
            return Err(invalid());
        }
        let end = rest
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, after) = rest.split_at(end);
        if unit.is_empty() {
            return Err(format!(
                "time: missing unit in duration {}",
                quote(text.as_bytes())
            ));
        }
        rest = after;
        let per: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            other => {
                let (unit, text) = (quote(other.as_bytes()), quote(text.as_bytes()));
                return Err(format!("time: unknown unit {unit} in duration {text}"));
            }
        };
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| invalid())?
        };
        let mut nanos = whole.checked_mul(per).ok_or_else(invalid)?;
        let fraction = &fraction[..fraction.len().min(18)];
        if let Ok(parts) = fraction.parse::<u64>() {
            nanos += (parts as f64 * (per as f64 / 10f64.powi(fraction.len() as i32))) as u64;
        }
        total = total
            .checked_add(nanos)
            .filter(|&n| n <= 1 << 63)
            .ok_or_else(invalid)?;
    }
    if negative {
        return Ok(Duration((total as i64).wrapping_neg()));
    }
    i64::try_from(total).map(Duration).map_err(|_| invalid())
}

fn take_digits<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    digits
}

/// Days since 1970 of a date in the proleptic Gregorian calendar; months and days may be out of range.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(crate) const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// `January` of 1.
pub(crate) fn month_name(month: i8) -> String {
    match MONTHS.get((month - 1) as usize) {
        Some(name) => (*name).to_string(),
        None => format!("%!Month({month})"),
    }
}

/// `Sunday` of 0.
pub(crate) fn weekday_name(day: i8) -> String {
    match WEEKDAYS.get(day as usize) {
        Some(name) => (*name).to_string(),
        None => format!("%!Weekday({day})"),
    }
}
