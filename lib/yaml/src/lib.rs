//! Reads and prints YAML exactly as go-yaml does: the common ground of the render engines.
//!
//! Kubernetes tools read YAML in two dialects. `sigs.k8s.io/yaml` (go-yaml v2, YAML 1.1 words such as `yes`) reads
//! kustomization files, Helm values and manifests on their way to the API server; kustomize itself reads resources
//! with go-yaml v3. [`Schema`] names the dialect; printing is always the one of `sigs.k8s.io/yaml`.
//!
//! Scanning and parsing follow go-yaml down to its quirks and its errors; there are limits on depth, node count and alias
//! expansion, so that no input can exhaust memory or the stack.

mod compose;
mod emit;
mod error;
mod merge;
mod natural;
mod node;
mod number;
mod parse;
mod refold;
mod resolve;
mod rewrite;
mod scan;
mod timestamp;
mod value;

pub use compose::{Limits, parse_first_node, parse_items, parse_nodes};
pub use emit::{to_string, to_string_bytewise, write};
pub use error::Error;
pub use natural::sort as sort_keys;
pub use node::{Map, Node, Scalar, Style, Tag};
pub use number::{json_number, shortest};
pub use resolve::{Schema, resolve};
pub use rewrite::rewrite;
pub use value::{to_value, to_value_strict};

use serde_json::Value;

/// Reads the first document of `bytes` as `sigs.k8s.io/yaml` gives it to JSON: merge keys applied, the last of
/// duplicate keys wins, keys made strings. No document at all is `null`.
///
/// # Errors
/// Malformed YAML (with its line), a value JSON cannot hold (`.nan`), or a limit exceeded.
pub fn parse(bytes: &[u8]) -> Result<Value, Error> {
    match parse_nodes(bytes, Schema::GoV2, &Limits::default())?
        .into_iter()
        .next()
    {
        Some(node) => to_value(&node, Schema::GoV2),
        None => Ok(Value::Null),
    }
}

/// As [`parse`], but what follows the first document is not looked at, as go-yaml's `Unmarshal` does not.
///
/// # Errors
/// As [`parse`], for the first document.
pub fn parse_first(bytes: &[u8]) -> Result<Value, Error> {
    match parse_first_node(bytes, Schema::GoV2, &Limits::default())? {
        Some(node) => to_value(&node, Schema::GoV2),
        None => Ok(Value::Null),
    }
}

/// Reads every document of a stream; empty documents are left out.
///
/// # Errors
/// As [`parse`], for any of the documents.
pub fn parse_all(bytes: &[u8]) -> Result<Vec<Value>, Error> {
    let mut values = Vec::new();
    for node in parse_nodes(bytes, Schema::GoV2, &Limits::default())? {
        let value = to_value(&node, Schema::GoV2)?;
        if !value.is_null() {
            values.push(value);
        }
    }
    Ok(values)
}
