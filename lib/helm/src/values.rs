//! Values: read from YAML, merged, set by expressions, checked by schemas.

pub(crate) mod coalesce;
pub(crate) mod schema;
mod set;

pub use set::{Kind as SetKind, set};

use crate::template::value::{List, Map as ValueMap, Text, Value};
use serde_json::{Map, Value as Json};

/// Reads a values file: every document of it, later ones over earlier ones. Numbers are floats, as Go reads them.
///
/// # Errors
/// Text that is not YAML, or not a map.
pub fn read(data: &[u8]) -> Result<Map<String, Json>, String> {
    let mut values = read_documents(data)?;
    for value in values.values_mut() {
        floats(value);
    }
    Ok(values)
}

/// As [`read`], but only the first document: `sigs.k8s.io/yaml`'s `Unmarshal`.
///
/// # Errors
/// As [`read`].
pub fn read_first(data: &[u8]) -> Result<Map<String, Json>, String> {
    let json = yaml::parse_first(data).map_err(|error| format!("error converting YAML to JSON: {error}"))?;
    match json {
        Json::Null => Ok(Map::new()),
        Json::Object(mut map) => {
            map.values_mut().for_each(floats);
            Ok(map)
        }
        other => Err(format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of type \
             map[string]interface {{}}",
            crate::chart::kind_of(&other)
        )),
    }
}

/// Values as Helm writes them to `values.yaml`: sorted, without comments; nothing at all for none.
pub fn print(values: &Map<String, Json>) -> String {
    if values.is_empty() {
        return String::new();
    }
    let mut printed = Json::Object(values.clone());
    whole(&mut printed);
    yaml::to_string(&printed)
}

/// Makes floats without a fraction integers, as JSON on the way to YAML does.
fn whole(value: &mut Json) {
    match value {
        Json::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or_default();
            if float.fract() == 0.0 && float.abs() < 9.2e18 {
                *value = Json::from(float as i64);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(whole),
        Json::Object(map) => map.values_mut().for_each(whole),
        _ => {}
    }
}

/// Makes every number a float, as Go has it that read it from JSON or YAML.
pub fn floats(value: &mut Json) {
    match value {
        Json::Number(number) if !number.is_f64() => {
            if let Some(float) = number.as_f64() {
                *value = Json::from(float);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(floats),
        Json::Object(map) => map.values_mut().for_each(floats),
        _ => {}
    }
}

/// `upper` over `lower`: maps are merged, everything else is replaced.
pub fn merge(lower: &mut Map<String, Json>, upper: Map<String, Json>) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Json::Object(lower)), Json::Object(upper)) => merge(lower, upper),
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

/// The documents of a YAML text, merged; integers stay integers.
/// How many values there are in one.
pub(crate) fn count(value: &Json) -> u64 {
    let (mut count, mut left) = (0, vec![value]);
    while let Some(value) = left.pop() {
        count += 1;
        match value {
            Json::Array(items) => left.extend(items),
            Json::Object(map) => left.extend(map.values()),
            _ => {}
        }
    }
    count
}

pub(crate) fn read_documents(data: &[u8]) -> Result<Map<String, Json>, String> {
    let mut values = Map::new();
    for document in documents(data) {
        let json = yaml::parse_first(&document).map_err(|error| {
            format!("cannot unmarshal yaml document: error converting YAML to JSON: {error}")
        })?;
        match json {
            Json::Null => {}
            Json::Object(map) => merge(&mut values, map),
            other => {
                let kind = match other {
                    Json::Bool(_) => "bool",
                    Json::Number(_) => "number",
                    Json::String(_) => "string",
                    _ => "array",
                };
                return Err(format!(
                    "cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot \
                     unmarshal {kind} into Go value of type map[string]interface {{}}"
                ));
            }
        }
    }
    Ok(values)
}

/// Splits at lines of `---`.
fn documents(data: &[u8]) -> Vec<Vec<u8>> {
    let mut documents = Vec::new();
    let mut current: Vec<u8> = Vec::new();
    for line in data.split_inclusive(|&b| b == b'\n') {
        let separator = line
            .strip_prefix(b"---")
            .is_some_and(|rest| rest.trim_ascii().is_empty());
        if separator {
            if !current.is_empty() {
                documents.push(std::mem::take(&mut current));
            }
        } else {
            current.extend_from_slice(line);
        }
    }
    if !current.is_empty() {
        // Helm ends the last line if nobody has: a block scalar may end there.
        if !current.ends_with(b"\n") {
            current.push(b'\n');
        }
        documents.push(current);
    }
    documents
}

/// Given values as templates see them: floats stay floats, integers are those that an expression set.
pub(crate) fn to_value(json: &Json) -> Value {
    match json {
        Json::Number(number) => match number.as_i64() {
            Some(int) if !number.is_f64() => Value::Int64(int),
            _ => Value::Float(number.as_f64().unwrap_or(0.0)),
        },
        Json::Array(items) => List::any(items.iter().map(to_value).collect()),
        Json::Object(map) => Value::Map(to_map(map)),
        other => crate::funcs::encoding::from_json(other),
    }
}

/// As [`to_value`], of a map.
pub(crate) fn to_map(map: &Map<String, Json>) -> std::rc::Rc<ValueMap> {
    let entries = map
        .iter()
        .map(|(key, value)| (Text::from(key.as_str()), to_value(value)))
        .collect();
    ValueMap::new(crate::template::value::MapKind::Any, entries)
}
