//! One entry of an index: Helm's `ChartVersion`, read as Go reads it and printed as Go prints it.

use super::time;
use crate::chart::{Fields, Metadata};
use crate::funcs::json::write_string;
use serde_json::{Map, Value as Json, json};

/// What an entry has beside the chart's metadata, in the order in which Go prints it.
const OWN: [&str; 8] = [
    "urls",
    "created",
    "removed",
    "digest",
    "checksum",
    "engine",
    "tillerVersion",
    "url",
];

/// The JSON of an entry as Go prints it. Nothing, if the entry is one that Helm leaves out.
///
/// # Errors
/// A field of another type; in a strict reading also one that nobody knows.
pub(super) fn normal(entry: &Json, strict: bool) -> Result<Option<Json>, String> {
    let map = match entry {
        Json::Null => return Ok(None),
        Json::Object(map) => map,
        other => {
            let kind = crate::chart::kind_of(other);
            return Err(format!(
                "cannot unmarshal {kind} into Go value of type repo.ChartVersion"
            ));
        }
    };
    if strict {
        Metadata::known_only(map, &OWN)?;
    }
    let mut metadata = Metadata::of_entry(entry)?;
    let fields = Fields::new(map, "ChartVersion");
    let mut urls = Vec::new();
    fields.texts("urls", &mut urls)?;
    let has_urls = fields.get("urls").is_some();
    let created = time::normal(fields.get("created"))?;
    let mut removed = false;
    fields.truth("removed", &mut removed)?;
    let texts: Vec<(&str, String)> = ["digest", "checksum", "engine", "tillerVersion", "url"]
        .into_iter()
        .map(|name| {
            let mut text = String::new();
            fields.text(name, &mut text)?;
            Ok((name, text))
        })
        .collect::<Result<_, String>>()?;
    if metadata.api_version.is_empty() {
        metadata.api_version = "v1".to_owned();
    }
    if !metadata.is_listable() {
        return Ok(None);
    }
    let mut printed = match metadata.to_json() {
        Json::Object(map) => map,
        _ => Map::new(),
    };
    printed.insert("urls".into(), if has_urls { json!(urls) } else { Json::Null });
    printed.insert("created".into(), json!(created));
    if removed {
        printed.insert("removed".into(), json!(true));
    }
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        printed.insert(name.into(), json!(text));
    }
    Ok(Some(Json::Object(printed)))
}

/// Appends JSON as `json.MarshalIndent` prints it with two spaces, where the value itself stands at `level`.
pub(super) fn indent(out: &mut String, value: &Json, level: usize) {
    let line = |out: &mut String, level: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", level));
    };
    match value {
        Json::Array(items) if !items.is_empty() => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                line(out, level + 1);
                indent(out, item, level + 1);
            }
            line(out, level);
            out.push(']');
        }
        Json::Object(map) if !map.is_empty() => {
            out.push('{');
            for (at, (key, item)) in map.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                line(out, level + 1);
                write_string(out, key, true);
                out.push_str(": ");
                indent(out, item, level + 1);
            }
            line(out, level);
            out.push('}');
        }
        Json::String(text) => write_string(out, text, true),
        Json::Number(number) => match number.as_f64() {
            // Go holds numbers of unknown type as floats.
            Some(float) => out.push_str(&crate::funcs::json::number(float).unwrap_or_default()),
            None => out.push_str(&number.to_string()),
        },
        other => out.push_str(&other.to_string()),
    }
}

/// Sorts the keys of all objects, as Go prints maps.
pub(super) fn sort(value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(sort),
        Json::Object(map) => {
            map.sort_keys();
            map.values_mut().for_each(sort);
        }
        _ => {}
    }
}
