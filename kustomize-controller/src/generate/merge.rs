//! The overrides of the spec, laid over a kustomization.

use super::{GenerateError, NAMES, join};
use artifact::{Tree, clean_path};
use crds::kustomize::KustomizationSpec;
use kustomize::Inputs;
use serde_json::{Map, Value, json};

/// Lays the spec's overrides over the fields of a kustomization; says whether there were any.
pub(super) fn merge(
    fields: &mut Map<String, Value>,
    tree: &Tree,
    path: &str,
    spec: &KustomizationSpec,
    inputs: &mut Inputs,
) -> Result<bool, GenerateError> {
    let before = fields.clone();
    for (field, value) in [
        ("namespace", &spec.target_namespace),
        ("namePrefix", &spec.name_prefix),
        ("nameSuffix", &spec.name_suffix),
    ] {
        if let Some(value) = value.as_ref().filter(|v| !v.is_empty()) {
            fields.insert(field.into(), value.as_str().into());
        }
    }
    if !spec.patches.is_empty() {
        append(fields, "patches", spec.patches.iter().map(to_value));
    }
    let mut components = Vec::new();
    for component in &spec.components {
        let local = !component.contains("://") && !component.starts_with('/');
        let clean = clean_path(&join(path, component)).ok().filter(|_| local);
        let clean = clean.ok_or_else(|| GenerateError::Component {
            component: component.clone(),
        })?;
        if spec.ignore_missing_components && !tree.is_dir(&clean) {
            NAMES.iter().for_each(|n| inputs.absent(join(&clean, n)));
        } else {
            components.push(Value::from(component.as_str()));
        }
    }
    if !components.is_empty() {
        append(fields, "components", components);
    }
    for image in &spec.images {
        merge_image(fields, &to_value(image));
    }
    if !spec.build_metadata.is_empty() {
        fields.insert(
            "buildMetadata".into(),
            spec.build_metadata.iter().map(to_value).collect(),
        );
    }
    Ok(*fields != before)
}

/// An image of the spec replaces name and tag-or-digest of the file's image of the same name.
fn merge_image(fields: &mut Map<String, Value>, image: &Value) {
    let images = fields.entry("images").or_insert_with(|| json!([]));
    if !images.is_array() {
        *images = json!([]);
    }
    let Some(images) = images.as_array_mut() else {
        return;
    };
    let Some(same) = images
        .iter_mut()
        .find(|i| i.get("name") == image.get("name"))
        .and_then(Value::as_object_mut)
    else {
        images.push(image.clone());
        return;
    };
    if let Some(name) = image.get("newName") {
        same.insert("newName".into(), name.clone());
    }
    if image.get("newTag").is_some() || image.get("digest").is_some() {
        for field in ["newTag", "digest"] {
            same.shift_remove(field);
            if let Some(value) = image.get(field) {
                same.insert(field.into(), value.clone());
            }
        }
    }
}

fn append(fields: &mut Map<String, Value>, field: &str, more: impl IntoIterator<Item = Value>) {
    let list = fields.entry(field).or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    if let Some(list) = list.as_array_mut() {
        list.extend(more);
    }
}

fn to_value<T: serde::Serialize>(part: &T) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}
