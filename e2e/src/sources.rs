//! What sources cost: a large Git repository beside `git` itself, many objects of one registry at rest, and a large Helm index.

mod index;
mod monorepo;
mod registry;

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};

/// What can be measured, in order.
const NAMES: [&str; 3] = ["monorepo", "registry", "index"];

/// Measures what is named, or everything if nothing is, and gives one JSON object.
///
/// # Errors
/// A name that is not known; anything that does not come about within ten minutes.
pub async fn measure(names: &[String]) -> Result<Value> {
    for name in names {
        ensure!(NAMES.contains(&name.as_str()), "{name}: one of {NAMES:?}");
    }
    let mut measured = Map::new();
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    measured.insert("profile".to_owned(), json!(profile));
    for name in NAMES {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let figures = match name {
            "monorepo" => monorepo::measure().await?,
            "registry" => registry::measure().await?,
            _ => index::measure().await?,
        };
        measured.insert(name.to_owned(), figures);
    }
    Ok(Value::Object(measured))
}

fn told(what: &str) {
    eprintln!("measuring: {what} …");
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn mib(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| round(bytes as f64 / f64::from(1 << 20)))
}
