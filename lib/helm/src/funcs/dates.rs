//! Sprig's dates and Helm's durations; what time it is, is handed in.

use super::clock::{Duration, Time, Zone, parse_duration};
use super::{Answer, Call, Function, Ty, fixed, layout, string};
use crate::template::error::Fault;
use crate::template::float;
use crate::template::number;
use crate::template::quote::quote;
use crate::template::value::Value;
use std::rc::Rc;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("now", &[], |c| Ok(Value::Time(Rc::new(now(c))))),
    fixed("date", &[Ty::Str, Ty::Any], |c| in_zone(c, "Local")),
    fixed("dateInZone", &[Ty::Str, Ty::Any, Ty::Str], |c| {
        let zone = c.text(2).into_owned();
        in_zone(c, &zone)
    }),
    fixed("date_in_zone", &[Ty::Str, Ty::Any, Ty::Str], |c| {
        let zone = c.text(2).into_owned();
        in_zone(c, &zone)
    }),
    fixed("htmlDate", &[Ty::Any], |c| {
        let time = moment(c, 0);
        string(layout::format(&time.within(zone(c, "Local")), "2006-01-02"))
    }),
    fixed("htmlDateInZone", &[Ty::Any, Ty::Str], |c| {
        let time = moment(c, 0);
        string(layout::format(&time.within(zone(c, &c.text(1))), "2006-01-02"))
    }),
    fixed("dateModify", &[Ty::Str, Ty::Time], modify),
    fixed("date_modify", &[Ty::Str, Ty::Time], modify),
    fixed("mustDateModify", &[Ty::Str, Ty::Time], must_modify),
    fixed("must_date_modify", &[Ty::Str, Ty::Time], must_modify),
    fixed("toDate", &[Ty::Str, Ty::Str], |c| {
        let time = layout::parse(&c.text(0), &c.text(1), zone(c, "Local"));
        Ok(Value::Time(Rc::new(time.unwrap_or_else(|_| Time::zero()))))
    }),
    fixed("mustToDate", &[Ty::Str, Ty::Str], |c| {
        let time = layout::parse(&c.text(0), &c.text(1), zone(c, "Local"))?;
        Ok(Value::Time(Rc::new(time)))
    }),
    fixed("unixEpoch", &[Ty::Time], |c| match c.any(0) {
        Value::Time(time) => string(time.seconds.to_string()),
        _ => string(""),
    }),
    fixed("ago", &[Ty::Any], |c| {
        let since = now(c).since(&moment(c, 0));
        string(round(since, 1_000_000_000).to_string())
    }),
    fixed("duration", &[Ty::Any], |c| {
        let seconds = match c.any(0) {
            Value::Int64(seconds) => *seconds,
            Value::Str(text) => text.text().parse().unwrap_or(0),
            _ => 0,
        };
        string(Duration(seconds.wrapping_mul(1_000_000_000)).to_string())
    }),
    fixed("durationRound", &[Ty::Any], |c| {
        let span = match c.any(0) {
            Value::Int64(nanos) => Duration(*nanos),
            Value::Str(text) => parse_duration(&text.text()).unwrap_or(Duration(0)),
            Value::Time(time) => now(c).since(time),
            _ => Duration(0),
        };
        string(largest_unit(span))
    }),
    fixed("mustToDuration", &[Ty::Any], |c| {
        Ok(Value::Duration(span(c.any(0))?))
    }),
    fixed("durationSeconds", &[Ty::Any], |c| units(c, 1_000_000_000)),
    fixed("durationMilliseconds", &[Ty::Any], |c| whole(c, 1_000_000)),
    fixed("durationMicroseconds", &[Ty::Any], |c| whole(c, 1_000)),
    fixed("durationNanoseconds", &[Ty::Any], |c| whole(c, 1)),
    fixed("durationMinutes", &[Ty::Any], |c| units(c, 60_000_000_000)),
    fixed("durationHours", &[Ty::Any], |c| units(c, 3_600_000_000_000)),
    fixed("durationDays", &[Ty::Any], |c| Ok(Value::Float(hours(c) / 24.0))),
    fixed("durationWeeks", &[Ty::Any], |c| {
        Ok(Value::Float(hours(c) / 24.0 / 7.0))
    }),
    fixed("durationRoundTo", &[Ty::Any, Ty::Any], |c| to_multiple(c, round)),
    fixed("durationTruncateTo", &[Ty::Any, Ty::Any], |c| {
        to_multiple(c, |span, unit| Duration(span.0 - span.0 % unit))
    }),
];

fn now(call: &Call<'_, '_>) -> Time {
    let (seconds, nanos) = call.run.environment.now();
    Time::new(seconds, nanos, zone(call, "Local"))
}

fn zone(call: &Call<'_, '_>, name: &str) -> Zone {
    Zone::find(name, call.run.environment.zone()).unwrap_or(Zone::Utc)
}

/// A time or seconds since 1970; anything else is now.
fn moment(call: &Call<'_, '_>, i: usize) -> Time {
    match call.any(i) {
        Value::Time(time) => time.as_ref().clone(),
        Value::Int(seconds) | Value::Int64(seconds) => Time::new(*seconds, 0, Zone::Utc),
        _ => now(call),
    }
}

fn in_zone(call: &mut Call<'_, '_>, name: &str) -> Answer {
    let time = moment(call, 1).within(zone(call, name));
    string(layout::format(&time, &call.text(0)))
}

fn modify(call: &mut Call<'_, '_>) -> Answer {
    match must_modify(call) {
        Err(_) => Ok(call.any(1).clone()),
        ok => ok,
    }
}

fn must_modify(call: &mut Call<'_, '_>) -> Answer {
    let span = parse_duration(&call.text(0))?;
    match call.any(1) {
        Value::Time(time) => Ok(Value::Time(Rc::new(time.add(span)))),
        other => Ok(other.clone()),
    }
}

/// Go's `Duration.Round`: half away from zero.
fn round(span: Duration, unit: i64) -> Duration {
    if unit <= 0 {
        return span;
    }
    let rest = i128::from(span.0 % unit);
    let mut value = i128::from(span.0) - rest;
    if rest.abs() * 2 >= i128::from(unit) {
        value += i128::from(unit) * rest.signum();
    }
    Duration(value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
}

fn largest_unit(span: Duration) -> String {
    let nanos = span.0.unsigned_abs();
    let hour = 3_600_000_000_000u64;
    for (unit, name) in [
        (hour * 24 * 365, "y"),
        (hour * 24 * 30, "mo"),
        (hour * 24, "d"),
        (hour, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
    ] {
        if nanos > unit {
            return format!("{}{name}", nanos / unit);
        }
    }
    "0s".to_string()
}

fn hours(call: &Call<'_, '_>) -> f64 {
    span(call.any(0)).map_or(0.0, |span| fraction(span, 3_600_000_000_000))
}

fn fraction(span: Duration, unit: i64) -> f64 {
    (span.0 / unit) as f64 + (span.0 % unit) as f64 / unit as f64
}

fn units(call: &mut Call<'_, '_>, unit: i64) -> Answer {
    Ok(Value::Float(
        span(call.any(0)).map_or(0.0, |span| fraction(span, unit)),
    ))
}

fn whole(call: &mut Call<'_, '_>, unit: i64) -> Answer {
    Ok(Value::Int64(span(call.any(0)).map_or(0, |span| span.0 / unit)))
}

fn to_multiple(call: &mut Call<'_, '_>, operation: fn(Duration, i64) -> Duration) -> Answer {
    let Ok(value) = span(call.any(0)) else {
        return Ok(Value::Duration(Duration(0)));
    };
    match span(call.any(1)) {
        Ok(unit) if unit.0 > 0 => Ok(Value::Duration(operation(value, unit.0))),
        Ok(_) | Err(_) => Ok(Value::Duration(value)),
    }
}

/// Anything that can be a duration: text, or a number of seconds.
fn span(value: &Value) -> Result<Duration, Fault> {
    let overflow = |what: String| Fault::Message(format!("duration seconds overflow: {what}"));
    Ok(match value {
        Value::Duration(span) => *span,
        Value::Str(text) => {
            let given = text.text();
            let trimmed = super::strings::trim_space(&given);
            if trimmed.is_empty() {
                return Err("empty duration".into());
            }
            if let Ok(span) = parse_duration(trimmed) {
                return Ok(span);
            }
            match number::float(trimmed) {
                Some(seconds) => seconds_to_span(seconds)?,
                None => {
                    return Err(format!("could not parse duration {}", quote(text.bytes())).into());
                }
            }
        }
        Value::Nil | Value::NilInterface => return Err("invalid duration".into()),
        Value::Float(seconds) => seconds_to_span(*seconds)?,
        Value::Byte(seconds) => Duration(i64::from(*seconds) * 1_000_000_000),
        other => match other.as_int() {
            Some(seconds) => Duration(
                seconds
                    .checked_mul(1_000_000_000)
                    .ok_or_else(|| overflow(seconds.to_string()))?,
            ),
            None => return Err(format!("unsupported duration type {}", other.type_name()).into()),
        },
    })
}

fn seconds_to_span(seconds: f64) -> Result<Duration, Fault> {
    let text = float::shortest(seconds);
    if !seconds.is_finite() {
        return Err(format!("invalid duration seconds: {text}").into());
    }
    let nanos = seconds * 1e9;
    if nanos.abs() > i64::MAX as f64 {
        return Err(format!("duration seconds overflow: {text}").into());
    }
    Ok(Duration(super::cast::truncate(nanos)))
}
