//! PURE: `${variable}` in a built manifest becomes its value, as Flux's `postBuild` substitution does it.
//!
//! The grammar is the bash-like one of Flux's `envsubst`: `${v}`, `${#v}`, `${v^}`, `${v:1:2}`, `${v##glob}`,
//! `${v:=default}`, `${v//text/other}` and their kin. `$v` and `$(v)` are left alone; `$$` stands for `$`.

mod error;
mod expand;
mod glob;
mod parse;
#[cfg(test)]
mod tests;

pub use error::ExpandError;

use serde_json::Value;
use std::collections::BTreeMap;

/// The label or annotation that keeps an object out of substitution, with the exact value [`DISABLED`].
const TOGGLE: &str = "kustomize.toolkit.fluxcd.io/substitute";
/// Flux compares this one toggle as it is written: `Disabled` does not switch substitution off.
const DISABLED: &str = "disabled";

/// Why variables could not be put in. No text of the manifest and no value is ever in a message: both may be secret.
#[derive(Debug, thiserror::Error)]
pub enum SubstituteError {
    /// A variable's name cannot be written in `${}`.
    #[error("'{name}' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'")]
    Name {
        /// The name as given.
        name: String,
    },
    /// The text does not follow the grammar, or a variable is missing.
    #[error("variable substitution failed")]
    Expand(#[source] ExpandError),
    /// With its values put in, the manifest is no YAML any more.
    #[error("YAMLToJSON")]
    Yaml(#[source] yaml::Error),
    /// With its values put in, the manifest is YAML, but not a mapping.
    #[error("the substituted manifest is not a mapping")]
    NotAnObject,
}

/// One set of variables from several: `substituteFrom` in its order, then the inline `substitute`.
///
/// A later layer wins. Newlines are taken out of every value, so that no value can add lines to a manifest.
///
/// # Errors
/// [`SubstituteError::Name`] for the first name, in alphabetical order, that is not made of ASCII letters, digits and
/// underscores or starts with a digit.
pub fn variables(
    layers: impl IntoIterator<Item = BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, SubstituteError> {
    let mut merged = BTreeMap::new();
    for (name, mut value) in layers.into_iter().flatten() {
        value.retain(|c| c != '\n');
        merged.insert(name, value);
    }
    match merged.keys().find(|name| !is_name(name)) {
        Some(name) => Err(SubstituteError::Name { name: name.clone() }),
        None => Ok(merged),
    }
}

/// `text` with every reference to a variable replaced.
///
/// `strict` makes a variable that is not in `variables` an error wherever its value is read; without it, the value
/// is empty. Offsets and lengths count bytes, as Flux counts them; globs match whole characters.
///
/// # Errors
/// [`SubstituteError::Expand`] when the text is malformed, a variable is missing (`strict`), a substring would cut a
/// character in two, or the nesting or the work exceeds its limit.
pub fn substitute(
    text: &str,
    variables: &BTreeMap<String, String>,
    strict: bool,
) -> Result<String, SubstituteError> {
    if !text.contains('$') {
        return Ok(text.to_owned());
    }
    let parts = parse::parse(text).map_err(SubstituteError::Expand)?;
    expand::expand(&parts, variables, strict).map_err(SubstituteError::Expand)
}

/// `manifest` with every reference in its YAML text replaced, keys and metadata included.
///
/// Values are read back as YAML: a substituted `7` or `true` is no string any more, as with Flux. A manifest without
/// `$`, and one labelled or annotated `kustomize.toolkit.fluxcd.io/substitute: disabled`, comes back as it is.
///
/// # Errors
/// Those of [`substitute`]; [`SubstituteError::Yaml`] and [`SubstituteError::NotAnObject`] when values broke the
/// manifest.
pub fn object(
    manifest: &Value,
    variables: &BTreeMap<String, String>,
    strict: bool,
) -> Result<Value, SubstituteError> {
    if is_disabled(manifest) || !has_dollar(manifest) {
        return Ok(manifest.clone());
    }
    let text = substitute(&yaml::to_string(manifest), variables, strict)?;
    let value = yaml::parse(text.as_bytes()).map_err(SubstituteError::Yaml)?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(SubstituteError::NotAnObject)
    }
}

/// Does the manifest opt out of substitution? (`substituteFrom` of a missing object hurts only those that do not.)
pub fn is_disabled(manifest: &Value) -> bool {
    ["labels", "annotations"].iter().any(|field| {
        let value = manifest
            .get("metadata")
            .and_then(|m| m.get(field))
            .and_then(|f| f.get(TOGGLE));
        value.and_then(Value::as_str) == Some(DISABLED)
    })
}

/// YAML never escapes `$`: it is in the printed text exactly when it is in a key or a string.
fn has_dollar(value: &Value) -> bool {
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        match value {
            Value::String(text) if text.contains('$') => return true,
            Value::Array(items) => waiting.extend(items),
            Value::Object(fields) => {
                if fields.keys().any(|key| key.contains('$')) {
                    return true;
                }
                waiting.extend(fields.values());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    false
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    name.starts_with(|c: char| !c.is_ascii_digit()) && name.chars().all(word)
}
