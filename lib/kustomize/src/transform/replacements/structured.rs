//! Replacements that reach into JSON or YAML kept as text in a field.

use super::path::{self, Create, Step};
use serde_json::Value;
use yaml::{Limits, Node, Schema, Tag};

/// What came of the attempt.
pub(super) enum Outcome {
    Done,
    /// The path ends before or beside any text, or leads nowhere in it.
    NotStructured,
    /// The text is YAML with comments, anchors or tags, which would have to be written again as they were.
    Comments,
}

/// Finds the first text on the path that holds structured data, changes it there and writes it back.
pub(super) fn put(object: &mut Node, steps: &[Step], create: Create, value: &Node) -> Outcome {
    for end in 1..steps.len() {
        let (before, inside) = steps.split_at(end);
        let Ok(Some(Node::Scalar(scalar))) = path::find(object, before) else {
            continue;
        };
        let old = scalar.text.clone();
        let Ok(parsed) = yaml::parse_nodes(old.as_bytes(), Schema::GoV3, &Limits::default()) else {
            continue;
        };
        let Some(mut data) = parsed.into_iter().next() else {
            return Outcome::NotStructured;
        };
        let mut set = |node: &mut Node| {
            match (&mut *node, value) {
                (Node::Scalar(old), new) => {
                    old.text = new
                        .as_scalar()
                        .map_or_else(String::new, |scalar| scalar.text.clone());
                    if old.tag == Tag::Merge {
                        *old = path::bare(&old.text);
                    }
                }
                (node, new) => *node = new.clone(),
            }
            Ok(())
        };
        if !matches!(path::visit(&mut data, inside, create, &mut set), Ok(1..)) {
            return Outcome::NotStructured;
        }
        let text = if old.trim_start().starts_with(['{', '[']) {
            let Ok(json) = yaml::to_value_strict(&data, Schema::GoV3) else {
                return Outcome::NotStructured;
            };
            let pretty = old.contains('\n') && old.contains("  ");
            let mut text = String::new();
            write(&json, pretty.then_some(0), &mut text);
            text
        } else {
            match yaml::rewrite(&old, &data) {
                Ok(Some(text)) => text.trim().to_string(),
                Ok(None) => return Outcome::Comments,
                Err(_) => return Outcome::NotStructured,
            }
        };
        let mut replaced = |node: &mut Node| {
            if let Node::Scalar(scalar) = node {
                scalar.text.clone_from(&text);
            }
            Ok(())
        };
        return match path::visit(object, before, Create::Nothing, &mut replaced) {
            Ok(_) => Outcome::Done,
            Err(_) => Outcome::NotStructured,
        };
    }
    Outcome::NotStructured
}

/// JSON as Go writes it: keys sorted, two spaces of indent if pretty.
fn write(value: &Value, indent: Option<usize>, out: &mut String) {
    let inner = indent.map(|indent| indent + 1);
    let line = |indent: Option<usize>, out: &mut String| {
        if let Some(indent) = indent {
            out.push('\n');
            out.push_str(&"  ".repeat(indent));
        }
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                out.push(if at == 0 { '[' } else { ',' });
                line(inner, out);
                write(item, inner, out);
            }
            line(indent, out);
            out.push(']');
        }
        Value::Object(map) if !map.is_empty() => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_unstable_by_key(|(key, _)| key.as_str());
            for (at, (key, value)) in pairs.into_iter().enumerate() {
                out.push(if at == 0 { '{' } else { ',' });
                line(inner, out);
                out.push_str(&crate::generate::hash::json_string(key));
                out.push_str(if indent.is_some() { ": " } else { ":" });
                write(value, inner, out);
            }
            line(indent, out);
            out.push('}');
        }
        Value::String(text) => out.push_str(&crate::generate::hash::json_string(text)),
        other => out.push_str(&other.to_string()),
    }
}
