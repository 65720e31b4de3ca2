//! JSON with Go's escapes, numbers and order.

use crate::funcs::json::{number, write_string};
use serde_json::Value as Json;

/// JSON as Go writes it. The keys of `values` and `config` are a Go map's and sorted; a record's other objects keep
/// the order of their fields.
pub(super) fn go_json(json: &Json) -> String {
    let mut out = String::new();
    write(json, &mut out, false);
    out
}

/// As [`go_json`], of a Go struct: its fields keep their order.
pub(super) fn go_struct(json: &Json) -> String {
    let mut out = String::new();
    write(json, &mut out, true);
    out
}

fn write(json: &Json, out: &mut String, fields: bool) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Json::Number(value) => match value.as_f64().filter(|_| value.is_f64()) {
            Some(float) => out.push_str(&number(float).unwrap_or_else(|_| "null".to_string())),
            None => out.push_str(&value.to_string()),
        },
        Json::String(text) => write_string(out, text, true),
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out, fields);
            }
            out.push(']');
        }
        Json::Object(map) => {
            out.push('{');
            let mut keys: Vec<&String> = map.keys().collect();
            let is_chart = map.contains_key("metadata") && map.contains_key("schemamodtime");
            if !fields && !is_chart {
                keys.sort();
            }
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(out, key, true);
                out.push(':');
                if let Some(value) = map.get(key) {
                    // In a chart everything but the values is made of structs.
                    write(value, out, fields || is_chart && key != "values");
                }
            }
            out.push('}');
        }
    }
}

/// A JSON object whose empty fields are left out.
pub(super) struct Object(String);

impl Object {
    pub fn new() -> Object {
        Object("{".to_string())
    }

    pub fn raw(&mut self, key: &str, value: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        write_string(&mut self.0, key, true);
        self.0.push(':');
        self.0.push_str(value);
    }

    pub fn always(&mut self, key: &str, text: &str) {
        let mut value = String::new();
        write_string(&mut value, text, true);
        self.raw(key, &value);
    }

    pub fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.always(key, text);
        }
    }

    pub fn int(&mut self, key: &str, value: i64) {
        if value != 0 {
            self.raw(key, &value.to_string());
        }
    }

    pub fn texts<'a>(&mut self, key: &str, texts: impl Iterator<Item = &'a str>) {
        let texts: Vec<String> = texts
            .map(|text| {
                let mut out = String::new();
                write_string(&mut out, text, true);
                out
            })
            .collect();
        if !texts.is_empty() {
            self.raw(key, &format!("[{}]", texts.join(",")));
        }
    }

    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}
