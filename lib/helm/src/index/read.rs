//! From text to entries: YAML by its events, JSON by serde's, neither as a whole tree.

use super::entry::sort;
use super::print::Charts;
use super::{IndexError, time};
use crate::chart::{Fields, kind_of};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json, value::RawValue};
use std::collections::HashSet;
use std::fmt;
use std::io::{Read, Seek, Write};
use yaml::{Node, Schema};

/// So many values one entry may have, and all that an index says beside them: only so much is in memory at once.
const MOST_VALUES: usize = 500_000;

/// What an index says beside its entries.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub api_version: String,
    pub generated: String,
    /// `null` if it is not there.
    pub server_info: Json,
    pub public_keys: Vec<String>,
    /// `null` if they are not there.
    pub annotations: Json,
    /// Whether there are entries, be it none.
    pub has_entries: bool,
}

/// Reads an index; entries go to `charts` as they come.
pub(super) fn read<S: Read + Write + Seek>(
    text: &[u8],
    charts: &mut Charts<'_, S>,
) -> Result<Head, IndexError> {
    // As Helm has it: what is JSON is read as JSON, everything else as YAML.
    let may_be_json = text.trim_ascii_start().starts_with(b"{");
    if may_be_json && serde_json::from_slice::<IgnoredAny>(text).is_ok() {
        return from_json(text, charts);
    }
    from_yaml(text, charts)
}

/// Stops the reading.
enum Stop {
    Yaml(yaml::Error),
    Own(IndexError),
}

impl From<yaml::Error> for Stop {
    fn from(error: yaml::Error) -> Stop {
        Stop::Yaml(error)
    }
}

fn from_yaml<S: Read + Write + Seek>(text: &[u8], charts: &mut Charts<'_, S>) -> Result<Head, IndexError> {
    let rest = yaml::parse_items(
        text,
        Schema::GoV2,
        &yaml::Limits {
            held: MOST_VALUES,
            ..yaml::Limits::default()
        },
        "entries",
        |chart, item| {
            let entry = value(&item)?;
            charts.entry(chart, &entry, true).map_err(Stop::Own)
        },
    );
    let rest = rest.map_err(|stop| match stop {
        Stop::Yaml(error) => malformed(&error),
        Stop::Own(error) => error,
    })?;
    let rest = match rest {
        Some(node) => value(&node).map_err(|stop| match stop {
            Stop::Yaml(error) => malformed(&error),
            Stop::Own(error) => error,
        })?,
        None => Json::Null,
    };
    let decoding = |error: String| {
        IndexError::Content(format!(
            "error unmarshaling JSON: while decoding JSON: json: {error}"
        ))
    };
    let map = match rest {
        Json::Object(map) => map,
        Json::Null => Map::new(),
        other => {
            let kind = kind_of(&other);
            return Err(decoding(format!(
                "cannot unmarshal {kind} into Go value of type repo.IndexFile"
            )));
        }
    };
    Fields::new(&map, "IndexFile")
        .known_only(&[
            "serverInfo",
            "apiVersion",
            "generated",
            "entries",
            "publicKeys",
            "annotations",
        ])
        .map_err(decoding)?;
    let head = head(&map).map_err(decoding)?;
    let entries = Fields::new(&map, "IndexFile");
    if let Some(lists) = entries
        .map("entries", "map[string]repo.ChartVersions")
        .map_err(decoding)?
    {
        for (chart, list) in lists {
            match list {
                // Its items were read on the way, unless there are some left.
                Json::Array(items) => {
                    charts.known(chart);
                    for item in items {
                        charts.entry(chart, item, true)?;
                    }
                }
                Json::Null => charts.chart(chart, true),
                other => {
                    let kind = kind_of(other);
                    return Err(decoding(format!(
                        "cannot unmarshal {kind} into Go struct field IndexFile.entries of type repo.ChartVersions"
                    )));
                }
            }
        }
    }
    Ok(head)
}

fn malformed(error: &yaml::Error) -> IndexError {
    IndexError::Content(format!("error converting YAML to JSON: {error}"))
}

/// The JSON value of a node in which no key is there twice.
fn value(node: &Node) -> Result<Json, Stop> {
    if let Some(key) = repeated(node) {
        return Err(Stop::Own(IndexError::Content(format!(
            "error converting YAML to JSON: yaml: unmarshal errors:\n  key {key:?} already set in map"
        ))));
    }
    Ok(yaml::to_value(node, Schema::GoV2)?)
}

/// A key that is twice in one map. Deep nesting is bounded by the limits of the reading.
fn repeated(node: &Node) -> Option<&str> {
    match node {
        Node::Scalar(_) => None,
        Node::Seq(items) => items.iter().find_map(repeated),
        Node::Map(map) => {
            let mut seen = HashSet::with_capacity(map.pairs.len());
            map.pairs.iter().find_map(|(key, value)| {
                if !seen.insert(key.text.as_str()) {
                    return Some(key.text.as_str());
                }
                repeated(value)
            })
        }
    }
}

fn head(map: &Map<String, Json>) -> Result<Head, String> {
    let fields = Fields::new(map, "IndexFile");
    let mut head = Head {
        generated: time::normal(fields.get("generated"))?,
        has_entries: fields.get("entries").is_some(),
        ..Head::default()
    };
    fields.text("apiVersion", &mut head.api_version)?;
    fields.texts("publicKeys", &mut head.public_keys)?;
    if let Some(info) = fields.map("serverInfo", "map[string]interface {}")?
        && !info.is_empty()
    {
        head.server_info = Json::Object(info.clone());
        sort(&mut head.server_info);
    }
    if let Some(notes) = fields.map("annotations", "map[string]string")?
        && !notes.is_empty()
    {
        let notes_fields = Fields::new(notes, "IndexFile.annotations");
        let mut texts = Map::new();
        for key in notes.keys() {
            let mut text = String::new();
            notes_fields.text(key, &mut text)?;
            texts.insert(key.clone(), Json::String(text));
        }
        head.annotations = Json::Object(texts);
        sort(&mut head.annotations);
    }
    Ok(head)
}

fn from_json<S: Read + Write + Seek>(text: &[u8], charts: &mut Charts<'_, S>) -> Result<Head, IndexError> {
    let mut own = None;
    let mut reader = serde_json::Deserializer::from_slice(text);
    let root = Root {
        charts,
        own: &mut own,
    };
    let map = root.deserialize(&mut reader).map_err(|error| match own {
        Some(own) => own,
        None => IndexError::Content(format!("json: {error}")),
    })?;
    head(&map).map_err(|error| IndexError::Content(format!("json: {error}")))
}

/// A value, unless it has more in it than is left.
fn bounded<E: serde::de::Error>(text: &RawValue, left: &mut usize) -> Result<Json, E> {
    let count = crate::json::count(text.get().as_bytes());
    *left = left
        .checked_sub(count)
        .ok_or_else(|| E::custom(format!("more than {MOST_VALUES} values in one place")))?;
    serde_json::from_str(text.get()).map_err(E::custom)
}

/// The document: gives all of it but the entries.
struct Root<'c, 's, S> {
    charts: &'c mut Charts<'s, S>,
    own: &'c mut Option<IndexError>,
}

/// The charts, of which it gives whether there are any; and the versions of one.
struct Lists<'c, 's, S>(&'c mut Charts<'s, S>, &'c mut Option<IndexError>);
struct List<'c, 's, S>(&'c mut Charts<'s, S>, &'c mut Option<IndexError>, String);

impl<'de, S: Read + Write + Seek> DeserializeSeed<'de> for Root<'_, '_, S> {
    type Value = Map<String, Json>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, S: Read + Write + Seek> Visitor<'de> for Root<'_, '_, S> {
    type Value = Map<String, Json>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an index")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut rest, mut left) = (Map::new(), MOST_VALUES);
        while let Some(key) = map.next_key::<String>()? {
            if key.eq_ignore_ascii_case("entries") {
                let there = map.next_value_seed(Lists(self.charts, self.own))?;
                rest.insert("entries".to_owned(), there);
            } else {
                rest.insert(key, bounded(map.next_value()?, &mut left)?);
            }
        }
        Ok(rest)
    }
}

impl<'de, S: Read + Write + Seek> DeserializeSeed<'de> for Lists<'_, '_, S> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Json, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, S: Read + Write + Seek> Visitor<'de> for Lists<'_, '_, S> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the charts of an index")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            map.next_value_seed(List(self.0, self.1, name))?;
        }
        Ok(Json::Object(Map::new()))
    }
}

impl<'de, S: Read + Write + Seek> DeserializeSeed<'de> for List<'_, '_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, S: Read + Write + Seek> Visitor<'de> for List<'_, '_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the versions of a chart")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.chart(&self.2, true);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.chart(&self.2, false);
        while let Some(entry) = items.next_element()? {
            let mut left = MOST_VALUES;
            let entry = bounded(entry, &mut left)?;
            if let Err(error) = self.0.entry(&self.2, &entry, false) {
                *self.1 = Some(error);
                return Err(A::Error::custom("given up"));
            }
        }
        Ok(())
    }
}
