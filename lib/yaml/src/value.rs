//! From nodes to JSON values.

use crate::refold::refold;
use crate::resolve;
use crate::{Error, Node, Scalar, Schema, Style, Tag, number, timestamp};
use serde_json::{Map, Value};

/// The JSON value of a node: the last of duplicate keys wins, keys become strings as `sigs.k8s.io/yaml` makes them.
///
/// # Errors
/// A number that JSON has not.
pub fn to_value(node: &Node, schema: Schema) -> Result<Value, Error> {
    convert(node, schema, false)
}

/// As [`to_value`], but as kustomize's output has it: duplicate keys and keys that are not strings are errors, and
/// some scalars are not what they were when read.
///
/// # Errors
/// As [`to_value`]; a key twice; a key that is a number, boolean or null; control characters above the ASCII ones.
pub fn to_value_strict(node: &Node, schema: Schema) -> Result<Value, Error> {
    convert(node, schema, true)
}

fn convert(node: &Node, schema: Schema, strict: bool) -> Result<Value, Error> {
    match node {
        Node::Scalar(scalar) if strict => {
            printable(&scalar.text)?;
            written_again(scalar, schema)
        }
        Node::Scalar(scalar) => self::scalar(scalar, schema),
        Node::Seq(items) => Ok(Value::Array(
            items
                .iter()
                .map(|item| convert(item, schema, strict))
                .collect::<Result<_, _>>()?,
        )),
        Node::Map(pairs) => {
            let mut map = Map::with_capacity(pairs.pairs.len());
            for (key, value) in &pairs.pairs {
                if strict {
                    printable(&key.text)?;
                }
                let value = convert(value, schema, strict)?;
                if key.tag == Tag::Null && !strict {
                    let shown = match value {
                        Value::Null => "<nil>".to_owned(),
                        value => value.to_string(),
                    };
                    return Err(Error::NullKey(shown));
                }
                let old = map.insert(self::key(key, schema, strict)?, value);
                if strict && old.is_some() {
                    return Err(Error::DuplicateKey(key.text.clone()));
                }
            }
            Ok(Value::Object(map))
        }
    }
}

/// JSON escapes of the control characters only those below the space, and kustomize reads that JSON as YAML.
fn printable(text: &str) -> Result<(), Error> {
    let refused = |c: char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if !text.is_ascii() && text.contains(refused) || text.as_bytes().contains(&0x7f) {
        return Err(Error::ControlCharacters);
    }
    Ok(())
}

fn key(key: &Scalar, schema: Schema, strict: bool) -> Result<String, Error> {
    match key.tag {
        Tag::Str | Tag::Merge => Ok(key.text.clone()),
        Tag::Binary => binary(&key.text),
        Tag::Timestamp if schema == Schema::GoV2 => Ok(key.text.clone()),
        _ if strict => Err(Error::KeyNotString(key.text.clone())),
        Tag::Float => Ok(match number::json_number(&key.text, key.tag) {
            Ok(number) => number
                .as_f64()
                .map_or_else(|| key.text.clone(), number::shortest_single),
            // The three words for what JSON has no number for.
            Err(_) => key.text.trim_start_matches('+').to_ascii_lowercase(),
        }),
        _ => Ok(match scalar(key, schema)? {
            Value::String(text) => text,
            other => other.to_string(),
        }),
    }
}

/// kustomize writes a document once more before it reads it for good, and not everything comes out as it went in.
fn written_again(scalar: &Scalar, schema: Schema) -> Result<Value, Error> {
    match (scalar.tag, scalar.style) {
        (Tag::Null, Style::EmptyInFlow) => Ok(Value::String(String::new())),
        (Tag::Str, Style::Folded) => Ok(Value::String(refold(&scalar.text).into_owned())),
        // A text that was changed keeps its tag, and must still be such a value.
        (Tag::Bool | Tag::Null | Tag::Int | Tag::Float | Tag::Timestamp, _) => {
            resolve::check(scalar.tag, &scalar.text, schema)?;
            self::scalar(scalar, schema)
        }
        (Tag::Str | Tag::Binary | Tag::Merge, _) => self::scalar(scalar, schema),
    }
}

fn scalar(scalar: &Scalar, schema: Schema) -> Result<Value, Error> {
    let text = scalar.text.as_str();
    Ok(match scalar.tag {
        Tag::Str | Tag::Merge => Value::String(text.to_string()),
        Tag::Null => Value::Null,
        Tag::Bool => Value::Bool(matches!(
            text.as_bytes(),
            [b't' | b'T' | b'y' | b'Y', ..] | [b'o' | b'O', b'n' | b'N']
        )),
        Tag::Int | Tag::Float => Value::Number(number::json_number(text, scalar.tag)?),
        Tag::Timestamp => match timestamp::parse(text) {
            Some(time) if schema == Schema::GoV3 => Value::String(time.to_string()),
            _ => Value::String(text.to_string()),
        },
        Tag::Binary => Value::String(binary(text)?),
    })
}

/// Decodes standard base64 with its padding, skipping line breaks, as Go's `StdEncoding` does.
fn binary(text: &str) -> Result<String, Error> {
    let clean: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\n' | b'\r')).collect();
    let padding = clean
        .iter()
        .rev()
        .take(2)
        .take_while(|byte| **byte == b'=')
        .count();
    if !clean.len().is_multiple_of(4) {
        return Err(Error::BadBinary);
    }
    let mut bytes = Vec::with_capacity(clean.len() / 4 * 3);
    let (mut bits, mut have) = (0u32, 0u32);
    for byte in &clean[..clean.len() - padding] {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(Error::BadBinary),
        };
        bits = bits << 6 | u32::from(six);
        have += 6;
        if have >= 8 {
            have -= 8;
            bytes.push((bits >> have) as u8);
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
