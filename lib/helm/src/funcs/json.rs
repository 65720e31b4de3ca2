//! JSON as Go's encoding/json writes and reads it.

mod read;

pub(crate) use read::read;

use crate::template::float;
use crate::template::object::Object;
use crate::template::value::Value;
use base64::Engine as _;

/// Values nested deeper are not written.
const MAX_DEPTH: usize = 1_000;

/// How to write.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    /// `<`, `>` and `&` become `\u003c` and so on.
    pub html: bool,
    /// Two spaces for each level.
    pub pretty: bool,
}

/// The JSON text of a value; keys are sorted.
pub(crate) fn write(value: &Value, style: Style) -> Result<String, String> {
    let mut writer = Writer {
        out: String::new(),
        style,
    };
    writer.value(value, 0)?;
    Ok(writer.out)
}

struct Writer {
    out: String,
    style: Style,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("json: unsupported value: encountered a cycle".into());
        }
        match value {
            Value::Nil | Value::NilInterface => self.out.push_str("null"),
            Value::Bool(truth) => self.out.push_str(if *truth { "true" } else { "false" }),
            Value::Int(int) | Value::Int64(int) => self.out.push_str(&int.to_string()),
            Value::Byte(byte) => self.out.push_str(&byte.to_string()),
            Value::Uint(uint) => self.out.push_str(&uint.to_string()),
            Value::Duration(span) => self.out.push_str(&span.0.to_string()),
            Value::Month(int) | Value::Weekday(int) => self.out.push_str(&int.to_string()),
            Value::Float(float) => self.out.push_str(&number(*float)?),
            Value::Complex(..) => return Err("json: unsupported type: complex128".into()),
            Value::Str(text) => self.string(&text.text()),
            Value::Bytes(bytes) => {
                let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                self.string(&text);
            }
            Value::List(list) if list.kind.is_nil() => self.out.push_str("null"),
            Value::List(list) => self.sequence(
                '[',
                ']',
                list.items.iter(),
                |w, item| w.value(item, depth + 1),
                depth,
            )?,
            Value::Map(map) if map.kind.is_nil() => self.out.push_str("null"),
            Value::Map(map) => {
                let pairs = map.pairs();
                self.sequence(
                    '{',
                    '}',
                    pairs.iter(),
                    |w, (key, value)| w.pair(&key.text(), value, depth),
                    depth,
                )?;
            }
            Value::Time(time) => {
                let text = super::layout::format(time, "2006-01-02T15:04:05.999999999Z07:00");
                self.string(&text);
            }
            Value::Version(version) => self.string(&version.to_string()),
            Value::Object(object) => self.object(object, depth)?,
        }
        Ok(())
    }

    fn object(&mut self, object: &Object, depth: usize) -> Result<(), String> {
        let fields: Vec<_> = object.fields.iter().filter(|field| field.marshals()).collect();
        self.sequence(
            '{',
            '}',
            fields.iter(),
            |w, field| w.pair(field.json, &field.value, depth),
            depth,
        )
    }

    fn pair(&mut self, key: &str, value: &Value, depth: usize) -> Result<(), String> {
        self.string(key);
        self.out.push(':');
        if self.style.pretty {
            self.out.push(' ');
        }
        self.value(value, depth + 1)
    }

    fn sequence<T>(
        &mut self,
        open: char,
        close: char,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Writer, T) -> Result<(), String>,
        depth: usize,
    ) -> Result<(), String> {
        self.out.push(open);
        let count = items.len();
        for (i, item) in items.enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            self.line(depth + 1);
            write(self, item)?;
        }
        if count > 0 {
            self.line(depth);
        }
        self.out.push(close);
        Ok(())
    }

    fn line(&mut self, depth: usize) {
        if self.style.pretty {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", depth));
        }
    }

    fn string(&mut self, text: &str) {
        write_string(&mut self.out, text, self.style.html);
    }
}

/// Appends a JSON string.
pub(crate) fn write_string(out: &mut String, text: &str, html: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '<' | '>' | '&' if html => out.push_str(&format!("\\u{:04x}", c as u32)),
            '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A float: plain from 1e-6 up to 1e21, else with an exponent.
pub(crate) fn number(value: f64) -> Result<String, String> {
    if !value.is_finite() {
        return Err(format!("json: unsupported value: {}", float::shortest(value)));
    }
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = float::scientific(value, None);
        // e-09 is written e-9.
        return Ok(match text.find("e-0") {
            Some(at) => format!("{}e-{}", &text[..at], &text[at + 3..]),
            None => text,
        });
    }
    Ok(float::fixed(value, None))
}
