//! Go's fmt: how values print with `%v` and the other verbs.

mod format;
mod number;
mod text;

use super::error::Fault;
use super::object::Object;
use super::value::{List, ListKind, Map, MapKind, Value};
use format::Format;

/// Values nested deeper are not printed.
const MAX_DEPTH: usize = 2_000;
/// Go's limit of widths and precisions.
const MAX_NUMBER: i64 = 1_000_000;

/// Appends `value` as an action prints it.
pub(crate) fn print(value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
    match value {
        Value::Nil | Value::NilInterface => out.extend_from_slice(b"<no value>"),
        Value::Str(text) => out.extend_from_slice(text.bytes()),
        Value::Object(object) if object.text.is_some() => {
            if let Some(text) = &object.text {
                out.extend_from_slice(text.bytes());
            }
        }
        value => {
            let mut printer = Printer {
                // An action looks through a pointer.
                through: true,
                ..Printer::default()
            };
            printer.value(value, 'v', 0);
            return printer.finish(out);
        }
    }
    Ok(())
}

/// `value` as `%v` prints it.
pub(crate) fn to_string(value: &Value) -> String {
    String::from_utf8_lossy(&to_bytes(value).unwrap_or_default()).into_owned()
}

/// `value` as `%v` prints it, in bytes.
pub(crate) fn to_bytes(value: &Value) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let mut printer = Printer::default();
    printer.value(value, 'v', 0);
    printer.finish(&mut out)?;
    Ok(out)
}

/// `fmt.Sprint`: spaces between operands that are both no strings.
pub(crate) fn sprint(values: &[Value]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    for (i, value) in values.iter().enumerate() {
        let text = |value: &Value| matches!(value, Value::Str(_));
        if i > 0 && !text(value) && !text(&values[i - 1]) {
            out.push(b' ');
        }
        out.extend(to_bytes(value)?);
    }
    Ok(out)
}

/// `fmt.Sprintln`.
pub(crate) fn sprintln(values: &[Value]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        out.extend(to_bytes(value)?);
    }
    out.push(b'\n');
    Ok(out)
}

/// `fmt.Sprintf`.
pub(crate) fn sprintf(format: &[u8], values: &[Value]) -> Result<Vec<u8>, Fault> {
    let mut state = Format {
        format,
        at: 0,
        values,
        arg: 0,
        reordered: false,
        good: true,
    };
    let mut out = Vec::new();
    state.run(&mut out)?;
    if !state.reordered && state.arg < values.len() {
        out.extend_from_slice(b"%!(EXTRA ");
        for (i, value) in values[state.arg..].iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(b", ");
            }
            if value.is_nil() {
                out.extend_from_slice(b"<nil>");
            } else {
                out.extend_from_slice(value.type_name().as_bytes());
                out.push(b'=');
                out.extend(to_bytes(value)?);
            }
        }
        out.push(b')');
    }
    Ok(out)
}

/// One directive: its flags, and what it has printed.
#[derive(Default)]
struct Printer {
    out: Vec<u8>,
    width: Option<usize>,
    precision: Option<usize>,
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    plus_v: bool,
    sharp_v: bool,
    too_deep: bool,
    /// A pointer prints as what it points to.
    through: bool,
}

impl Printer {
    fn finish(self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.too_deep {
            return Err(Fault::Limit(format!("value is nested deeper than {MAX_DEPTH}")));
        }
        out.extend(self.out);
        Ok(())
    }

    fn verb(&mut self, value: &Value, verb: char) {
        match (verb, value) {
            (verb, Value::Nil | Value::NilInterface) => match verb {
                'T' | 'v' => self.pad(b"<nil>"),
                _ => self.bad(value, verb, 0),
            },
            ('T', value) => {
                let name = value.type_name().into_owned();
                self.string(name.as_bytes(), 's');
            }
            ('p', Value::Map(_) | Value::List(_) | Value::Bytes(_) | Value::Version(_)) => {
                self.pad(b"0xc000000000");
            }
            _ => self.value(value, verb, 0),
        }
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn bad(&mut self, value: &Value, verb: char, depth: usize) {
        self.raw(&format!("%!{verb}("));
        if value.is_nil() {
            self.raw("<nil>");
        } else {
            self.raw(&value.type_name());
            self.raw("=");
            // The flags of the directive hold for the value too.
            self.plain(value, 'v', depth);
        }
        self.raw(")");
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        // What has a String method prints it with the verbs of text.
        if !self.sharp_v
            && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
            && let Some(text) = stringer(value)
        {
            return self.string(text.as_bytes(), verb);
        }
        self.plain(value, verb, depth);
    }

    fn plain(&mut self, value: &Value, verb: char, depth: usize) {
        if depth > MAX_DEPTH || self.too_deep {
            self.too_deep = true;
            return;
        }
        match value {
            Value::Nil | Value::NilInterface => match (verb, self.sharp_v) {
                (_, true) => self.raw("interface {}(nil)"),
                ('v', false) => self.pad(b"<nil>"),
                _ => self.bad(value, verb, depth),
            },
            Value::Bool(truth) => match verb {
                't' | 'v' => self.pad(if *truth { b"true" } else { b"false" }),
                _ => self.bad(value, verb, depth),
            },
            Value::Int(int) | Value::Int64(int) => self.integer(value, *int, verb, depth),
            Value::Duration(duration) => self.integer(value, duration.0, verb, depth),
            Value::Month(int) | Value::Weekday(int) => self.integer(value, i64::from(*int), verb, depth),
            Value::Byte(byte) => {
                if self.sharp_v && verb == 'v' {
                    self.raw(&format!("{byte:#x}"));
                } else {
                    self.integer(value, i64::from(*byte), verb, depth);
                }
            }
            Value::Uint(uint) => match i64::try_from(*uint) {
                Ok(int) => self.integer(value, int, verb, depth),
                Err(_) => self.pad(uint.to_string().as_bytes()),
            },
            Value::Float(float) => self.float(value, *float, verb, depth),
            Value::Complex(re, im) => {
                let plus = std::mem::replace(&mut self.plus, false);
                self.raw("(");
                self.float(&Value::Float(*re), *re, verb, depth);
                self.plus = true;
                self.float(&Value::Float(*im), *im, verb, depth);
                self.raw("i)");
                self.plus = plus;
            }
            Value::Str(text) => match verb {
                'v' if self.sharp_v => self.string(text.bytes(), 'q'),
                'v' | 's' | 'x' | 'X' | 'q' => self.string(text.bytes(), verb),
                _ => self.bad(value, verb, depth),
            },
            Value::Bytes(bytes) => self.bytes(bytes, verb, depth),
            Value::List(list) => self.list(list, verb, depth),
            Value::Map(map) => self.map(map, verb, depth),
            Value::Object(object) => self.object(object, verb, depth),
            Value::Time(_) | Value::Version(_) => {
                let text = stringer(value).unwrap_or_default();
                self.string(text.as_bytes(), 's');
            }
        }
    }

    fn list(&mut self, list: &List, verb: char, depth: usize) {
        let go = self.sharp_v && verb == 'v';
        if go {
            self.raw(list.kind.type_name());
        }
        if go && list.kind.is_nil() {
            return self.raw("(nil)");
        }
        self.raw(if go { "{" } else { "[" });
        for (i, item) in list.items.iter().enumerate() {
            if i > 0 {
                self.raw(if go { ", " } else { " " });
            }
            self.item(item, list.kind == ListKind::Any, verb, depth + 1);
        }
        self.raw(if go { "}" } else { "]" });
    }

    fn map(&mut self, map: &Map, verb: char, depth: usize) {
        let go = self.sharp_v && verb == 'v';
        if go {
            self.raw(map.kind.type_name());
        }
        if go && map.kind.is_nil() {
            return self.raw("(nil)");
        }
        self.raw(if go { "{" } else { "map[" });
        for (i, (key, value)) in map.pairs().iter().enumerate() {
            if i > 0 {
                self.raw(if go { ", " } else { " " });
            }
            self.value(&Value::Str(key.clone()), verb, depth + 1);
            self.raw(":");
            self.item(
                value,
                matches!(map.kind, MapKind::Any | MapKind::Values),
                verb,
                depth + 1,
            );
        }
        self.raw(if go { "}" } else { "]" });
    }

    fn item(&mut self, item: &Value, interface: bool, verb: char, depth: usize) {
        if item.is_nil() && interface && !self.sharp_v {
            self.raw("<nil>");
            return;
        }
        self.value(item, verb, depth);
    }

    fn object(&mut self, object: &Object, verb: char, depth: usize) {
        if object.pointer {
            if depth > 0 {
                return self.raw("0xc000000000");
            }
            if !self.through {
                self.raw("&");
            }
        }
        let go = self.sharp_v;
        if go {
            self.raw(object.name);
        }
        self.raw("{");
        for (i, field) in object.fields.iter().enumerate() {
            if i > 0 {
                self.raw(if go { ", " } else { " " });
            }
            if go || self.plus_v {
                self.raw(field.name);
                self.raw(":");
            }
            self.value(&field.value, verb, depth + 1);
        }
        self.raw("}");
    }
}

/// What the value's `String` method gives, if it has one.
fn stringer(value: &Value) -> Option<String> {
    match value {
        Value::Time(time) => Some(time.to_string()),
        Value::Duration(duration) => Some(duration.to_string()),
        Value::Month(month) => Some(crate::funcs::clock::month_name(*month)),
        Value::Weekday(day) => Some(crate::funcs::clock::weekday_name(*day)),
        Value::Version(version) => Some(version.to_string()),
        _ => None,
    }
}
