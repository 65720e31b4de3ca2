//! PURE: who owns which fields of a live object (`metadata.managedFields`), and how to take fields over.

use crds::meta::{CHECKSUM, FLUX1_CHECKSUM, FLUX1_GC_MARK, KUBECTL_LAST_APPLIED};
use serde_json::{Value, json};
use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash as _, Hasher as _},
};

/// Whose fields are ours to take over: entries of managers whose name starts with one of these prefixes.
#[derive(Debug, Clone)]
pub struct Ownership {
    /// Our field manager.
    pub manager: &'static str,
    /// Further managers to take over from (Flux flag `--override-manager`), by prefix.
    pub overrides: Vec<String>,
}

/// What the owners of an object's fields say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    /// Changes exactly when our set of fields changes, or someone we take over from adds a field.
    pub fingerprint: u64,
    /// Someone we take over from holds fields.
    pub foreign: bool,
    /// The manager, other than us, that wrote last; for telling whom we fight with.
    pub last_other: Option<String>,
}

/// Managers whose fields Flux takes over, whatever the operation.
const TAKEN_OVER: &[&str] = &["kubectl", "before-first-apply"];

/// `kubectl rollout restart` sets an annotation on the pod template under this name.
const ROLLOUT: &str = "kubectl-rollout";

impl Ownership {
    /// Reads the owners of a live object.
    ///
    /// Server-side apply moves a field out of our entry when someone else changes or removes it, so our entry is a
    /// fingerprint of "nobody touched what we set" that costs no comparison of contents.
    pub fn read(&self, live: &Value) -> Owners {
        let mut hash = DefaultHasher::new();
        let mut owners = Owners::default();
        let mut last = "";
        for entry in entries(live).iter().filter(|e| !is_subresource(e)) {
            let manager = text(entry, "manager");
            if manager == self.manager && text(entry, "operation") == "Apply" {
                hash_fields(entry.get("fieldsV1").unwrap_or(&Value::Null), &mut hash);
            } else if self.takes_over(entry) {
                owners.foreign = true;
                // A restart asked for by hand shall happen; its mark goes with the next apply, as in Flux.
                if manager == ROLLOUT {
                    continue;
                }
                manager.hash(&mut hash);
                hash_fields(entry.get("fieldsV1").unwrap_or(&Value::Null), &mut hash);
            }
            if manager != self.manager && text(entry, "time") >= last {
                last = text(entry, "time");
                owners.last_other = Some(manager.to_owned());
            }
        }
        owners.fingerprint = hash.finish();
        owners
    }

    /// The JSON patch (RFC 6902) that makes fields of others ours and drops their bookkeeping, if there is any.
    ///
    /// Flux does the same: what `kubectl edit` or an older tool added to an object of ours is then removed by the next
    /// apply, because it is ours and not in Git.
    pub fn takeover(&self, live: &Value) -> Option<Value> {
        let mut patch = Vec::new();
        for (map, keys) in [
            (
                "annotations",
                [KUBECTL_LAST_APPLIED, CHECKSUM, FLUX1_CHECKSUM].as_slice(),
            ),
            ("labels", &[FLUX1_GC_MARK]),
        ] {
            for key in keys {
                if live
                    .pointer(&format!("/metadata/{map}"))
                    .and_then(|m| m.get(*key))
                    .is_some()
                {
                    patch.push(json!({"op": "remove", "path": format!("/metadata/{map}/{}", key.replace('~', "~0").replace('/', "~1"))}));
                }
            }
        }
        let all = entries(live);
        if all.iter().any(|e| !is_subresource(e) && self.takes_over(e)) {
            patch
                .push(json!({"op": "replace", "path": "/metadata/managedFields", "value": self.folded(all)}));
        }
        if patch.is_empty() {
            return None;
        }
        // Nobody may write between our read and this patch.
        patch.insert(0, json!({"op": "test", "path": "/metadata/resourceVersion", "value": live.pointer("/metadata/resourceVersion")}));
        Some(Value::Array(patch))
    }

    fn folded(&self, all: &[Value]) -> Vec<Value> {
        let mut ours: Option<Value> = None;
        let mut rest = Vec::new();
        for entry in all {
            let own = text(entry, "manager") == self.manager && text(entry, "operation") == "Apply";
            if is_subresource(entry) || !(own || self.takes_over(entry)) {
                rest.push(entry.clone());
                continue;
            }
            let fields = entry.get("fieldsV1").cloned().unwrap_or_else(|| json!({}));
            match &mut ours {
                None => {
                    let mut first = entry.clone();
                    first["manager"] = self.manager.into();
                    first["operation"] = "Apply".into();
                    ours = Some(first);
                }
                Some(ours) => union(&mut ours["fieldsV1"], fields),
            }
        }
        rest.extend(ours);
        rest
    }

    /// Whether an entry of `managedFields` is of somebody whose fields become ours.
    pub(crate) fn takes_over(&self, entry: &Value) -> bool {
        let manager = text(entry, "manager");
        TAKEN_OVER.iter().any(|p| manager.starts_with(p))
            || self.overrides.iter().any(|p| manager.starts_with(p.as_str()))
            || (manager == self.manager && text(entry, "operation") == "Update")
    }
}

/// The JSON patch (RFC 6902) that turns what `manager` set by updates, and what `others` set in any way, into what it
/// applied, if they set anything: fields that it no longer applies then go.
pub fn migration(live: &Value, manager: &'static str, others: &[String]) -> Option<Value> {
    let all = entries(live);
    let is_ours = |e: &Value| {
        let name = text(e, "manager");
        !is_subresource(e) && (name == manager || others.iter().any(|o| o == name))
    };
    let settled = |e: &Value| text(e, "manager") == manager && text(e, "operation") == "Apply";
    all.iter().find(|e| is_ours(e) && !settled(e))?;
    let mut ours: Option<Value> = None;
    let mut rest = Vec::new();
    for entry in all {
        if !is_ours(entry) {
            rest.push(entry.clone());
            continue;
        }
        let fields = entry.get("fieldsV1").cloned().unwrap_or_else(|| json!({}));
        match &mut ours {
            None => {
                let mut first = entry.clone();
                first["manager"] = manager.into();
                first["operation"] = "Apply".into();
                ours = Some(first);
            }
            Some(ours) => union(&mut ours["fieldsV1"], fields),
        }
    }
    rest.extend(ours);
    Some(json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": live.pointer("/metadata/resourceVersion")},
        {"op": "replace", "path": "/metadata/managedFields", "value": rest},
    ]))
}

fn entries(live: &Value) -> &[Value] {
    live.pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn is_subresource(entry: &Value) -> bool {
    !text(entry, "subresource").is_empty()
}

/// Hashes a field set independently of the order of its keys. Its depth is bounded by the API server's limit on objects.
fn hash_fields(fields: &Value, hash: &mut DefaultHasher) {
    match fields {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_unstable_by_key(|(k, _)| *k);
            keys.len().hash(hash);
            for (key, below) in keys {
                key.hash(hash);
                hash_fields(below, hash);
            }
        }
        other => other.to_string().hash(hash),
    }
}

fn union(into: &mut Value, from: Value) {
    let (Value::Object(into), Value::Object(from)) = (into, from) else {
        return;
    };
    for (key, below) in from {
        match into.get_mut(&key) {
            Some(have) => union(have, below),
            None => {
                into.insert(key, below);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Ownership = Ownership {
        manager: "kustomize-controller",
        overrides: Vec::new(),
    };

    fn live(entries: Value) -> Value {
        json!({"metadata": {"resourceVersion": "7", "managedFields": entries}})
    }

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "fieldsV1": fields, "time": "2026-01-01T00:00:00Z"})
    }

    #[test]
    fn the_fingerprint_moves_with_our_fields_only() {
        let base = OURS.read(&live(json!([entry(
            "kustomize-controller",
            "Apply",
            json!({"f:data": {"f:a": {}, "f:b": {}}})
        )])));
        let reordered = OURS.read(&live(json!([entry(
            "kustomize-controller",
            "Apply",
            json!({"f:data": {"f:b": {}, "f:a": {}}})
        )])));
        assert_eq!(base.fingerprint, reordered.fingerprint);
        let others = OURS.read(&live(json!([
            entry(
                "kustomize-controller",
                "Apply",
                json!({"f:data": {"f:a": {}, "f:b": {}}})
            ),
            entry("autoscaler", "Update", json!({"f:spec": {}}))
        ])));
        assert_eq!(base.fingerprint, others.fingerprint);
        assert_eq!(others.last_other.as_deref(), Some("autoscaler"));
        let lost = OURS.read(&live(json!([entry(
            "kustomize-controller",
            "Apply",
            json!({"f:data": {"f:a": {}}})
        )])));
        assert_ne!(base.fingerprint, lost.fingerprint);
        let edited = OURS.read(&live(json!([
            entry(
                "kustomize-controller",
                "Apply",
                json!({"f:data": {"f:a": {}, "f:b": {}}})
            ),
            entry(
                "kubectl-edit",
                "Update",
                json!({"f:metadata": {"f:labels": {"f:x": {}}}})
            )
        ])));
        assert!(edited.foreign && base.fingerprint != edited.fingerprint);
    }

    #[test]
    fn takeover_folds_kubectl_into_ours_and_leaves_the_rest() {
        let object = live(json!([
            entry("kustomize-controller", "Apply", json!({"f:data": {"f:a": {}}})),
            entry("kubectl-edit", "Update", json!({"f:data": {"f:x": {}}})),
            entry("flux-client-side-apply", "Update", json!({"f:data": {"f:y": {}}})),
            {"manager": "kubectl", "operation": "Update", "subresource": "scale", "fieldsV1": {}}
        ]));
        let patch = OURS.takeover(&object).unwrap();
        assert_eq!(
            patch[0],
            json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"})
        );
        let folded = patch[1]["value"].as_array().unwrap();
        let names: Vec<_> = folded.iter().map(|e| e["manager"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            ["flux-client-side-apply", "kubectl", "kustomize-controller"]
        );
        assert_eq!(folded[2]["fieldsV1"], json!({"f:data": {"f:a": {}, "f:x": {}}}));
        assert_eq!(
            OURS.takeover(&live(json!([entry("kustomize-controller", "Apply", json!({}))]))),
            None
        );
    }

    #[test]
    fn updates_of_one_manager_become_its_applies() {
        let object = live(json!([
            entry("helm-controller", "Update", json!({"f:data": {"f:a": {}}})),
            entry("helm-controller", "Apply", json!({"f:data": {"f:b": {}}})),
            entry("kubectl-edit", "Update", json!({"f:data": {"f:x": {}}})),
        ]));
        let patch = migration(&object, "helm-controller", &[]).unwrap();
        let folded = patch[1]["value"].as_array().unwrap();
        assert_eq!((folded.len(), &folded[1]["operation"]), (2, &json!("Apply")));
        assert_eq!(folded[1]["fieldsV1"], json!({"f:data": {"f:a": {}, "f:b": {}}}));
        assert_eq!(migration(&object, "other", &[]), None);
        let all = migration(&object, "helm-controller", &["kubectl-edit".to_owned()]).unwrap();
        assert_eq!(all[1]["value"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn bookkeeping_of_older_tools_is_dropped() {
        let mut object = live(json!([]));
        object["metadata"]["annotations"] = json!({KUBECTL_LAST_APPLIED: "{}", "mine": "1"});
        let patch = OURS.takeover(&object).unwrap();
        assert_eq!(
            patch[1]["path"],
            "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"
        );
    }
}
