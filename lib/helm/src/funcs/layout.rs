//! Go's time layouts: the reference moment `Mon Jan 2 15:04:05 MST 2006` as a pattern.

use super::clock::{MONTHS, Time, WEEKDAYS, Zone, days_from_civil};
use crate::template::quote::quote;

/// A piece of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    ZoneName,
    /// `Z07:00` and its kin: `Z` for UTC; with minutes, seconds, colons.
    Offset {
        iso: bool,
        colon: bool,
        minutes: bool,
        seconds: bool,
    },
    /// Digits of a fraction and whether trailing zeros stay; the separator is `.` or `,`.
    Fraction(usize, bool, char),
}

/// The text before the next piece, the piece, and the text after it.
fn next(layout: &str) -> (&str, Option<Piece>, &str) {
    for (at, _) in layout.char_indices() {
        if let Some((piece, size)) = piece_at(layout, at) {
            return (&layout[..at], Some(piece), &layout[at + size..]);
        }
    }
    (layout, None, "")
}

fn piece_at(layout: &str, at: usize) -> Option<(Piece, usize)> {
    let rest = &layout[at..];
    let table: [(&str, Piece); 20] = [
        ("January", Piece::LongMonth),
        ("Monday", Piece::LongWeekday),
        ("2006", Piece::LongYear),
        ("MST", Piece::ZoneName),
        ("01", Piece::ZeroMonth),
        ("02", Piece::ZeroDay),
        ("03", Piece::ZeroHour12),
        ("04", Piece::ZeroMinute),
        ("05", Piece::ZeroSecond),
        ("06", Piece::Year),
        ("002", Piece::ZeroYearDay),
        ("15", Piece::Hour),
        ("PM", Piece::UpperPm),
        ("pm", Piece::LowerPm),
        ("__2", Piece::UnderYearDay),
        ("1", Piece::NumMonth),
        ("2", Piece::Day),
        ("3", Piece::Hour12),
        ("4", Piece::Minute),
        ("5", Piece::Second),
    ];
    if rest.starts_with("_2") {
        // `_2006` is an underscore and a year.
        return (!rest.starts_with("_2006")).then_some((Piece::UnderDay, 2));
    }
    for (text, piece) in [("Jan", Piece::Month), ("Mon", Piece::Weekday)] {
        let long = if text == "Jan" { "January" } else { "Monday" };
        if rest.starts_with(text) && !rest.starts_with(long) {
            let letter = rest[3..].chars().next().is_some_and(|c| c.is_ascii_lowercase());
            return (!letter).then_some((piece, 3));
        }
    }
    for (text, piece) in table {
        if rest.starts_with(text) {
            return Some((piece, text.len()));
        }
    }
    offset_at(rest).or_else(|| fraction_at(layout, at))
}

fn offset_at(rest: &str) -> Option<(Piece, usize)> {
    let (iso, body) = match rest.as_bytes().first()? {
        b'-' => (false, &rest[1..]),
        b'Z' => (true, &rest[1..]),
        _ => return None,
    };
    for (text, colon, minutes, seconds) in [
        ("070000", false, true, true),
        ("07:00:00", true, true, true),
        ("0700", false, true, false),
        ("07:00", true, true, false),
        ("07", false, false, false),
    ] {
        if body.starts_with(text) {
            let piece = Piece::Offset {
                iso,
                colon,
                minutes,
                seconds,
            };
            return Some((piece, 1 + text.len()));
        }
    }
    None
}

fn fraction_at(layout: &str, at: usize) -> Option<(Piece, usize)> {
    let rest = &layout[at..];
    let separator = rest.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digit = rest[1..].chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let count = rest[1..].chars().take_while(|&c| c == digit).count();
    if rest[1 + count..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((Piece::Fraction(count, digit == '0', separator), 1 + count))
}

/// `time.Format(layout)`.
pub(crate) fn format(time: &Time, layout: &str) -> String {
    let civil = time.civil();
    let (offset, zone) = time.zone.at(time.seconds);
    let twelve = if civil.hour % 12 == 0 { 12 } else { civil.hour % 12 };
    let mut out = String::new();
    let mut rest = layout;
    loop {
        let (before, piece, after) = next(rest);
        out.push_str(before);
        let Some(piece) = piece else {
            return out;
        };
        rest = after;
        let month = MONTHS[(civil.month - 1).clamp(0, 11) as usize];
        let weekday = WEEKDAYS[time.weekday().clamp(0, 6) as usize];
        match piece {
            Piece::LongMonth => out.push_str(month),
            Piece::Month => out.push_str(&month[..3]),
            Piece::NumMonth => out.push_str(&civil.month.to_string()),
            Piece::ZeroMonth => out.push_str(&format!("{:02}", civil.month)),
            Piece::LongWeekday => out.push_str(weekday),
            Piece::Weekday => out.push_str(&weekday[..3]),
            Piece::Day => out.push_str(&civil.day.to_string()),
            Piece::UnderDay => out.push_str(&format!("{:2}", civil.day)),
            Piece::ZeroDay => out.push_str(&format!("{:02}", civil.day)),
            Piece::UnderYearDay => out.push_str(&format!("{:3}", time.year_day())),
            Piece::ZeroYearDay => out.push_str(&format!("{:03}", time.year_day())),
            Piece::Hour => out.push_str(&format!("{:02}", civil.hour)),
            Piece::Hour12 => out.push_str(&twelve.to_string()),
            Piece::ZeroHour12 => out.push_str(&format!("{twelve:02}")),
            Piece::Minute => out.push_str(&civil.minute.to_string()),
            Piece::ZeroMinute => out.push_str(&format!("{:02}", civil.minute)),
            Piece::Second => out.push_str(&civil.second.to_string()),
            Piece::ZeroSecond => out.push_str(&format!("{:02}", civil.second)),
            Piece::LongYear => {
                let sign = if civil.year < 0 { "-" } else { "" };
                out.push_str(&format!("{sign}{:04}", civil.year.unsigned_abs()));
            }
            Piece::Year => out.push_str(&format!("{:02}", civil.year.rem_euclid(100))),
            Piece::UpperPm => out.push_str(if civil.hour >= 12 { "PM" } else { "AM" }),
            Piece::LowerPm => out.push_str(if civil.hour >= 12 { "pm" } else { "am" }),
            Piece::ZoneName if !zone.is_empty() && !zone.starts_with(['+', '-']) => out.push_str(&zone),
            Piece::ZoneName => {
                let minutes = offset.abs() / 60;
                let sign = if offset < 0 { '-' } else { '+' };
                out.push_str(&format!("{sign}{:02}", minutes / 60));
                if minutes % 60 != 0 || zone.is_empty() {
                    out.push_str(&format!("{:02}", minutes % 60));
                }
            }
            Piece::Offset { iso: true, .. } if offset == 0 => out.push('Z'),
            Piece::Offset {
                colon,
                minutes,
                seconds,
                ..
            } => {
                let size = offset.abs();
                let separator = if colon { ":" } else { "" };
                out.push(if offset < 0 { '-' } else { '+' });
                out.push_str(&format!("{:02}", size / 3600));
                if minutes {
                    out.push_str(&format!("{separator}{:02}", size / 60 % 60));
                }
                if seconds {
                    out.push_str(&format!("{separator}{:02}", size % 60));
                }
            }
            Piece::Fraction(count, keep, separator) => {
                let digits = format!("{:09}", time.nanos);
                let digits = &digits[..count.min(9)];
                let digits = if keep {
                    digits
                } else {
                    digits.trim_end_matches('0')
                };
                if !digits.is_empty() {
                    out.push(separator);
                    out.push_str(digits);
                }
            }
        }
    }
}

/// `time.ParseInLocation(layout, text, local)`.
pub(crate) fn parse(layout: &str, text: &str, local: Zone) -> Result<Time, String> {
    let wrong = |piece: &str, rest: &str| {
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote(text.as_bytes()),
            quote(layout.as_bytes()),
            quote(rest.as_bytes()),
            quote(piece.as_bytes())
        )
    };
    let range = |what: &str| format!("parsing time {}: {what} out of range", quote(text.as_bytes()));
    let mut parsed = Parsed::default();
    let (mut pattern, mut rest) = (layout, text);
    loop {
        let (before, piece, after) = next(pattern);
        let name = &pattern[before.len()..pattern.len() - after.len()];
        rest = skip(rest, before).map_err(|rest| wrong(before, rest))?;
        let Some(piece) = piece else {
            break;
        };
        pattern = after;
        let held = rest;
        match parsed.take(piece, &mut rest, after) {
            Ok(()) => {}
            Err(None) => return Err(wrong(name, held)),
            Err(Some(what)) => return Err(range(what)),
        }
    }
    if !rest.is_empty() {
        return Err(format!(
            "parsing time {}: extra text: {}",
            quote(text.as_bytes()),
            quote(rest.as_bytes())
        ));
    }
    parsed.finish(local).map_err(range)
}

/// Skips the layout's text; spaces may be any number.
fn skip<'a>(mut rest: &'a str, mut prefix: &str) -> Result<&'a str, &'a str> {
    while let Some(c) = prefix.chars().next() {
        if c == ' ' {
            if !rest.is_empty() && !rest.starts_with(' ') {
                return Err(rest);
            }
            prefix = prefix.trim_start_matches(' ');
            rest = rest.trim_start_matches(' ');
            continue;
        }
        rest = rest.strip_prefix(c).ok_or(rest)?;
        prefix = &prefix[c.len_utf8()..];
    }
    Ok(rest)
}

#[derive(Default)]
struct Parsed {
    year: i64,
    month: i64,
    day: i64,
    year_day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: u32,
    pm: Option<bool>,
    offset: Option<i64>,
    zone: String,
}

type Taken = Result<(), Option<&'static str>>;

impl Parsed {
    fn take(&mut self, piece: Piece, rest: &mut &str, after: &str) -> Taken {
        match piece {
            Piece::LongYear => self.year = number(rest, 4, 4)?,
            Piece::Year => {
                let year = number(rest, 2, 2)?;
                self.year = if year >= 69 { 1900 + year } else { 2000 + year };
            }
            Piece::LongMonth => self.month = 1 + name(rest, &MONTHS, usize::MAX)?,
            Piece::Month => self.month = 1 + name(rest, &MONTHS, 3)?,
            Piece::NumMonth => self.month = limited(number(rest, 1, 2)?, 1, 12, "month")?,
            Piece::ZeroMonth => self.month = limited(number(rest, 2, 2)?, 1, 12, "month")?,
            Piece::LongWeekday => {
                name(rest, &WEEKDAYS, usize::MAX)?;
            }
            Piece::Weekday => {
                name(rest, &WEEKDAYS, 3)?;
            }
            Piece::Day | Piece::UnderDay | Piece::ZeroDay => {
                if piece == Piece::UnderDay {
                    *rest = rest.strip_prefix(' ').unwrap_or(rest);
                }
                self.day = number(rest, if piece == Piece::ZeroDay { 2 } else { 1 }, 2)?;
                if self.day == 0 {
                    self.day = -1;
                }
            }
            Piece::UnderYearDay | Piece::ZeroYearDay => {
                *rest = rest.trim_start_matches(' ');
                self.year_day = number(rest, 3, 3)?;
            }
            Piece::Hour => self.hour = limited(number(rest, 1, 2)?, 0, 23, "hour")?,
            Piece::Hour12 => self.hour = limited(number(rest, 1, 2)?, 0, 12, "hour")?,
            Piece::ZeroHour12 => self.hour = limited(number(rest, 2, 2)?, 0, 12, "hour")?,
            Piece::Minute => self.minute = limited(number(rest, 1, 2)?, 0, 59, "minute")?,
            Piece::ZeroMinute => self.minute = limited(number(rest, 2, 2)?, 0, 59, "minute")?,
            Piece::Second | Piece::ZeroSecond => {
                let least = if piece == Piece::Second { 1 } else { 2 };
                self.second = limited(number(rest, least, 2)?, 0, 59, "second")?;
                // A fraction is taken even if the layout has none.
                if rest.starts_with(['.', ','])
                    && rest[1..].starts_with(|c: char| c.is_ascii_digit())
                    && !matches!(next(after).1, Some(Piece::Fraction(..)))
                {
                    self.fraction(rest);
                }
            }
            Piece::UpperPm | Piece::LowerPm => {
                let upper = piece == Piece::UpperPm;
                let (am, pm) = if upper { ("AM", "PM") } else { ("am", "pm") };
                let head = rest.get(..2).ok_or(None)?;
                self.pm = match head {
                    _ if head == pm => Some(true),
                    _ if head == am => Some(false),
                    _ => return Err(None),
                };
                *rest = &rest[2..];
            }
            Piece::ZoneName => {
                if let Some(after) = rest.strip_prefix("UTC") {
                    self.offset = Some(0);
                    self.zone = "UTC".to_string();
                    *rest = after;
                    return Ok(());
                }
                let size = rest.bytes().take_while(u8::is_ascii_uppercase).count();
                if !(3..=5).contains(&size) {
                    return Err(None);
                }
                self.zone = rest[..size].to_string();
                *rest = &rest[size..];
            }
            Piece::Offset {
                iso,
                colon,
                minutes,
                seconds,
            } => {
                if iso && let Some(after) = rest.strip_prefix('Z') {
                    self.offset = Some(0);
                    self.zone = "UTC".to_string();
                    *rest = after;
                    return Ok(());
                }
                let sign = match rest.chars().next() {
                    Some('+') => 1,
                    Some('-') => -1,
                    _ => return Err(None),
                };
                *rest = &rest[1..];
                let mut offset = number(rest, 2, 2)? * 3600;
                for (wanted, unit) in [(minutes, 60), (seconds, 1)] {
                    if wanted {
                        if colon {
                            *rest = rest.strip_prefix(':').ok_or(None)?;
                        }
                        offset += number(rest, 2, 2)? * unit;
                    }
                }
                self.offset = Some(sign * offset);
            }
            Piece::Fraction(count, keep, _) => {
                if keep {
                    let digits = rest.get(1..=count).ok_or(None)?;
                    if !rest.starts_with(['.', ',']) || !digits.bytes().all(|b| b.is_ascii_digit()) {
                        return Err(None);
                    }
                    self.fraction(rest);
                } else if rest.starts_with(['.', ',']) && rest[1..].starts_with(|c: char| c.is_ascii_digit())
                {
                    self.fraction(rest);
                }
            }
        }
        Ok(())
    }

    fn fraction(&mut self, rest: &mut &str) {
        let size = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
        let digits = &rest[1..=size];
        let padded = format!("{:0<9}", &digits[..digits.len().min(9)]);
        self.nanos = padded.parse().unwrap_or(0);
        *rest = &rest[1 + size..];
    }

    fn finish(mut self, local: Zone) -> Result<Time, &'static str> {
        match self.pm {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let month = if self.month == 0 { 1 } else { self.month };
        let day = if self.day == 0 { 1 } else { self.day };
        let (month, day) = if self.year_day > 0 && self.month == 0 && self.day == 0 {
            (1, self.year_day)
        } else {
            let length = days_from_civil(self.year, month + 1, 1) - days_from_civil(self.year, month, 1);
            if day < 1 || day > length {
                return Err("day");
            }
            (month, day)
        };
        let wall = days_from_civil(self.year, month, day) * 86_400
            + self.hour * 3600
            + self.minute * 60
            + self.second;
        let zone = match self.offset {
            Some(0) if self.zone == "UTC" => return Ok(Time::new(wall, self.nanos, Zone::Utc)),
            Some(offset) => {
                let moment = wall - offset;
                let (there, _) = local.at(moment);
                if there == offset && self.zone.is_empty() {
                    return Ok(Time::new(moment, self.nanos, local));
                }
                let zone = Zone::Fixed(offset as i32, self.zone);
                return Ok(Time::new(moment, self.nanos, zone));
            }
            None if !self.zone.is_empty() => {
                let (there, name) = local.at(wall);
                if name == self.zone {
                    return Ok(Time::new(wall - there, self.nanos, local));
                }
                let hours = self.zone.strip_prefix("GMT").and_then(|h| h.parse::<i32>().ok());
                let offset = hours.unwrap_or(0) * 3600;
                return Ok(Time::new(
                    wall - i64::from(offset),
                    self.nanos,
                    Zone::Fixed(offset, self.zone),
                ));
            }
            None => local,
        };
        // The offset at the moment itself; near a change of the clocks the first guess may be another's.
        let guess = wall - zone.at(wall).0;
        let offset = zone.at(guess).0;
        Ok(Time::new(wall - offset, self.nanos, zone))
    }
}

fn limited(value: i64, min: i64, max: i64, what: &'static str) -> Result<i64, Option<&'static str>> {
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(Some(what))
    }
}

fn number(rest: &mut &str, least: usize, most: usize) -> Result<i64, Option<&'static str>> {
    let size = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if size < least {
        return Err(None);
    }
    let (digits, after) = rest.split_at(size);
    *rest = after;
    digits.parse().map_err(|_| None)
}

fn name(rest: &mut &str, names: &[&str], size: usize) -> Result<i64, Option<&'static str>> {
    for (i, name) in names.iter().enumerate() {
        let name = &name[..name.len().min(size)];
        if rest
            .get(..name.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(name))
        {
            *rest = &rest[name.len()..];
            return Ok(i as i64);
        }
    }
    Err(None)
}
