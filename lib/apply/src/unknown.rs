//! PURE: fields of built-in kinds that the API server does not know are dropped, as Flux drops them.
//!
//! Flux reads objects of Kubernetes' own kinds into Go types, which lose what they have no field for; server-side apply
//! refuses such a manifest as a whole. The refusal names the fields, so they are taken out and the rest is applied.

use crate::built_in::is_built_in;
use serde_json::Value;

/// What the API server says of a field that its schema has not.
const NOT_DECLARED: &str = ": field not declared in schema";

/// A manifest without the fields that a refusal names as unknown, and which those were; `None` where that changes nothing.
pub(crate) fn without(manifest: &Value, group: &str, refusal: &str) -> Option<(Value, Vec<String>)> {
    if !is_built_in(group) {
        return None;
    }
    let (_, problems) = refusal.split_once("failed to create typed patch object (")?;
    // One problem stands behind the object's name, several stand on lines of their own.
    let problems = problems.split_once("): ").map_or(problems, |(_, rest)| rest);
    let mut rest = manifest.clone();
    let mut dropped = Vec::new();
    for line in problems.lines() {
        let Some(path) = line.trim().strip_suffix(NOT_DECLARED) else {
            continue;
        };
        if remove(&mut rest, path) {
            dropped.push(path.to_owned());
        }
    }
    (!dropped.is_empty()).then_some((rest, dropped))
}

/// Removes the field at a path such as `.spec.containers[name="web"].foo`; tells whether there was one.
fn remove(value: &mut Value, path: &str) -> bool {
    match value {
        Value::Object(map) => {
            let Some(rest) = path.strip_prefix('.') else {
                return false;
            };
            // Keys may hold dots: the longest that fits is meant.
            let fits = |key: &&String| {
                let after = rest.strip_prefix(key.as_str());
                after.is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
            };
            let Some(key) = map.keys().filter(fits).max_by_key(|key| key.len()).cloned() else {
                return false;
            };
            match &rest[key.len()..] {
                "" => map.shift_remove(&key).is_some(),
                deeper => map.get_mut(&key).is_some_and(|below| remove(below, deeper)),
            }
        }
        Value::Array(items) => {
            let Some((item, rest)) = path.strip_prefix('[').and_then(item) else {
                return false;
            };
            let found = items.iter_mut().enumerate().filter(|(n, v)| item.is(*n, v));
            found.fold(false, |any, (_, value)| remove(value, rest) || any)
        }
        _ => false,
    }
}

/// How a path names an item of a list.
enum Item {
    At(usize),
    Keys(Vec<(String, Value)>),
}

impl Item {
    /// A key that the item lacks has its default, which a manifest need not spell out.
    fn is(&self, index: usize, value: &Value) -> bool {
        match self {
            Self::At(at) => *at == index,
            Self::Keys(keys) => keys
                .iter()
                .all(|(key, expected)| value.get(key).is_none_or(|found| found == expected)),
        }
    }
}

/// Reads `0]…` or `name="web",port=80]…`.
fn item(text: &str) -> Option<(Item, &str)> {
    if let Some((index, rest)) = text.split_once(']')
        && let Ok(index) = index.parse()
    {
        return Some((Item::At(index), rest));
    }
    let (mut keys, mut rest) = (Vec::new(), text);
    loop {
        let (key, after) = rest.split_once('=')?;
        let mut values = serde_json::Deserializer::from_str(after).into_iter::<Value>();
        let value = values.next()?.ok()?;
        keys.push((key.to_owned(), value));
        rest = &after[values.byte_offset()..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((Item::Keys(keys), rest.strip_prefix(']')?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ONE: &str = "failed to create typed patch object (n/a; apps/v1, Kind=Deployment): ";

    fn manifest() -> Value {
        json!({"bogus": 1, "spec": {"replicas": "x", "bogus": true, "a.b": {"c": 1}, "containers": [
            {"name": "a", "foo": 1}, {"name": "web", "foo": 1, "ports": [{"containerPort": 80, "bar": 1}]}]}})
    }

    fn dropped(refusal: &str) -> Option<(Value, Vec<String>)> {
        without(&manifest(), "apps", &format!("{ONE}{refusal}"))
    }

    #[test]
    fn what_the_refusal_names_is_taken_out() {
        for (path, pointer) in [
            (".bogus", "/bogus"),
            (".spec.bogus", "/spec/bogus"),
            (".spec.containers[name=\"web\"].foo", "/spec/containers/1/foo"),
            (
                ".spec.containers[name=\"web\"].ports[containerPort=80,protocol=\"TCP\"].bar",
                "/spec/containers/1/ports/0/bar",
            ),
            (".spec.containers[1].foo", "/spec/containers/1/foo"),
            (".spec.a.b.c", "/spec/a.b/c"),
        ] {
            let mut expected = manifest();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            expected
                .pointer_mut(parent)
                .and_then(Value::as_object_mut)
                .unwrap()
                .shift_remove(key)
                .unwrap();
            for refusal in [
                format!("{path}{NOT_DECLARED}"),
                format!("errors:\n  {path}{NOT_DECLARED}\n  .spec.replicas: expected numeric, got string"),
            ] {
                assert_eq!(dropped(&refusal), Some((expected.clone(), vec![path.to_owned()])));
            }
        }
    }

    #[test]
    fn anything_else_stays_an_error() {
        for refusal in [
            ".spec.replicas: expected numeric (int or float), got string",
            ".spec.nowhere: field not declared in schema",
            ".spec.containers[name=\"web\": field not declared in schema",
            ".spec[: field not declared in schema",
            "",
        ] {
            assert!(dropped(refusal).is_none(), "{refusal}");
        }
        let refusal = format!("{ONE}.bogus: field not declared in schema");
        assert!(without(&json!({"bogus": 1}), "example.com", &refusal).is_none());
        assert!(without(&json!({"bogus": 1}), "apps", "immutable").is_none());
    }
}
