//! The dates go-yaml v3 recognises, and how Go prints them.

/// A moment as written: the parts that RFC 3339 prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timestamp {
    date: (u32, u32, u32),
    time: (u32, u32, u32),
    nanos: u32,
    /// Minutes east of UTC; `None` prints `Z`.
    offset: Option<i32>,
}

impl std::fmt::Display for Timestamp {
    /// RFC 3339 with the fraction's trailing zeros cut, as Go's `RFC3339Nano`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ((year, month, day), (hour, minute, second)) = (self.date, self.time);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if self.nanos != 0 {
            let digits = format!("{:09}", self.nanos);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        match self.offset {
            None | Some(0) => write!(f, "Z"),
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
            }
        }
    }
}

/// Reads `Y-M-D`, `Y-M-D h:m:s[.f]` (no zone) and `Y-M-DTh:m:s[.f](Z|±hh:mm)`; all else is not a date.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let year: u32 = text.get(..4)?.parse().ok()?;
    let (month, rest) = number(text.get(5..)?)?;
    let (day, rest) = number(rest.strip_prefix('-')?)?;
    if !(1..=12).contains(&month) || day == 0 || day > days(year, month) {
        return None;
    }
    let date = (year, month, day);
    if rest.is_empty() {
        return Some(Timestamp {
            date,
            time: (0, 0, 0),
            nanos: 0,
            offset: None,
        });
    }
    let zoned = !rest.starts_with(' ');
    let (hour, rest) = number(rest.strip_prefix([' ', 'T', 't'])?)?;
    let (minute, rest) = number(rest.strip_prefix(':')?)?;
    let (second, rest) = number(rest.strip_prefix(':')?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, rest) = fraction(rest)?;
    let offset = match (zoned, rest) {
        (false, "") => None,
        (true, "Z") => None,
        (true, zone) => Some(offset(zone)?),
        (false, _) => return None,
    };
    Some(Timestamp {
        date,
        time: (hour, minute, second),
        nanos,
        offset,
    })
}

/// One or two digits.
fn number(text: &str) -> Option<(u32, &str)> {
    let len = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let value = text.get(..len)?.parse().ok()?;
    Some((value, &text[len..]))
}

fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(rest) = text.strip_prefix(['.', ',']) else {
        return Some((0, text));
    };
    let len = rest.bytes().take_while(u8::is_ascii_digit).count();
    if len == 0 {
        return None;
    }
    let nanos = format!("{:0<9}", &rest[..len.min(9)]).parse().ok()?;
    Some((nanos, &rest[len..]))
}

fn offset(zone: &str) -> Option<i32> {
    let bytes = zone.as_bytes();
    let sign = match bytes.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    if bytes.len() != 6 || bytes[3] != b':' {
        return None;
    }
    let hours: i32 = zone.get(1..3)?.parse().ok()?;
    let minutes: i32 = zone.get(4..6)?.parse().ok()?;
    (hours <= 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}
