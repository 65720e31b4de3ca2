//! Rendered files as objects: split, told apart from hooks, sorted by kind.

use crate::Error;
use crate::funcs::strings::{is_space, trim_space};
use crate::hooks::Hook;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};

/// A rendered object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The template that it comes from.
    pub path: String,
    /// Its text, as rendered.
    pub content: String,
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its `kind`.
    pub kind: String,
    /// Its `metadata.name`.
    pub name: String,
}

/// What Helm reads of an object.
#[derive(Default)]
pub(crate) struct Head {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub annotations: BTreeMap<String, String>,
}

/// The order in which kinds are created; what is not named comes last, by name.
pub const INSTALL_ORDER: &[&str] = &[
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// The order in which kinds are deleted; what is not named comes last, by name.
pub const UNINSTALL_ORDER: &[&str] = &[
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "APIService",
    "Ingress",
    "IngressClass",
    "Service",
    "CronJob",
    "Job",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "Pod",
    "DaemonSet",
    "RoleBindingList",
    "RoleBinding",
    "RoleList",
    "Role",
    "ClusterRoleBindingList",
    "ClusterRoleBinding",
    "ClusterRoleList",
    "ClusterRole",
    "CustomResourceDefinition",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StorageClass",
    "ConfigMap",
    "SecretList",
    "Secret",
    "ServiceAccount",
    "PodDisruptionBudget",
    "PodSecurityPolicy",
    "LimitRange",
    "ResourceQuota",
    "NetworkPolicy",
    "Namespace",
    "PriorityClass",
];

/// The place of a kind in an order: known kinds first, then the others by name.
pub fn rank<'k>(kind: &'k str, order: &[&str]) -> (usize, &'k str) {
    match order.iter().position(|known| *known == kind) {
        Some(at) => (at, ""),
        None => (order.len(), kind),
    }
}

/// The documents of a text, split at lines that begin with `---`; blank ones are left out.
pub fn split(text: &str) -> Vec<&str> {
    let text = text.trim_start_matches(is_space);
    let mut documents = Vec::new();
    let mut start = 0;
    let mut line = 0;
    loop {
        if text[line..].starts_with("---") {
            documents.push(&text[start..line]);
            let after = &text[line + 3..];
            start = text.len() - after.trim_start_matches([' ', '\t']).len();
        }
        match text[line..].find('\n') {
            Some(at) => line += at + 1,
            None => break,
        }
    }
    documents.push(&text[start.min(text.len())..]);
    documents
        .into_iter()
        .map(|document| document.trim_start_matches(is_space))
        .filter(|document| !document.is_empty())
        .collect()
}

/// The objects and hooks of rendered files, by their paths, each in install order.
///
/// # Errors
/// A file that is not YAML, or an object whose head is malformed.
pub fn sort(files: &BTreeMap<String, String>) -> Result<(Vec<Hook>, Vec<Manifest>), Error> {
    let mut hooks = Vec::new();
    let mut manifests = Vec::new();
    for (path, content) in files {
        let base = path.rsplit('/').next().unwrap_or_default();
        if base.starts_with('_') || trim_space(content).is_empty() {
            continue;
        }
        for document in split(content) {
            let head = Head::read(document).map_err(|problem| Error::Manifest {
                path: path.clone(),
                problem,
            })?;
            match Hook::of(path, document, &head) {
                Some(Some(hook)) => hooks.push(hook),
                // An event that nobody knows: the object is neither.
                Some(None) => {}
                None => manifests.push(Manifest {
                    path: path.clone(),
                    content: document.to_string(),
                    api_version: head.api_version,
                    kind: head.kind,
                    name: head.name,
                }),
            }
        }
    }
    let ranks: HashMap<&str, usize> = INSTALL_ORDER
        .iter()
        .enumerate()
        .map(|(i, kind)| (*kind, i))
        .collect();
    let key = |kind: &str| match ranks.get(kind) {
        Some(&at) => (at, String::new()),
        None => (ranks.len(), kind.to_string()),
    };
    hooks.sort_by_cached_key(|hook: &Hook| key(&hook.kind));
    manifests.sort_by_cached_key(|manifest| key(&manifest.kind));
    Ok((hooks, manifests))
}

impl Head {
    /// Reads an object's head; the whole text must be YAML.
    pub fn read(text: &str) -> Result<Head, String> {
        let json = yaml::parse_first(text.as_bytes())
            .map_err(|error| format!("error converting YAML to JSON: {error}"))?;
        Head::decode(&json)
            .map_err(|error| format!("error unmarshaling JSON: while decoding JSON: json: {error}"))
    }

    fn decode(json: &Json) -> Result<Head, String> {
        let mut head = Head::default();
        let map = match json {
            Json::Null => return Ok(head),
            Json::Object(map) => map,
            other => return Err(wrong(other, "value", "util.SimpleHead")),
        };
        let get = |map: &serde_json::Map<String, Json>, name: &str| {
            let exact = map.get(name);
            let found = exact.or_else(|| {
                map.iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, v)| v)
            });
            found.filter(|value| !value.is_null()).cloned()
        };
        let text = |value: Option<Json>, place: &str| match value {
            None => Ok(String::new()),
            Some(value) if scalar_text(&value).is_some() => Ok(scalar_text(&value).unwrap_or_default()),
            Some(other) => Err(wrong(&other, &format!("struct field {place}"), "string")),
        };
        head.api_version = text(get(map, "apiVersion"), "SimpleHead.apiVersion")?;
        head.kind = text(get(map, "kind"), "SimpleHead.kind")?;
        let metadata = match get(map, "metadata") {
            None => return Ok(head),
            Some(Json::Object(metadata)) => metadata,
            Some(other) => {
                return Err(wrong(
                    &other,
                    "struct field SimpleHead.metadata",
                    "struct { Name string \"json:\\\"name\\\"\"; Annotations map[string]string \
                     \"json:\\\"annotations\\\"\" }",
                ));
            }
        };
        head.name = text(get(&metadata, "name"), ".metadata.name")?;
        match get(&metadata, "annotations") {
            None => {}
            Some(Json::Object(annotations)) => {
                for (key, value) in annotations {
                    let value = Some(value).filter(|value| !value.is_null());
                    head.annotations
                        .insert(key, text(value, ".metadata.annotations")?);
                }
            }
            Some(other) => {
                return Err(wrong(
                    &other,
                    "struct field .metadata.annotations",
                    "map[string]string",
                ));
            }
        }
        Ok(head)
    }
}

/// A scalar where text is asked for is text.
pub(crate) fn scalar_text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(truth) => Some(truth.to_string()),
        Json::Number(number) if number.is_f64() => number.as_f64().map(crate::template::float::shortest),
        Json::Number(number) => Some(number.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn wrong(value: &Json, place: &str, wanted: &str) -> String {
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    format!("cannot unmarshal {kind} into Go {place} of type {wanted}")
}
