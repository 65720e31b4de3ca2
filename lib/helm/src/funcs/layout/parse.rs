//! Reading a moment out of a text, as a layout says.

use super::{Piece, next};
use crate::funcs::clock::{MONTHS, Time, WEEKDAYS, Zone, days_from_civil};
use crate::template::quote::quote;

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
