//! Client-side apply: patches made here, of what was said, what is said and what is live.

use super::{
    objects::Item,
    write::{MANAGER, Mode, create, words},
};
use ::apply::three_way::{Shape, merge};
use kube::{
    Client,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use runtime::status::difference;
use serde_json::{Value, json};

/// How often an object is read again to which somebody else wrote meanwhile.
const ATTEMPTS: usize = 5;

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
    change(client, original, target, live, mode.three_way).await
}

/// Patches an object until nobody wrote to it between our read and our patch.
async fn change(
    client: &Client,
    original: Option<&Item>,
    target: &Item,
    live: &Value,
    three_way: bool,
) -> Result<Value, String> {
    let api = target.resource.api(client.clone(), &target.object.namespace);
    let name = &target.object.name;
    let failed = |e: &kube::Error| {
        format!(
            "cannot patch \"{name}\" with kind {}: {}",
            target.object.kind,
            words(e)
        )
    };
    let params = PatchParams {
        field_manager: Some(MANAGER.into()),
        ..PatchParams::default()
    };
    let mut live = live.clone();
    for attempt in 1.. {
        let Some(patch) = patch(original, target, &live, three_way) else {
            break;
        };
        match api.patch(name, &params, &Patch::Merge(&patch)).await {
            Ok(patched) => return Ok(serde_json::to_value(patched).unwrap_or_default()),
            Err(kube::Error::Api(status)) if status.code == 409 && attempt < ATTEMPTS => {
                let found = api.get(name).await.map_err(|e| failed(&e))?;
                live = serde_json::to_value(found).unwrap_or_default();
            }
            Err(error) => return Err(failed(&error)),
        }
    }
    Ok(live)
}

/// The JSON merge patch (RFC 7386) that brings a live object to what is said; `None` if there is nothing to change.
fn patch(original: Option<&Item>, target: &Item, live: &Value, three_way: bool) -> Option<Value> {
    // Without what was said before, what is live is the base.
    let before = original.map_or(live, |o| &o.manifest);
    let after = &target.manifest;
    let shape = match Shape::of(&target.object) {
        Some(shape) => shape,
        None if three_way => Shape::Plain,
        // Of kinds that it does not know, Helm takes the live object for what it said last.
        None => return difference(before, after).filter(|patch| *patch != json!({})),
    };
    let mut patch = difference(live, &merge(before, after, live, shape))?;
    if holds_list(&patch) {
        // A list goes as a whole, so it must be of what is live.
        patch["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
    }
    Some(patch)
}

fn holds_list(patch: &Value) -> bool {
    match patch {
        Value::Array(_) => true,
        Value::Object(fields) => fields.values().any(holds_list),
        _ => false,
    }
}
