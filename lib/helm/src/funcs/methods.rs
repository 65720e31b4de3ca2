//! Methods of Go's types that templates can call.

use super::clock::{Duration, Time, Zone, days_from_civil};
use super::encoding::to_yaml;
use super::paths::base;
use super::semver::{Part, next, receiver as version};
use super::{Answer, Call, Function, Ty, fixed, string};
use crate::glob::Glob;
use crate::template::value::{List, Map, MapKind, Text, Value};
use base64::Engine as _;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The method of that name of the value's type, if it has one; the receiver is its first argument.
pub(crate) fn find(receiver: &Value, name: &str) -> Option<&'static Function> {
    let methods: &'static [Function] = match receiver {
        Value::Map(map) if map.kind == MapKind::Files => FILES,
        Value::Map(map) if map.kind == MapKind::Values => VALUES,
        Value::List(list) if list.kind.type_name() == "common.VersionSet" => VERSION_SET,
        Value::Object(object) if object.name == "common.KubeVersion" => KUBE_VERSION,
        Value::Time(_) => TIME,
        Value::Duration(_) => DURATION,
        Value::Month(_) | Value::Weekday(_) => NAMED,
        Value::Version(_) => VERSION,
        _ => return None,
    };
    methods.iter().find(|method| method.name == name)
}

const NAMED: &[Function] = &[fixed("String", &[], printed)];

const KUBE_VERSION: &[Function] = &[
    fixed("String", &[], printed),
    fixed("GitVersion", &[], |c| match c.any(0) {
        Value::Object(object) => Ok(object.field("Version").cloned().unwrap_or(Value::Nil)),
        _ => Ok(Value::Nil),
    }),
];

const VERSION_SET: &[Function] = &[fixed("Has", &[Ty::Str], |c| {
    let wanted = c.bytes(1);
    let has = match c.any(0) {
        Value::List(list) => list
            .items
            .iter()
            .any(|item| matches!(item, Value::Str(text) if text.bytes() == wanted)),
        _ => false,
    };
    Ok(Value::Bool(has))
})];

const VALUES: &[Function] = &[
    fixed("AsMap", &[], |c| match c.any(0) {
        // The same entries under a plain type.
        Value::Map(map) => Ok(Value::Map(map.view(MapKind::Any))),
        _ => Ok(Value::Nil),
    }),
    fixed("YAML", &[], |c| string(to_yaml(c.any(0))? + "\n")),
    fixed("Table", &[Ty::Str], |c| {
        let path = c.text(1).into_owned();
        let mut at = c.dict(0);
        for part in path.split('.') {
            match at.get(part.as_bytes()) {
                Some(Value::Map(map)) => at = map,
                _ => {
                    let part = crate::template::quote::quote(part.as_bytes());
                    return Err(format!("{part} is not a table").into());
                }
            }
        }
        Ok(Value::Map(at.view(MapKind::Values)))
    }),
    fixed("PathValue", &[Ty::Str], |c| {
        let path = c.text(1).into_owned();
        // Helm names the last part only.
        let last = path.rsplit('.').next().unwrap_or_default().to_string();
        let missing = || {
            format!(
                "{} is not a value",
                crate::template::quote::quote(last.as_bytes())
            )
        };
        if path.is_empty() {
            return Err("YAML path cannot be empty".into());
        }
        let mut at = Value::Map(c.dict(0));
        for part in path.split('.') {
            at = match &at {
                Value::Map(map) => map.get(part.as_bytes()).ok_or_else(missing)?,
                _ => return Err(missing().into()),
            };
        }
        match at {
            Value::Map(_) => Err(missing().into()),
            value => Ok(value),
        }
    }),
];

const FILES: &[Function] = &[
    fixed("Get", &[Ty::Str], |c| Ok(Value::Str(Text::new(file(c))))),
    fixed("GetBytes", &[Ty::Str], |c| Ok(Value::Bytes(file(c).into()))),
    fixed("Lines", &[Ty::Str], |c| {
        let bytes = file(c);
        if bytes.is_empty() {
            return Ok(List::strings(Vec::<Text>::new()));
        }
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        Ok(List::strings(super::strings::split(text, b"\n", None)))
    }),
    fixed("Glob", &[Ty::Str], |c| {
        let pattern = c.text(1).into_owned();
        let glob = Glob::parse(&pattern).or_else(|| Glob::parse("**"));
        let files = c.dict(0).pairs();
        c.step(files.len())?;
        let entries = files
            .into_iter()
            .filter(|(name, _)| glob.as_ref().is_some_and(|glob| glob.matches(&name.text())))
            .collect();
        Ok(Value::Map(Map::new(MapKind::Files, entries)))
    }),
    fixed("AsConfig", &[], |c| {
        let files = named(c, |bytes| Value::Str(Text::new(bytes)));
        string(to_yaml(&files)?)
    }),
    fixed("AsSecrets", &[], |c| {
        let files = named(c, |bytes| {
            Value::string(base64::engine::general_purpose::STANDARD.encode(bytes))
        });
        string(to_yaml(&files)?)
    }),
];

fn file(call: &Call<'_, '_>) -> Vec<u8> {
    match call.dict(0).get(call.bytes(1)) {
        Some(Value::Bytes(bytes)) => bytes.to_vec(),
        _ => Vec::new(),
    }
}

/// The files by the last part of their names.
fn named(call: &Call<'_, '_>, value: fn(&[u8]) -> Value) -> Value {
    let entries: BTreeMap<Text, Value> = call
        .dict(0)
        .pairs()
        .into_iter()
        .filter_map(|(name, file)| match file {
            Value::Bytes(bytes) => Some((Text::from(base(&name.text())), value(&bytes))),
            _ => None,
        })
        .collect();
    Value::Map(Map::new(MapKind::Any, entries))
}

fn printed(call: &mut Call<'_, '_>) -> Answer {
    let mut out = Vec::new();
    crate::template::print::print(call.any(0), &mut out)?;
    super::raw(out)
}

fn time(call: &Call<'_, '_>, i: usize) -> Rc<Time> {
    match call.any(i) {
        Value::Time(time) => time.clone(),
        _ => Rc::new(Time::zero()),
    }
}

fn moment(time: Time) -> Answer {
    Ok(Value::Time(Rc::new(time)))
}

fn int(value: i64) -> Answer {
    Ok(Value::Int(value))
}

const TIME: &[Function] = &[
    fixed("String", &[], printed),
    fixed("Format", &[Ty::Str], |c| {
        string(super::layout::format(&time(c, 0), &c.text(1)))
    }),
    fixed("Unix", &[], |c| Ok(Value::Int64(time(c, 0).seconds))),
    fixed("UnixMilli", &[], |c| Ok(Value::Int64(unix(&time(c, 0), 1_000)))),
    fixed("UnixMicro", &[], |c| {
        Ok(Value::Int64(unix(&time(c, 0), 1_000_000)))
    }),
    fixed("UnixNano", &[], |c| {
        Ok(Value::Int64(unix(&time(c, 0), 1_000_000_000)))
    }),
    fixed("Year", &[], |c| int(time(c, 0).civil().year)),
    fixed("Month", &[], |c| Ok(Value::Month(time(c, 0).civil().month as i8))),
    fixed("Day", &[], |c| int(time(c, 0).civil().day)),
    fixed("Hour", &[], |c| int(time(c, 0).civil().hour)),
    fixed("Minute", &[], |c| int(time(c, 0).civil().minute)),
    fixed("Second", &[], |c| int(time(c, 0).civil().second)),
    fixed("Nanosecond", &[], |c| int(i64::from(time(c, 0).nanos))),
    fixed("YearDay", &[], |c| int(time(c, 0).year_day())),
    fixed("Weekday", &[], |c| Ok(Value::Weekday(time(c, 0).weekday() as i8))),
    fixed("UTC", &[], |c| moment(time(c, 0).within(Zone::Utc))),
    fixed("Local", &[], |c| {
        let zone = Zone::find("Local", c.run.environment.zone()).unwrap_or(Zone::Utc);
        moment(time(c, 0).within(zone))
    }),
    fixed("IsZero", &[], |c| {
        let time = time(c, 0);
        Ok(Value::Bool(
            time.seconds == super::clock::YEAR_ONE && time.nanos == 0,
        ))
    }),
    fixed("Add", &[Ty::Duration], |c| match c.any(1) {
        Value::Duration(span) => moment(time(c, 0).add(*span)),
        _ => moment(time(c, 0).as_ref().clone()),
    }),
    fixed("AddDate", &[Ty::Int, Ty::Int, Ty::Int], |c| {
        let time = time(c, 0);
        let civil = time.civil();
        let clamp = |value: i64| value.clamp(-1_000_000, 1_000_000);
        let days = days_from_civil(
            civil.year + clamp(c.int(1)),
            civil.month + clamp(c.int(2)),
            civil.day + clamp(c.int(3)),
        );
        let wall = days * 86_400 + civil.hour * 3600 + civil.minute * 60 + civil.second;
        let offset = time.zone.at(wall).0;
        moment(Time::new(wall - offset, time.nanos, time.zone.clone()))
    }),
    fixed("Sub", &[Ty::Time], |c| {
        Ok(Value::Duration(time(c, 0).since(&time(c, 1))))
    }),
    fixed("Before", &[Ty::Time], |c| {
        Ok(Value::Bool(key(&time(c, 0)) < key(&time(c, 1))))
    }),
    fixed("After", &[Ty::Time], |c| {
        Ok(Value::Bool(key(&time(c, 0)) > key(&time(c, 1))))
    }),
    fixed("Equal", &[Ty::Time], |c| {
        Ok(Value::Bool(key(&time(c, 0)) == key(&time(c, 1))))
    }),
];

fn key(time: &Time) -> (i64, u32) {
    (time.seconds, time.nanos)
}

fn unix(time: &Time, per_second: i64) -> i64 {
    let part = i64::from(time.nanos) / (1_000_000_000 / per_second);
    time.seconds.wrapping_mul(per_second).wrapping_add(part)
}

fn span(call: &Call<'_, '_>) -> Duration {
    match call.any(0) {
        Value::Duration(span) => *span,
        _ => Duration(0),
    }
}

fn parts(call: &Call<'_, '_>, unit: i64) -> Answer {
    let span = span(call).0;
    Ok(Value::Float(
        (span / unit) as f64 + (span % unit) as f64 / unit as f64,
    ))
}

const DURATION: &[Function] = &[
    fixed("String", &[], printed),
    fixed("Hours", &[], |c| parts(c, 3_600_000_000_000)),
    fixed("Minutes", &[], |c| parts(c, 60_000_000_000)),
    fixed("Seconds", &[], |c| parts(c, 1_000_000_000)),
    fixed("Milliseconds", &[], |c| Ok(Value::Int64(span(c).0 / 1_000_000))),
    fixed("Microseconds", &[], |c| Ok(Value::Int64(span(c).0 / 1_000))),
    fixed("Nanoseconds", &[], |c| Ok(Value::Int64(span(c).0))),
    fixed("Abs", &[], |c| {
        Ok(Value::Duration(Duration(span(c).0.saturating_abs())))
    }),
];

const VERSION: &[Function] = &[
    fixed("String", &[], printed),
    fixed("Major", &[], |c| Ok(Value::Uint(version(c).major))),
    fixed("Minor", &[], |c| Ok(Value::Uint(version(c).minor))),
    fixed("Patch", &[], |c| Ok(Value::Uint(version(c).patch))),
    fixed("Prerelease", &[], |c| string(version(c).pre.as_str())),
    fixed("Metadata", &[], |c| string(version(c).metadata.as_str())),
    fixed("Original", &[], |c| string(version(c).original.as_str())),
    fixed("IncPatch", &[], |c| {
        Ok(Value::Version(Rc::new(next(&version(c), Part::Patch))))
    }),
    fixed("IncMinor", &[], |c| {
        Ok(Value::Version(Rc::new(next(&version(c), Part::Minor))))
    }),
    fixed("IncMajor", &[], |c| {
        Ok(Value::Version(Rc::new(next(&version(c), Part::Major))))
    }),
    fixed("Compare", &[Ty::Version], |c| {
        compared(c, |order| Value::Int(order as i64))
    }),
    fixed("Equal", &[Ty::Version], |c| {
        compared(c, |order| Value::Bool(order.is_eq()))
    }),
    fixed("LessThan", &[Ty::Version], |c| {
        compared(c, |order| Value::Bool(order.is_lt()))
    }),
    fixed("GreaterThan", &[Ty::Version], |c| {
        compared(c, |order| Value::Bool(order.is_gt()))
    }),
    fixed("LessThanEqual", &[Ty::Version], |c| {
        compared(c, |order| Value::Bool(order.is_le()))
    }),
    fixed("GreaterThanEqual", &[Ty::Version], |c| {
        compared(c, |order| Value::Bool(order.is_ge()))
    }),
];

fn compared(call: &mut Call<'_, '_>, answer: fn(std::cmp::Ordering) -> Value) -> Answer {
    match call.any(1) {
        Value::Version(other) => Ok(answer(version(call).precedence(other))),
        _ => Err(super::NIL_DEREFERENCE.into()),
    }
}
