//! Patches as kustomize repeats them in messages.

use crate::kustomization::Patch;
use serde_json::Value;

/// The entry as kustomize repeats it in messages.
pub(crate) fn shown(patch: &Patch) -> String {
    let strings = |pairs: &[(&str, &String)]| {
        let set = pairs.iter().filter(|(_, value)| !value.is_empty());
        set.map(|(key, value)| ((*key).to_string(), Value::String((*value).clone())))
            .collect::<serde_json::Map<_, _>>()
    };
    let mut entry = strings(&[("patch", &patch.patch), ("path", &patch.path)]);
    if let Some(target) = &patch.target {
        let target = strings(&[
            ("annotationSelector", &target.annotation_selector),
            ("group", &target.group),
            ("kind", &target.kind),
            ("labelSelector", &target.label_selector),
            ("name", &target.name),
            ("namespace", &target.namespace),
            ("version", &target.version),
        ]);
        entry.insert("target".to_string(), Value::Object(target));
    }
    let options = [
        ("allowKindChange", patch.allow_kind_change),
        ("allowNameChange", patch.allow_name_change),
    ];
    let options: serde_json::Map<_, _> = options
        .into_iter()
        .filter(|(_, set)| *set)
        .map(|(key, set)| (key.to_string(), Value::Bool(set)))
        .collect();
    if !options.is_empty() {
        entry.insert("options".to_string(), Value::Object(options));
    }
    yaml::to_string(&Value::Object(entry))
}

/// `patchesStrategicMerge` as kustomize repeats it in messages.
pub(crate) fn shown_paths(entries: &[String]) -> String {
    yaml::to_string(&serde_json::json!({ "paths": entries }))
}

/// An entry of `patchesJson6902` as kustomize repeats it in messages.
pub(crate) fn shown_operations(patch: &Patch) -> String {
    let shown = shown(patch);
    match shown.strip_prefix("patch: ") {
        Some(rest) => format!("jsonOp: {rest}"),
        None => shown,
    }
}
