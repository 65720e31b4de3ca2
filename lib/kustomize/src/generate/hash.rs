//! The hash of an object's content that goes into its name.

use crate::Error;
use crate::object::Object;
use crate::objects::Objects;
use sha2::{Digest as _, Sha256};
use yaml::{Node, Schema};

/// Puts the hash of their content behind the names of generated objects.
///
/// # Errors
/// Content that is no JSON.
pub(crate) fn apply(objects: &mut Objects) -> Result<(), Error> {
    for object in objects.list_mut().iter_mut().filter(|object| object.needs_hash) {
        let suffix = suffix(object)?;
        object.remember_id();
        let name = format!("{}-{suffix}", object.name());
        object.set_name(&name);
    }
    Ok(())
}

/// The ten characters that kustomize puts behind the name.
///
/// Only ConfigMaps and Secrets are hashed by their data; what else asks for a hash is hashed whole.
fn suffix(object: &Object) -> Result<String, Error> {
    let encoded = match object.kind() {
        "ConfigMap" => encode(object, &["data"], &["binaryData"], false),
        "Secret" => encode(object, &["data", "type"], &["stringData"], true),
        _ => yaml::to_value(&object.node, Schema::GoV3).map(|value| value.to_string()),
    };
    let encoded = encoded.map_err(|cause| Error::Output {
        id: object.id().to_string(),
        cause,
    })?;
    let digest = Sha256::digest(encoded.as_bytes());
    let hex: String = digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .take(10)
        .map(letter)
        .collect();
    Ok(hex)
}

/// Hexadecimal without the digits and vowels that make words.
fn letter(nibble: u8) -> char {
    match nibble {
        0 => 'g',
        1 => 'h',
        3 => 'k',
        10 => 'm',
        14 => 't',
        n => char::from_digit(u32::from(n), 16).unwrap_or('g'),
    }
}

/// JSON with sorted keys: `always` fields are empty strings where absent, `name` is always empty.
fn encode(object: &Object, always: &[&str], optional: &[&str], secret: bool) -> Result<String, yaml::Error> {
    let mut fields: Vec<(&str, String)> =
        vec![("kind", json_string(if secret { "Secret" } else { "ConfigMap" }))];
    fields.push(("name", json_string("")));
    for field in always {
        let value = match object.node.get(field) {
            Some(Node::Scalar(scalar)) => json_string(&scalar.text),
            Some(node) => json(node)?,
            None => json_string(""),
        };
        fields.push((field, value));
    }
    for field in optional {
        if let Some(node @ (Node::Map(_) | Node::Seq(_))) = object.node.get(field) {
            fields.push((field, json(node)?));
        }
    }
    fields.sort_unstable_by_key(|(name, _)| *name);
    let fields: Vec<String> = fields
        .into_iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    Ok(format!("{{{}}}", fields.join(",")))
}

/// What should be a map is null if it is a list.
fn json(node: &Node) -> Result<String, yaml::Error> {
    if node.as_seq().is_some() {
        return Ok("null".to_string());
    }
    let mut out = String::new();
    write(node, &mut out)?;
    Ok(out)
}

fn write(node: &Node, out: &mut String) -> Result<(), yaml::Error> {
    match node {
        Node::Scalar(_) => match yaml::to_value(node, Schema::GoV3)? {
            serde_json::Value::String(text) => out.push_str(&json_string(&text)),
            serde_json::Value::Number(number) => out.push_str(&json_number(&number)),
            other => out.push_str(&other.to_string()),
        },
        Node::Map(map) => {
            let mut pairs: Vec<_> = map.pairs.iter().collect();
            pairs.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
            out.push('{');
            for (at, (key, value)) in pairs.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                out.push_str(&json_string(&key.text));
                out.push(':');
                write(value, out)?;
            }
            out.push('}');
        }
        Node::Seq(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write(item, out)?;
            }
            out.push(']');
        }
    }
    Ok(())
}

/// A number as Go writes what it has read into a float.
fn json_number(number: &serde_json::Number) -> String {
    let value = number.as_f64().unwrap_or_default();
    if value == 0.0 || (1e-6..1e21).contains(&value.abs()) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

/// A JSON string as Go writes it: `<`, `>`, `&` and the line separators escaped.
pub(crate) fn json_string(text: &str) -> String {
    let plain = serde_json::Value::String(text.to_string()).to_string();
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}
