//! Client-side apply: patches made here, of what was said, what is said and what is live.

use super::{
    apply::{MANAGER, Mode, create, words},
    objects::Item,
};
use kube::{
    Client,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Map, Value, json};

/// Groups whose kinds the API server itself defines.
const BUILT_IN: [&str; 4] = ["", "apps", "batch", "autoscaling"];

/// Writes one object from the client's side; the live object.
///
/// # Errors
/// What the API server says.
pub async fn write(
    client: &Client,
    original: Option<&Item>,
    target: &Item,
    live: Option<&Value>,
    mode: Mode,
) -> Result<Value, String> {
    let Some(live) = live else {
        let created = create(client, target).await;
        return created.map_err(|e| format!("failed to create resource: {}", words(&e)));
    };
    let api = target.resource.api(client.clone(), &target.object.namespace);
    let name = &target.object.name;
    if mode.replace {
        let mut manifest = target.manifest.clone();
        manifest["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
        let object: DynamicObject = serde_json::from_value(manifest).map_err(|e| e.to_string())?;
        let params = PostParams {
            field_manager: Some(MANAGER.into()),
            ..PostParams::default()
        };
        let replaced = api.replace(name, &params, &object).await;
        let replaced = replaced.map_err(|e| format!("failed to replace object: {}", words(&e)))?;
        return Ok(serde_json::to_value(replaced).unwrap_or_default());
    }
    // Without what was said before, what is live is the base.
    let before = original.map_or(live, |o| &o.manifest);
    let patch = match is_built_in(&target.object.group) || mode.three_way {
        true => three_way(before, &target.manifest, live),
        false => difference(before, &target.manifest),
    };
    let Some(patch) = patch else {
        return Ok(live.clone());
    };
    let params = PatchParams {
        field_manager: Some(MANAGER.into()),
        ..PatchParams::default()
    };
    let patched = api.patch(name, &params, &Patch::Merge(&patch)).await;
    let patched = patched.map_err(|e| {
        format!(
            "cannot patch \"{name}\" with kind {}: {}",
            target.object.kind,
            words(&e)
        )
    })?;
    Ok(serde_json::to_value(patched).unwrap_or_default())
}

fn is_built_in(group: &str) -> bool {
    BUILT_IN.contains(&group) || group.ends_with(".k8s.io")
}

/// The merge patch (RFC 7396) that takes away what was said and is no longer, and sets what is said and is not live. A
/// list that has all that is said, with defaults filled in, is left alone; else it is replaced as a whole.
pub fn three_way(before: &Value, after: &Value, live: &Value) -> Option<Value> {
    let empty = Map::new();
    let map = |value: &Value| value.as_object().cloned();
    let (Some(after), Some(live)) = (map(after), map(live)) else {
        return (!covers(live, after)).then(|| after.clone());
    };
    let before = before.as_object().unwrap_or(&empty);
    let mut patch = Map::new();
    for key in before
        .keys()
        .filter(|k| !after.contains_key(*k) && live.contains_key(*k))
    {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in &after {
        let said = before.get(key).unwrap_or(&Value::Null);
        match live.get(key) {
            None if value.is_null() => {}
            None => {
                patch.insert(key.clone(), value.clone());
            }
            Some(_) if value.is_null() => {
                patch.insert(key.clone(), Value::Null);
            }
            Some(found) => {
                if let Some(deeper) = three_way(said, value, found) {
                    patch.insert(key.clone(), deeper);
                }
            }
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Whether a live value has all that is said.
fn covers(live: &Value, said: &Value) -> bool {
    match (live, said) {
        (Value::Object(live), Value::Object(said)) => said.iter().all(|(key, value)| {
            live.get(key)
                .map_or(value.is_null(), |found| covers(found, value))
        }),
        (Value::Array(live), Value::Array(said)) => {
            live.len() == said.len() && live.iter().zip(said).all(|(l, s)| covers(l, s))
        }
        (live, said) => live == said,
    }
}

/// The merge patch from one manifest to another.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    let patch = runtime::status::difference(before, after)?;
    (patch != json!({})).then_some(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_is_taken_away_and_only_what_differs_is_set() {
        for (before, after, live, patch) in [
            (
                json!({"a": 1}),
                json!({"a": 1}),
                json!({"a": 1, "default": 2}),
                None,
            ),
            (
                json!({"a": 1, "b": 1}),
                json!({"a": 1}),
                json!({"a": 1, "b": 1, "c": 1}),
                Some(json!({"b": null})),
            ),
            (
                json!({"a": 1}),
                json!({"a": 1}),
                json!({"a": 2}),
                Some(json!({"a": 1})),
            ),
            (
                json!({"l": [{"n": "x"}]}),
                json!({"l": [{"n": "x"}]}),
                json!({"l": [{"n": "x", "default": true}]}),
                None,
            ),
            (
                json!({"l": [{"n": "x"}]}),
                json!({"l": [{"n": "y"}]}),
                json!({"l": [{"n": "x", "default": true}]}),
                Some(json!({"l": [{"n": "y"}]})),
            ),
            (
                json!({"m": {"x": 1}}),
                json!({"m": {}}),
                json!({"m": {"x": 1, "y": 2}}),
                Some(json!({"m": {"x": null}})),
            ),
        ] {
            assert_eq!(
                three_way(&before, &after, &live),
                patch,
                "{before} {after} {live}"
            );
        }
    }
}
