//! PURE: one YAML file merged into another, as Helm merges files of values.

use serde_json::{Map, Value};
use thiserror::Error;

/// Why two files cannot be merged.
#[derive(Debug, Error)]
pub enum MergeError {
    /// A file is not YAML.
    #[error("cannot read the YAML")]
    Yaml(#[source] yaml::Error),
    /// A document is not a map.
    #[error("a document is not a map")]
    NoMap,
}

/// The YAML of both, all documents of each merged into one: maps by key, all else from `over`.
///
/// # Errors
/// When one of them is not YAML, or has a document that is not a map.
pub fn merge(base: &[u8], over: &[u8]) -> Result<String, MergeError> {
    let mut merged = load(base)?;
    add(&mut merged, load(over)?);
    Ok(yaml::to_string(&Value::Object(merged)))
}

fn load(text: &[u8]) -> Result<Map<String, Value>, MergeError> {
    let mut all = Map::new();
    for document in yaml::parse_all(text).map_err(MergeError::Yaml)? {
        match document {
            Value::Object(map) => add(&mut all, map),
            _ => return Err(MergeError::NoMap),
        }
    }
    Ok(all)
}

/// The depth is that which the YAML reader lets pass.
fn add(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(base)), Value::Object(over)) => add(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}
