//! Prints a definition as YAML: keys sorted, two spaces of indent, the same bytes every time.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Number, Value};

/// The definition as a YAML document that begins with `---`.
pub fn yaml(crd: &CustomResourceDefinition) -> String {
    let Ok(Value::Object(map)) = serde_json::to_value(crd) else {
        unreachable!("a definition made of strings, numbers and maps is a JSON object")
    };
    let mut out = String::from("---\n");
    block(&map, 0, &mut out);
    out
}

/// A mapping, one key a line; its first line is indented too. The depth is that of our own types.
fn block(map: &Map<String, Value>, indent: usize, out: &mut String) {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    for (key, value) in entries {
        pad(indent, out);
        out.push_str(&scalar(key));
        out.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                out.push('\n');
                block(map, indent + 2, out);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                items.iter().for_each(|value| item(value, indent, out));
            }
            leaf_value => {
                out.push(' ');
                out.push_str(&leaf(leaf_value));
                out.push('\n');
            }
        }
    }
}

/// An item of a list, its dash at the indent.
fn item(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let start = out.len();
            block(map, indent + 2, out);
            out.replace_range(start + indent..=start + indent, "-");
        }
        leaf_value => {
            pad(indent, out);
            out.push_str("- ");
            out.push_str(&leaf(leaf_value));
            out.push('\n');
        }
    }
}

/// A value on one line; JSON is YAML.
fn leaf(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Number(number) => integral(number).map_or_else(|| number.to_string(), |n| n.to_string()),
        other => other.to_string(),
    }
}

/// A number that only its type makes a fraction.
fn integral(number: &Number) -> Option<i64> {
    let n = number.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the bounds are checked, the fraction is zero"
    )]
    (n.fract() == 0.0 && n.abs() < 1e15).then_some(n as i64)
}

/// A text, in quotes unless every YAML reader takes it for a text anyway.
fn scalar(text: &str) -> String {
    const NOT_TEXTS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(|c| c == ' ' || c.is_ascii_graphic())
        && !NOT_TEXTS.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}
