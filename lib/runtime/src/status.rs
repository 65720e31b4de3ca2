//! The one status patch: what changed, as a JSON merge patch (RFC 7386), in the controller's name.

use crate::watch::Watched;
use crds::meta::FluxObject;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Map, Value, json};

/// Writes the difference between two statuses; `None` when there is none and nothing was written.
///
/// # Errors
/// What the API server answers. A status too large for it is an error of the API server.
pub async fn patch<K: FluxObject>(
    client: Client,
    object: &K,
    old: &Value,
    new: &Value,
    manager: &str,
) -> kube::Result<Option<K>> {
    let Some(difference) = difference(old, new) else {
        return Ok(None);
    };
    let meta = object.meta();
    let api: Api<K> = Api::namespaced(client, meta.namespace.as_deref().unwrap_or_default());
    let body = json!({"metadata": {"uid": meta.uid}, "status": difference});
    let name = meta.name.as_deref().unwrap_or_default();
    api.patch_status(
        name,
        &PatchParams {
            field_manager: Some(manager.into()),
            ..Default::default()
        },
        &Patch::Merge(body),
    )
    .await
    .map(Some)
}

/// Adds or removes the finalizer, and returns the object as it is then.
///
/// # Errors
/// What the API server answers; a conflict when the object changed meanwhile.
pub async fn set_finalizer<K: Watched>(
    client: Client,
    object: &K,
    finalizer: &str,
    present: bool,
    manager: &str,
) -> kube::Result<K> {
    let meta = object.meta();
    let mut finalizers = meta.finalizers.clone().unwrap_or_default();
    finalizers.retain(|f| f != finalizer);
    if present {
        finalizers.push(finalizer.to_owned());
    }
    let api: Api<K> = Api::namespaced(client, meta.namespace.as_deref().unwrap_or_default());
    // A merge patch replaces the list as a whole: the version read guards the finalizers of others.
    let body = json!({"metadata": {"resourceVersion": meta.resource_version, "finalizers": finalizers}});
    let name = meta.name.as_deref().unwrap_or_default();
    api.patch(
        name,
        &PatchParams {
            field_manager: Some(manager.into()),
            ..Default::default()
        },
        &Patch::Merge(body),
    )
    .await
}

/// The merge patch that turns `old` into `new`, if they differ.
pub fn difference(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        (old, new) if old == new => None,
        (Value::Object(old), Value::Object(new)) => {
            let mut patch = Map::new();
            for key in old.keys().filter(|k| !new.contains_key(*k)) {
                patch.insert(key.clone(), Value::Null);
            }
            for (key, value) in new {
                let changed = match old.get(key) {
                    Some(before) => difference(before, value),
                    None => Some(value.clone()),
                };
                if let Some(changed) = changed {
                    patch.insert(key.clone(), changed);
                }
            }
            Some(Value::Object(patch))
        }
        (_, new) => Some(new.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_sent() {
        let cases = [
            (json!({"a": 1}), json!({"a": 1}), None),
            (
                json!({"a": 1, "b": {"c": 1, "d": 2}}),
                json!({"a": 1, "b": {"c": 3, "d": 2}}),
                Some(json!({"b": {"c": 3}})),
            ),
            (json!({"a": 1, "b": 2}), json!({"b": 2}), Some(json!({"a": null}))),
            (
                json!({"a": [1]}),
                json!({"a": [1, 2]}),
                Some(json!({"a": [1, 2]})),
            ),
            (json!({}), json!({"a": {"b": 1}}), Some(json!({"a": {"b": 1}}))),
        ];
        for (old, new, expected) in cases {
            assert_eq!(difference(&old, &new), expected, "{old} -> {new}");
        }
    }
}
