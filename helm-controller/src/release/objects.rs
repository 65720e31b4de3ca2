//! PURE but for discovery: the manifest of a release as objects that can be addressed.

use apply::{
    discovery::{Discovery, DiscoveryError, Resource},
    id::ObjectRef,
};
use helm::manifest::{INSTALL_ORDER, UNINSTALL_ORDER, rank, split};
use serde_json::{Value, json};
use std::sync::Arc;
use thiserror::Error;

/// The label and annotations by which Helm knows what is its own.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "Helm");
/// The annotation with the release's name.
pub const RELEASE_NAME: &str = "meta.helm.sh/release-name";
/// The annotation with the release's namespace.
pub const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";
/// The annotation that lets an object outlive its release.
pub const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// An object of a release.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its name.
    pub object: ObjectRef,
    /// What serves it.
    pub resource: Arc<Resource>,
    /// Its manifest, with its namespace.
    pub manifest: Value,
}

/// Why a manifest is not one of objects.
#[derive(Debug, Error)]
pub enum ObjectsError {
    /// It is not YAML.
    #[error("error parsing manifest: {0}")]
    Yaml(yaml::Error),
    /// An object has no name or kind.
    #[error("{0}")]
    Nameless(#[from] apply::id::Nameless),
    /// Its kind is not served.
    #[error(
        "resource mapping not found for name: \"{name}\" namespace: \"{namespace}\" from \"\": {source}\nensure CRDs are \
         installed first"
    )]
    Kind {
        /// The object's name.
        name: String,
        /// Its namespace as written.
        namespace: String,
        /// What the API server says.
        source: DiscoveryError,
    },
}

/// The objects of a release's manifest, in its order, each in a namespace if its kind has them.
///
/// # Errors
/// See [`ObjectsError`].
pub async fn build(
    discovery: &Discovery,
    manifest: &str,
    namespace: &str,
) -> Result<Vec<Item>, ObjectsError> {
    let mut items = Vec::new();
    for value in parse(manifest)? {
        let mut object = ObjectRef::of(&value)?;
        let resource = discovery
            .resource(&object)
            .await
            .map_err(|source| ObjectsError::Kind {
                name: object.name.clone(),
                namespace: object.namespace.clone(),
                source,
            })?;
        let mut manifest = value;
        match resource.namespaced {
            true if object.namespace.is_empty() => {
                object.namespace = namespace.to_owned();
                manifest["metadata"]["namespace"] = json!(namespace);
            }
            true => {}
            false => {
                object.namespace.clear();
                if let Some(metadata) = manifest.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.remove("namespace");
                }
            }
        }
        items.push(Item {
            object,
            resource,
            manifest,
        });
    }
    Ok(items)
}

/// The documents of a manifest; the items of lists each on their own.
///
/// # Errors
/// When it is not YAML.
pub fn parse(manifest: &str) -> Result<Vec<Value>, ObjectsError> {
    let mut values = Vec::new();
    for document in split(manifest) {
        let value = yaml::parse_first(document.as_bytes()).map_err(ObjectsError::Yaml)?;
        let is_list = value
            .get("kind")
            .and_then(Value::as_str)
            .is_some_and(|k| k.ends_with("List"));
        match value.get("items").and_then(Value::as_array) {
            Some(items) if is_list => values.extend(items.iter().cloned()),
            _ if value.is_null() => {}
            _ => values.push(value),
        }
    }
    Ok(values)
}

/// Writes into a manifest whose release it is of.
pub fn own(manifest: &mut Value, name: &str, namespace: &str) {
    put(manifest, "labels", MANAGED_BY.0, MANAGED_BY.1);
    put(manifest, "annotations", RELEASE_NAME, name);
    put(manifest, "annotations", RELEASE_NAMESPACE, namespace);
}

/// Sets a label or annotation.
pub fn put(manifest: &mut Value, map: &str, key: &str, value: &str) {
    let Some(metadata) = manifest.get_mut("metadata") else {
        return;
    };
    if !metadata.get(map).is_some_and(Value::is_object) {
        metadata[map] = json!({});
    }
    metadata[map][key] = json!(value);
}

/// What keeps a live object from being this release's own, in Helm's words.
pub fn foreign(live: &Value, name: &str, namespace: &str) -> Option<String> {
    let wrong = |what: &str, map: &str, key: &str, wanted: &str| {
        let found = live
            .get("metadata")
            .and_then(|m| m.get(map))
            .and_then(|m| m.get(key));
        match found.and_then(Value::as_str) {
            None => Some(format!(
                "{what} validation error: missing key \"{key}\": must be set to \"{wanted}\""
            )),
            Some(found) if found != wanted => Some(format!(
                "{what} validation error: key \"{key}\" must equal \"{wanted}\": current value is \"{found}\""
            )),
            Some(_) => None,
        }
    };
    let problems: Vec<String> = [
        wrong("label", "labels", MANAGED_BY.0, MANAGED_BY.1),
        wrong("annotation", "annotations", RELEASE_NAME, name),
        wrong("annotation", "annotations", RELEASE_NAMESPACE, namespace),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!problems.is_empty()).then(|| format!("invalid ownership metadata; {}", problems.join("; ")))
}

/// Whether an object asks to outlive its release.
pub fn is_kept(object: &Value) -> bool {
    let annotations = object.pointer("/metadata/annotations");
    let policy = annotations
        .and_then(|a| a.get(RESOURCE_POLICY))
        .and_then(Value::as_str);
    policy.is_some_and(helm::is_kept)
}

/// The items by kind, each kind's together, in the order in which kinds are created.
pub fn in_install_order(items: &[Item]) -> Vec<Vec<&Item>> {
    by_kind(items, INSTALL_ORDER)
}

/// As [`in_install_order`], in the order in which kinds are deleted.
pub fn in_uninstall_order(items: &[Item]) -> Vec<Vec<&Item>> {
    by_kind(items, UNINSTALL_ORDER)
}

fn by_kind<'a>(items: &'a [Item], order: &[&str]) -> Vec<Vec<&'a Item>> {
    let mut sorted: Vec<&Item> = items.iter().collect();
    sorted.sort_by(|a, b| rank(&a.object.kind, order).cmp(&rank(&b.object.kind, order)));
    let mut groups: Vec<Vec<&Item>> = Vec::new();
    for item in sorted {
        match groups.last_mut() {
            Some(group) if group.iter().all(|other| other.object.kind == item.object.kind) => {
                group.push(item)
            }
            _ => groups.push(vec![item]),
        }
    }
    groups
}

/// `Kind "name" in namespace "namespace"`
pub fn shown(object: &ObjectRef) -> String {
    format!(
        "{} \"{}\" in namespace \"{}\"",
        object.kind, object.name, object.namespace
    )
}

/// `Kind/namespace/name status: 'word'`, in the words of kstatus.
pub fn with_status(object: &ObjectRef, word: &str) -> String {
    format!("{object} status: '{word}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_told_in_helms_words() {
        let mut live = json!({"metadata": {"name": "a", "annotations": {RELEASE_NAME: "other"}}});
        let told = foreign(&live, "web", "apps").unwrap();
        assert_eq!(
            told,
            "invalid ownership metadata; label validation error: missing key \"app.kubernetes.io/managed-by\": must be \
             set to \"Helm\"; annotation validation error: key \"meta.helm.sh/release-name\" must equal \"web\": current \
             value is \"other\"; annotation validation error: missing key \"meta.helm.sh/release-namespace\": must be set \
             to \"apps\""
        );
        own(&mut live, "web", "apps");
        assert_eq!(foreign(&live, "web", "apps"), None);
    }

    #[test]
    fn lists_are_taken_apart_and_comments_passed_over() {
        let text = "---\n# Source: a\napiVersion: v1\nkind: ConfigMapList\nitems: [{a: 1}, {a: 2}]\n---\n# nothing\n---\nkind: Pod\n";
        assert_eq!(
            parse(text).unwrap(),
            [json!({"a": 1}), json!({"a": 2}), json!({"kind": "Pod"})]
        );
    }
}
