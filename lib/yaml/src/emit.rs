//! Printing values as `sigs.k8s.io/yaml` prints them: keys in natural order, block style, folded at 80 columns.

mod scalar;

use crate::{natural, number};
use scalar::Form;
use serde_json::{Map, Value};

/// The column after which a scalar is folded at its next space.
const WIDTH: usize = 80;

/// The YAML text of `value`, with a final newline.
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// Appends the YAML text of `value` to `out`, which must be empty or end with a newline.
pub fn write(value: &Value, out: &mut String) {
    emit(value, out, false);
}

/// The YAML text of `value` as go-yaml itself writes a map that was sorted by its keys' bytes, without the way over
/// JSON that `sigs.k8s.io/yaml` takes: keys in the order of their bytes, floats as floats (`1e+06`).
pub fn to_string_bytewise(value: &Value) -> String {
    let mut out = String::new();
    emit(value, &mut out, true);
    out
}

fn emit(value: &Value, out: &mut String, bytewise: bool) {
    let mut writer = Writer {
        out,
        column: 0,
        whitespace: true,
        indention: true,
        bytewise,
    };
    writer.node(value, None, false);
    if writer.column > 0 {
        writer.line_break();
    }
}

/// What libyaml's emitter remembers about the place it is at.
struct Writer<'a> {
    out: &'a mut String,
    column: usize,
    /// The last thing written was white space.
    whitespace: bool,
    /// Nothing but indentation and `-`, `?`, `:` stand on this line.
    indention: bool,
    /// Keys in the order of their bytes, and floats as floats.
    bytewise: bool,
}

impl Writer<'_> {
    fn node(&mut self, value: &Value, indent: Option<usize>, in_map: bool) {
        let deeper = indent.map_or(0, |indent| indent + 2);
        match value {
            Value::Object(map) if map.is_empty() => self.indicator("{}", true, false),
            Value::Object(map) => self.map(map, deeper),
            Value::Array(items) if items.is_empty() => self.indicator("[]", true, false),
            Value::Array(items) => {
                // A list that is the value of a key stands below the key, not to its right.
                let indent = if in_map && !self.indention {
                    indent.unwrap_or(0)
                } else {
                    deeper
                };
                for item in items {
                    self.indent(indent);
                    self.indicator("-", true, true);
                    self.node(item, Some(indent), false);
                }
            }
            Value::String(text) => {
                let text = scalar::reread(text);
                self.scalar(&text, Form::of(&text), indent, false);
            }
            Value::Null => self.scalar("null", Form::Plain, indent, false),
            Value::Bool(true) => self.scalar("true", Form::Plain, indent, false),
            Value::Bool(false) => self.scalar("false", Form::Plain, indent, false),
            Value::Number(number) => {
                let text = match number.as_f64().filter(|_| self.bytewise && number.is_f64()) {
                    Some(float) => number::shortest(float),
                    None => number::print(number),
                };
                self.scalar(&text, Form::Plain, indent, false);
            }
        }
    }

    fn map(&mut self, map: &Map<String, Value>, indent: usize) {
        let mut pairs: Vec<(&str, &Value)> = map.iter().map(|(key, value)| (key.as_str(), value)).collect();
        if self.bytewise {
            pairs.sort_unstable_by_key(|(key, _)| *key);
        } else {
            pairs = natural::sort(pairs);
        }
        for (key, value) in pairs {
            self.indent(indent);
            if scalar::is_simple_key(key) {
                self.scalar(key, Form::of(key), Some(indent), true);
                self.indicator(":", false, false);
            } else {
                self.indicator("?", true, true);
                self.scalar(key, Form::of(key), Some(indent), false);
                self.indent(indent);
                self.indicator(":", true, true);
            }
            self.node(value, Some(indent), true);
        }
    }

    /// Goes to column `indent` of a fresh line, or stays if it is there already.
    fn indent(&mut self, indent: usize) {
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn indicator(&mut self, text: &str, space_before: bool, is_indention: bool) {
        if space_before && !self.whitespace {
            self.put(' ');
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = false;
        self.indention &= is_indention;
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }
}
