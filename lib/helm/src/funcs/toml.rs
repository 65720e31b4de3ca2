//! TOML as BurntSushi's library writes it, and reading it.

use super::encoding::parses;
use super::{Answer, Call, Function, Ty, fixed, string};
use crate::funcs::clock::{Time, Zone, days_from_civil};
use crate::template::error::Fault;
use crate::template::float;
use crate::template::value::{List, ListKind, Map, Text, Value};
use std::rc::Rc;

/// Values nested deeper are not written.
const MAX_DEPTH: usize = 500;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("toToml", &[Ty::Any], |c| match write(c) {
        Err(Fault::Message(error)) => string(error),
        other => other,
    }),
    fixed("mustToToml", &[Ty::Any], write),
    fixed("fromToml", &[Ty::Str], |c| {
        parses(c)?;
        let text = c.text(0).into_owned();
        Ok(match toml::from_str::<toml::Table>(&text) {
            Ok(table) => from_table(table),
            Err(error) => Map::any([("Error", Value::string(format!("toml: {}", error.message())))]),
        })
    }),
];

fn write(call: &mut Call<'_, '_>) -> Answer {
    let mut writer = Writer { out: String::new() };
    writer.encode(&mut Vec::new(), call.any(0))?;
    string(writer.out)
}

struct Writer {
    out: String,
}

/// Whether a value is written as a table, as an array of tables, or inline.
#[derive(PartialEq, Eq)]
enum Shape {
    Table,
    Tables,
    Plain,
}

fn shape(value: &Value) -> Result<Shape, Fault> {
    Ok(match value {
        Value::Map(_) | Value::Object(_) => Shape::Table,
        Value::List(list) if list.items.is_empty() => Shape::Plain,
        Value::List(list) => {
            if list.items.iter().any(Value::is_nil) {
                return Err("toml: cannot encode array with nil element".into());
            }
            if list
                .items
                .iter()
                .all(|item| matches!(item, Value::Map(_) | Value::Object(_)))
            {
                Shape::Tables
            } else {
                Shape::Plain
            }
        }
        Value::Complex(..) => return Err("unsupported type: complex128".into()),
        _ => Shape::Plain,
    })
}

impl Writer {
    fn newline(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn encode(&mut self, key: &mut Vec<Text>, value: &Value) -> Result<(), Fault> {
        if key.len() > MAX_DEPTH {
            return Err(Fault::Limit("value is nested too deeply for TOML".into()));
        }
        match (value, shape(value)?) {
            (Value::Nil | Value::NilInterface, _) => Ok(()),
            (Value::List(list), _) if list.kind.is_nil() && !key.is_empty() => Ok(()),
            (_, Shape::Table) => {
                if key.len() == 1 {
                    self.newline();
                }
                if !key.is_empty() {
                    self.out.push_str(&format!("{}[{}]", indent(key), dotted(key)));
                    self.newline();
                }
                self.table(key, value)
            }
            (Value::List(list), Shape::Tables) => {
                if key.is_empty() {
                    return Err("toml: top-level values must be Go maps or structs".into());
                }
                for item in &list.items {
                    self.newline();
                    self.out.push_str(&format!("{}[[{}]]", indent(key), dotted(key)));
                    self.newline();
                    self.table(key, item)?;
                }
                Ok(())
            }
            _ => {
                if let Some(last) = key.last() {
                    self.out.push_str(&format!("{}{} = ", indent(key), bare(last)));
                }
                self.element(value, 0)?;
                if !key.is_empty() {
                    self.newline();
                }
                Ok(())
            }
        }
    }

    /// The entries of a table: plain ones first.
    fn table(&mut self, key: &mut Vec<Text>, value: &Value) -> Result<(), Fault> {
        let entries = entries(value);
        for tables in [false, true] {
            for (name, value) in &entries {
                if value.is_nil() || (shape(value)? != Shape::Plain) != tables {
                    continue;
                }
                key.push(name.clone());
                self.encode(key, value)?;
                key.pop();
            }
        }
        Ok(())
    }

    fn element(&mut self, value: &Value, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::Limit("value is nested too deeply for TOML".into()));
        }
        match value {
            Value::Str(text) => self.out.push_str(&quoted(&text.text())),
            Value::Float(float) => {
                let text = match float {
                    float if float.is_nan() => "nan".to_string(),
                    float if float.is_infinite() => if *float > 0.0 { "inf" } else { "-inf" }.to_string(),
                    float => float::shortest(*float),
                };
                let point = if text.contains(['e', '.', 'n']) { "" } else { ".0" };
                self.out.push_str(&text);
                self.out.push_str(point);
            }
            Value::Time(time) => {
                let text = super::layout::format(time, "2006-01-02T15:04:05.999999999Z07:00");
                self.out.push_str(&text);
            }
            Value::Duration(_) | Value::Version(_) => {
                let text = crate::template::print::to_string(value);
                self.out.push_str(&quoted(&text));
            }
            Value::List(list) => {
                self.out.push('[');
                for (i, item) in list.items.iter().enumerate() {
                    if i > 0 {
                        self.out.push_str(", ");
                    }
                    self.element(item, depth + 1)?;
                }
                self.out.push(']');
            }
            Value::Bytes(bytes) => {
                let items: Vec<String> = bytes.iter().map(ToString::to_string).collect();
                self.out.push_str(&format!("[{}]", items.join(", ")));
            }
            Value::Map(_) | Value::Object(_) => self.inline(value, depth)?,
            other => self.out.push_str(&crate::template::print::to_string(other)),
        }
        Ok(())
    }

    fn inline(&mut self, value: &Value, depth: usize) -> Result<(), Fault> {
        let entries = entries(value);
        let mut plain = Vec::new();
        let mut tables = Vec::new();
        for (name, value) in entries {
            if shape(&value)? == Shape::Plain {
                plain.push((name, value));
            } else {
                tables.push((name, value));
            }
        }
        self.out.push('{');
        let (more, count) = (!tables.is_empty(), plain.len());
        for (i, (name, value)) in plain.iter().enumerate() {
            self.pair(name, value, more || i + 1 != count, depth)?;
        }
        let count = tables.len();
        for (i, (name, value)) in tables.iter().enumerate() {
            self.pair(name, value, i + 1 != count, depth)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn pair(&mut self, name: &Text, value: &Value, comma: bool, depth: usize) -> Result<(), Fault> {
        if value.is_nil() {
            return Ok(());
        }
        self.out.push_str(&format!("{} = ", bare(name)));
        self.element(value, depth + 1)?;
        if comma {
            self.out.push_str(", ");
        }
        Ok(())
    }
}

fn entries(value: &Value) -> Vec<(Text, Value)> {
    match value {
        Value::Map(map) => map.pairs(),
        Value::Object(object) => object
            .fields
            .iter()
            .filter(|field| !field.json.is_empty())
            .map(|field| (Text::from(field.name), field.value.clone()))
            .collect(),
        _ => Vec::new(),
    }
}

fn indent(key: &[Text]) -> String {
    "  ".repeat(key.len().saturating_sub(1))
}

fn dotted(key: &[Text]) -> String {
    key.iter().map(bare).collect::<Vec<_>>().join(".")
}

fn bare(key: &Text) -> String {
    let text = key.text();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        quoted(&text)
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x08' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\x0c' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if (c as u32) < 0x20 || c == '\x7f' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn from_table(table: toml::Table) -> Value {
    Map::any(table.into_iter().map(|(key, value)| (key, from_toml(value))))
}

fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::string(text),
        toml::Value::Integer(int) => Value::Int64(int),
        toml::Value::Float(float) => Value::Float(float),
        toml::Value::Boolean(truth) => Value::Bool(truth),
        toml::Value::Datetime(time) => Value::Time(Rc::new(moment(&time))),
        toml::Value::Table(table) => from_table(table),
        toml::Value::Array(items) => {
            let tables = !items.is_empty() && items.iter().all(toml::Value::is_table);
            let kind = if tables {
                ListKind::Named("[]map[string]interface {}")
            } else {
                ListKind::Any
            };
            List::of(kind, items.into_iter().map(from_toml).collect())
        }
    }
}

fn moment(time: &toml::value::Datetime) -> Time {
    let days = time.date.map_or(0, |d| {
        days_from_civil(i64::from(d.year), i64::from(d.month), i64::from(d.day))
    });
    let (mut seconds, mut nanos) = (days * 86_400, 0);
    if let Some(clock) = time.time {
        seconds += i64::from(clock.hour) * 3600 + i64::from(clock.minute) * 60;
        seconds += i64::from(clock.second.unwrap_or(0));
        nanos = clock.nanosecond.unwrap_or(0);
    }
    match time.offset {
        Some(toml::value::Offset::Custom { minutes }) => {
            let offset = i32::from(minutes) * 60;
            Time::new(
                seconds - i64::from(offset),
                nanos,
                Zone::Fixed(offset, String::new()),
            )
        }
        _ => Time::new(seconds, nanos, Zone::Utc),
    }
}
