//! Go's time layouts: the reference moment `Mon Jan 2 15:04:05 MST 2006` as a pattern.

mod parse;

pub(crate) use parse::parse;

use super::clock::{MONTHS, Time, WEEKDAYS};

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
