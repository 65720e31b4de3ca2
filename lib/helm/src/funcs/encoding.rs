//! Texts as other texts: base64, base32, JSON and YAML.

use super::json::{self, Style};
use super::{Call, Function, Ty, fixed, pretty, raw, string};
use crate::template::error::Fault;
use crate::template::value::{List, ListKind, Map, MapKind, Text, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

const PLAIN: Style = Style {
    html: true,
    pretty: false,
};
const PRETTY: Style = Style {
    html: true,
    pretty: true,
};
const RAW: Style = Style {
    html: false,
    pretty: false,
};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("b64enc", &[Ty::Str], |c| string(STANDARD.encode(c.bytes(0)))),
    fixed("b64dec", &[Ty::Str], |c| match base64(c.bytes(0)) {
        Ok(bytes) => raw(bytes),
        Err(error) => string(error),
    }),
    fixed("b32enc", &[Ty::Str], |c| string(base32(c.bytes(0)))),
    fixed("b32dec", &[Ty::Str], |c| match unbase32(c.bytes(0)) {
        Ok(bytes) => raw(bytes),
        Err(error) => string(error),
    }),
    fixed("toJson", &[Ty::Any], |c| {
        string(json::write(c.any(0), PLAIN).unwrap_or_default())
    }),
    fixed("mustToJson", &[Ty::Any], |c| {
        string(json::write(c.any(0), PLAIN)?)
    }),
    fixed("toPrettyJson", &[Ty::Any], |c| {
        string(json::write(c.any(0), PRETTY).unwrap_or_default())
    }),
    fixed("mustToPrettyJson", &[Ty::Any], |c| {
        string(json::write(c.any(0), PRETTY)?)
    }),
    fixed("toRawJson", &[Ty::Any], |c| string(json::write(c.any(0), RAW)?)),
    fixed("mustToRawJson", &[Ty::Any], |c| {
        string(json::write(c.any(0), RAW)?)
    }),
    fixed("fromJson", &[Ty::Str], |c| {
        parses(c)?;
        Ok(as_map(json::read(c.bytes(0)), "json: "))
    }),
    fixed("mustFromJson", &[Ty::Str], |c| {
        parses(c)?;
        Ok(json::read(c.bytes(0))?)
    }),
    fixed("fromJsonArray", &[Ty::Str], |c| {
        parses(c)?;
        Ok(as_list(json::read(c.bytes(0)), "json: "))
    }),
    fixed("toYaml", &[Ty::Any], |c| {
        string(to_yaml(c.any(0)).unwrap_or_default())
    }),
    fixed("mustToYaml", &[Ty::Any], |c| string(to_yaml(c.any(0))?)),
    fixed("toYamlPretty", &[Ty::Any], |c| {
        string(pretty::write(c.any(0)).unwrap_or_default())
    }),
    fixed("fromYaml", &[Ty::Str], |c| {
        parses(c)?;
        Ok(as_map(from_yaml(c), FROM_YAML))
    }),
    fixed("fromYamlArray", &[Ty::Str], |c| {
        parses(c)?;
        Ok(as_list(from_yaml(c), FROM_YAML))
    }),
];

const FROM_YAML: &str = "error unmarshaling JSON: while decoding JSON: json: ";

/// Counts the most that a document of this length can become.
pub(super) fn parses(call: &mut Call<'_, '_>) -> Result<(), Fault> {
    let length = call.bytes(0).len();
    call.step(length / 4)?;
    call.run.spend(length * 16)
}

fn from_yaml(call: &mut Call<'_, '_>) -> Result<Value, String> {
    match yaml::parse_first(call.bytes(0)) {
        Ok(json) => {
            let value = from_json(&json);
            Ok(value)
        }
        Err(error) => Err(format!("error converting YAML to JSON: {error}")),
    }
}

fn as_map(read: Result<Value, String>, prefix: &str) -> Value {
    let error = match read {
        // Null makes Go's JSON give nil, and is nothing to its YAML.
        Ok(Value::Nil) if prefix == FROM_YAML => return Map::any::<Text>([]),
        Ok(Value::Nil) => return Value::Map(Map::new(MapKind::NilAny, Default::default())),
        Ok(map @ Value::Map(_)) => return map,
        Ok(other) => format!(
            "{prefix}cannot unmarshal {} into Go value of type map[string]interface {{}}",
            json_kind(&other)
        ),
        Err(error) => error,
    };
    Map::any([("Error", Value::string(error))])
}

fn as_list(read: Result<Value, String>, prefix: &str) -> Value {
    let error = match read {
        Ok(Value::Nil) if prefix == FROM_YAML => return List::any(Vec::new()),
        Ok(Value::Nil) => return List::of(ListKind::NilAny, Vec::new()),
        Ok(list @ Value::List(_)) => return list,
        Ok(other) => format!(
            "{prefix}cannot unmarshal {} into Go value of type []interface {{}}",
            json_kind(&other)
        ),
        Err(error) => error,
    };
    List::any(vec![Value::string(error)])
}

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Float(_) => "number",
        Value::Str(_) => "string",
        Value::List(_) => "array",
        _ => "object",
    }
}

/// A value of JSON as a template sees it: every number is a float.
pub(crate) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => Value::Float(number.as_f64().unwrap_or(0.0)),
        Json::String(text) => Value::string(text.as_str()),
        Json::Array(items) => List::any(items.iter().map(from_json).collect()),
        Json::Object(map) => Map::any(map.iter().map(|(key, value)| (key.as_str(), from_json(value)))),
    }
}

/// The JSON that a value marshals to.
pub(crate) fn to_json(value: &Value, depth: usize) -> Result<Json, String> {
    if depth > 1_000 {
        return Err("json: unsupported value: encountered a cycle".into());
    }
    Ok(match value {
        Value::Nil | Value::NilInterface => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Float(float) => {
            if !float.is_finite() {
                return json::number(*float).map(Json::String);
            }
            Json::from(*float)
        }
        Value::Str(text) => Json::String(text.text().into_owned()),
        Value::List(list) if list.kind.is_nil() => Json::Null,
        Value::List(list) => Json::Array(
            list.items
                .iter()
                .map(|item| to_json(item, depth + 1))
                .collect::<Result<_, _>>()?,
        ),
        Value::Map(map) if map.kind.is_nil() => Json::Null,
        Value::Map(map) => Json::Object(
            map.pairs()
                .iter()
                .map(|(key, value)| Ok((key.text().into_owned(), to_json(value, depth + 1)?)))
                .collect::<Result<_, String>>()?,
        ),
        Value::Object(object) => {
            let mut map = serde_json::Map::new();
            for field in &object.fields {
                if field.marshals() {
                    map.insert(field.json.to_string(), to_json(&field.value, depth + 1)?);
                }
            }
            Json::Object(map)
        }
        Value::Byte(byte) => Json::from(*byte),
        other => match other.as_int() {
            Some(int) => Json::from(int),
            // What is left has a text of its own in JSON.
            None => serde_json::from_str(&json::write(other, RAW)?).map_err(|e| e.to_string())?,
        },
    })
}

/// The YAML of a value, without its last newline.
pub(crate) fn to_yaml(value: &Value) -> Result<String, String> {
    let mut text = yaml::to_string(&to_json(value, 0)?);
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// Go's `StdEncoding.DecodeString`: padding is needed, line breaks are skipped.
pub(crate) fn base64(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut quantum, mut have) = (0u32, 0);
    let mut at = 0;
    let corrupt = |at: usize| format!("illegal base64 data at input byte {at}");
    while at < text.len() {
        let byte = text[at];
        let six = match byte {
            b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                if have < 2 {
                    return Err(corrupt(at));
                }
                let mut end = at + 1;
                let skip = |end: &mut usize| {
                    while matches!(text.get(*end), Some(b'\n' | b'\r')) {
                        *end += 1;
                    }
                };
                if have == 2 {
                    skip(&mut end);
                    match text.get(end) {
                        None => return Err(corrupt(text.len())),
                        Some(b'=') => end += 1,
                        Some(_) => return Err(corrupt(end)),
                    }
                }
                skip(&mut end);
                if end < text.len() {
                    return Err(corrupt(end));
                }
                out.push((quantum >> (6 * have - 8)) as u8);
                if have == 3 {
                    out.push((quantum >> 2) as u8);
                }
                return Ok(out);
            }
            _ => return Err(corrupt(at)),
        };
        quantum = quantum << 6 | u32::from(six);
        have += 1;
        at += 1;
        if have == 4 {
            out.extend_from_slice(&quantum.to_be_bytes()[1..]);
            (quantum, have) = (0, 0);
        }
    }
    if have > 0 {
        return Err(corrupt(text.len() - have as usize));
    }
    Ok(out)
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut block = [0u8; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let used = (chunk.len() * 8).div_ceil(5);
        for i in 0..8 {
            out.push(if i < used {
                char::from(BASE32[(bits >> (35 - 5 * i) & 31) as usize])
            } else {
                '='
            });
        }
    }
    out
}

fn unbase32(text: &[u8]) -> Result<Vec<u8>, String> {
    let corrupt = |at: usize| format!("illegal base32 data at input byte {at}");
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\n' | b'\r'))
        .collect();
    let mut out = Vec::new();
    for (block, chunk) in text.chunks(8).enumerate() {
        let start = block * 8;
        let used = chunk.iter().position(|&b| b == b'=').unwrap_or(chunk.len());
        let mut bits = 0u64;
        for (i, byte) in chunk[..used].iter().enumerate() {
            let Some(five) = BASE32.iter().position(|b| b == byte) else {
                return Err(corrupt(start + i));
            };
            bits |= (five as u64) << (35 - 5 * i);
        }
        let padded = chunk[used..].iter().all(|&b| b == b'=');
        let last = start + 8 >= text.len();
        if chunk.len() < 8 {
            return Err(corrupt(start));
        }
        if !padded || used < 8 && !last || matches!(used, 0 | 1 | 3 | 6) {
            return Err(corrupt(start + used.min(chunk.len())));
        }
        out.extend_from_slice(&bits.to_be_bytes()[3..3 + used * 5 / 8]);
    }
    Ok(out)
}

/// The map of a value of JSON that is one, of a kind.
pub(crate) fn map_of(kind: MapKind, json: &serde_json::Map<String, Json>) -> Value {
    let entries = json
        .iter()
        .map(|(key, value)| (Text::from(key.as_str()), from_json(value)))
        .collect();
    Value::Map(Map::new(kind, entries))
}
