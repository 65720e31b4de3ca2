//! PURE: a release's values out of its references and its own, in Flux's order.

use crds::helm::{ValuesKind, ValuesReference};
use helm::values::{SetKind, floats, merge, read, set};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What was read of the ConfigMaps and Secrets that are referred to; `None` where there is no such object.
pub type Found = BTreeMap<(bool, String), Option<BTreeMap<String, Vec<u8>>>>;

/// The key of a referred object among what was [`Found`].
pub fn key(reference: &ValuesReference) -> (bool, String) {
    (reference.kind == ValuesKind::Secret, reference.name.clone())
}

/// The values: whole files one over the other, single values where they are to be put, and the object's own over all.
///
/// # Errors
/// In Flux's words: what is missing and not optional, what is not YAML, what cannot be put where it is to be.
pub fn values(
    namespace: &str,
    own: Option<&Value>,
    references: &[ValuesReference],
    found: &Found,
) -> Result<Map<String, Value>, String> {
    let mut own = match own {
        Some(Value::Object(own)) => own.clone(),
        _ => Map::new(),
    };
    own.values_mut().for_each(floats);
    let mut result = Map::new();
    let mut asked = Vec::new();
    for reference in references {
        let name = key(reference);
        let entry = reference
            .values_key
            .as_deref()
            .filter(|k| !k.is_empty())
            .unwrap_or("values.yaml");
        let failed = |reason: &str| failure(namespace, reference, entry, reason);
        let Some(data) = found.get(&name).and_then(Option::as_ref) else {
            if reference.optional {
                asked.push(name);
                continue;
            }
            // An object that was found missing before is told of in other words.
            return Err(match asked.contains(&name) {
                true => failed("resource not found"),
                false => failed(&format!(
                    "{} \"{}\" not found",
                    plural(reference.kind),
                    reference.name
                )),
            });
        };
        let Some(bytes) = data.get(entry) else {
            if reference.optional {
                continue;
            }
            return Err(failed("key not found"));
        };
        match reference.target_path.as_deref().filter(|p| !p.is_empty()) {
            None => merge(&mut result, read(bytes).map_err(|e| failed(&e))?),
            Some(path) => {
                let text = String::from_utf8_lossy(bytes);
                if is_shared(&result, &own, path) {
                    put(&mut own, path, &text, reference.literal).map_err(|e| failed(&e))?;
                }
                merge(&mut result, own.clone());
                put(&mut result, path, &text, reference.literal).map_err(|e| failed(&e))?;
            }
        }
    }
    merge(&mut result, own);
    Ok(result)
}

fn put(values: &mut Map<String, Value>, path: &str, text: &str, literal: bool) -> Result<(), String> {
    if literal {
        return set(values, &format!("{path}={text}"), SetKind::Literal).map_err(|e| e.to_string());
    }
    let quoted = |quote: char| text.starts_with(quote) && text.ends_with(quote);
    let (text, kind) = match quoted('\'') || quoted('"') {
        true => (text.trim_matches(['\'', '"']), SetKind::Text),
        false => (text, SetKind::Typed),
    };
    set(values, &format!("{path}={text}"), kind).map_err(|e| e.to_string())
}

/// Flux merges maps by reference: a map that only the object itself has becomes part of the result as it is, and what is
/// set in it is set in the object's own values, which are merged over all in the end.
fn is_shared(result: &Map<String, Value>, own: &Map<String, Value>, path: &str) -> bool {
    let (mut result, mut own) = (result, own);
    let parts = parts(path);
    let Some((_, containers)) = parts.split_last() else {
        return false;
    };
    for part in containers {
        let Some(Value::Object(mine)) = own.get(part) else {
            return false;
        };
        let Some(Value::Object(known)) = result.get(part) else {
            return true;
        };
        (result, own) = (known, mine);
    }
    false
}

/// The names in a path, up to the first index into a list.
fn parts(path: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        let last = parts.len() - 1;
        match c {
            '.' => parts.push(String::new()),
            '[' => break,
            '\\' => parts[last].extend(chars.next()),
            c => parts[last].push(c),
        }
    }
    parts
}

fn failure(namespace: &str, reference: &ValuesReference, key: &str, reason: &str) -> String {
    let optional = if reference.optional { " optional" } else { "" };
    let kind = kind(reference.kind);
    format!(
        "could not resolve{optional} {kind} chart values reference '{namespace}/{}' with key '{key}': {reason}",
        reference.name
    )
}

fn kind(kind: ValuesKind) -> &'static str {
    match kind {
        ValuesKind::Secret => "Secret",
        ValuesKind::ConfigMap => "ConfigMap",
    }
}

fn plural(kind: ValuesKind) -> &'static str {
    match kind {
        ValuesKind::Secret => "secrets",
        ValuesKind::ConfigMap => "configmaps",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(own: Value, references: Value, objects: &[(&str, &str, &str, &str)]) -> Result<Value, String> {
        let references: Vec<ValuesReference> = serde_json::from_value(references).unwrap();
        let mut found = Found::new();
        for (kind, name, key, text) in objects {
            let object = found
                .entry((*kind == "Secret", (*name).to_owned()))
                .or_insert(Some(BTreeMap::new()));
            object
                .as_mut()
                .unwrap()
                .insert((*key).to_owned(), text.as_bytes().to_vec());
        }
        values("n", Some(&own), &references, &found).map(Value::Object)
    }

    #[test]
    fn later_files_and_the_objects_own_values_win() {
        let objects = [
            (
                "ConfigMap",
                "a",
                "values.yaml",
                "x: 1\nm: {a: 1, b: 1}\nl: [1, 2]\n",
            ),
            ("Secret", "b", "other", "m: {b: 2, c: null}\nl: [3]\n"),
        ];
        let references = json!([{"kind": "ConfigMap", "name": "a"}, {"kind": "Secret", "name": "b", "valuesKey": "other"}]);
        assert_eq!(
            check(json!({"m": {"a": "own"}}), references, &objects).unwrap(),
            json!({"x": 1.0, "m": {"a": "own", "b": 2.0, "c": null}, "l": [3.0]})
        );
    }

    #[test]
    fn single_values_are_set_where_they_are_to_be() {
        let at = |path: &str, text: &str, literal: bool| {
            let references = json!([{"kind": "ConfigMap", "name": "a", "valuesKey": "k", "targetPath": path, "literal": literal}]);
            check(
                json!({"own": {"x": 1}}),
                references,
                &[("ConfigMap", "a", "k", text)],
            )
        };
        for (path, text, literal, value) in [
            ("a", "1", false, json!({"a": 1, "own": {"x": 1.0}})),
            ("a.b", "'1'", false, json!({"a": {"b": "1"}, "own": {"x": 1.0}})),
            ("a\\.b", "x", false, json!({"a.b": "x", "own": {"x": 1.0}})),
            (
                "a[0].b",
                "true",
                false,
                json!({"a": [{"b": true}], "own": {"x": 1.0}}),
            ),
            ("a", "x=y,z", true, json!({"a": "x=y,z", "own": {"x": 1.0}})),
            ("own.y", "2", false, json!({"own": {"x": 1.0, "y": 2}})),
            ("own.x", "2", false, json!({"own": {"x": 2}})),
            ("own", "2", false, json!({"own": {"x": 1.0}})),
        ] {
            assert_eq!(at(path, text, literal).unwrap(), value, "{path} {text}");
        }
        assert!(
            at("a[99999]", "1", false)
                .unwrap_err()
                .contains("'n/a' with key 'k'")
        );
    }

    #[test]
    fn what_is_set_below_a_map_that_a_file_has_too_yields_to_the_object() {
        let references = json!([
            {"kind": "ConfigMap", "name": "a"},
            {"kind": "ConfigMap", "name": "a", "valuesKey": "k", "targetPath": "own.x"},
            {"kind": "ConfigMap", "name": "a", "valuesKey": "k", "targetPath": "own.y"},
        ]);
        let objects = [
            ("ConfigMap", "a", "values.yaml", "own: {z: 1}\n"),
            ("ConfigMap", "a", "k", "set"),
        ];
        assert_eq!(
            check(json!({"own": {"x": "mine"}}), references, &objects).unwrap(),
            json!({"own": {"z": 1.0, "x": "mine", "y": "set"}})
        );
    }

    #[test]
    fn what_is_missing_is_told_unless_it_is_optional() {
        let text =
            |references: Value| check(json!({}), references, &[("ConfigMap", "a", "k", "- 1")]).unwrap_err();
        for (references, told) in [
            (
                json!([{"kind": "ConfigMap", "name": "nope"}]),
                "could not resolve ConfigMap chart values reference 'n/nope' with key 'values.yaml': configmaps \"nope\" not found",
            ),
            (
                json!([{"kind": "Secret", "name": "s", "optional": true}, {"kind": "Secret", "name": "s"}]),
                "could not resolve Secret chart values reference 'n/s' with key 'values.yaml': resource not found",
            ),
            (
                json!([{"kind": "ConfigMap", "name": "a"}]),
                "could not resolve ConfigMap chart values reference 'n/a' with key 'values.yaml': key not found",
            ),
        ] {
            assert_eq!(text(references.clone()), told);
        }
        let bad = text(json!([{"kind": "ConfigMap", "name": "a", "valuesKey": "k", "optional": true}]));
        assert!(bad.starts_with("could not resolve optional ConfigMap"), "{bad}");
        assert_eq!(
            check(
                json!({}),
                json!([{"kind": "ConfigMap", "name": "a", "optional": true}]),
                &[("ConfigMap", "a", "k", "")]
            )
            .unwrap(),
            json!({})
        );
    }
}
