//! PURE: a built manifest made fit for server-side apply, as Flux normalises it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crds::meta::CommonMetadata;
use serde_json::{Map, Value, json};

/// Labels that say to whom an object belongs.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The label key for the owner's name, and the name.
    pub name: (&'a str, &'a str),
    /// The label key for the owner's namespace, and the namespace.
    pub namespace: (&'a str, &'a str),
}

/// Adds owner labels and common metadata, and drops what a manifest may carry but must not be applied.
pub fn prepare(object: &mut Value, owner: Owner<'_>, common: Option<&CommonMetadata>) {
    set(object, "labels", [owner.name, owner.namespace]);
    if let Some(common) = common {
        set(
            object,
            "labels",
            common.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())),
        );
        set(
            object,
            "annotations",
            common.annotations.iter().map(|(k, v)| (k.as_str(), v.as_str())),
        );
    }
    normalise(object);
}

fn normalise(object: &mut Value) {
    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let core = object.get("apiVersion").and_then(Value::as_str) == Some("v1");
    let Some(map) = object.as_object_mut() else { return };
    if kind != "CustomResourceDefinition" {
        map.remove("status");
    }
    if let Some(meta) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in [
            "creationTimestamp",
            "managedFields",
            "resourceVersion",
            "uid",
            "generation",
            "selfLink",
        ] {
            meta.remove(key);
        }
    }
    if core && kind == "Secret" {
        encode_string_data(map);
    }
    // Merge keys need the protocol that the API server would fill in only later.
    if core && kind == "Service" {
        default_protocol(object.pointer_mut("/spec/ports"));
    }
    for containers in ["containers", "initContainers"] {
        for template in [
            "/spec/template/spec",
            "/spec/jobTemplate/spec/template/spec",
            "/spec",
        ] {
            let list = object
                .pointer_mut(&format!("{template}/{containers}"))
                .and_then(Value::as_array_mut);
            for container in list.into_iter().flatten() {
                default_protocol(container.get_mut("ports"));
            }
        }
    }
}

/// Moves `stringData` into `data`: the API server does so on write, and the field would look changed for ever.
fn encode_string_data(secret: &mut Map<String, Value>) {
    let Some(Value::Object(plain)) = secret.shift_remove("stringData") else {
        return;
    };
    let data = secret.entry("data").or_insert_with(|| json!({}));
    if data.is_null() {
        *data = json!({});
    }
    if let Some(data) = data.as_object_mut() {
        for (key, value) in plain {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            data.insert(key, STANDARD.encode(text).into());
        }
    }
}

fn default_protocol(ports: Option<&mut Value>) {
    for port in ports.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            port.entry("protocol").or_insert_with(|| "TCP".into());
        }
    }
}

fn set<'a>(object: &mut Value, map: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let mut pairs = pairs.into_iter().peekable();
    if pairs.peek().is_none() {
        return;
    }
    let Some(object) = object.as_object_mut() else {
        return;
    };
    let meta = object.entry("metadata").or_insert_with(|| json!({}));
    let Some(meta) = meta.as_object_mut() else { return };
    let target = meta.entry(map).or_insert_with(|| json!({}));
    if !target.is_object() {
        *target = json!({});
    }
    if let Some(target) = target.as_object_mut() {
        for (key, value) in pairs {
            target.insert(key.to_owned(), value.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner<'static> = Owner {
        name: ("o/name", "app"),
        namespace: ("o/namespace", "apps"),
    };

    #[test]
    fn labels_are_added_and_server_fields_dropped() {
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "status": {}, "metadata": {"name": "a", "uid": "1", "creationTimestamp": null, "labels": {"mine": "1"}}});
        let common = CommonMetadata {
            labels: [("mine".to_owned(), "2".to_owned())].into(),
            ..Default::default()
        };
        prepare(&mut object, OWNER, Some(&common));
        assert_eq!(
            object,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"mine": "2", "o/name": "app", "o/namespace": "apps"}}})
        );
    }

    #[test]
    fn plain_secret_data_is_encoded_over_data() {
        let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "eA=="}, "stringData": {"a": "y", "b": "z"}});
        normalise(&mut secret);
        assert_eq!(secret["data"], json!({"a": "eQ==", "b": "eg=="}));
        assert!(secret.get("stringData").is_none());
    }

    #[test]
    fn ports_get_their_protocol() {
        let mut service = json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}});
        normalise(&mut service);
        assert_eq!(
            service["spec"]["ports"],
            json!([{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}])
        );
    }

    #[test]
    fn odd_shapes_do_no_harm() {
        for mut odd in [
            json!(null),
            json!([]),
            json!({"metadata": 1, "kind": 2}),
            json!({"metadata": {"labels": []}, "spec": {"containers": {"a": 1}}}),
        ] {
            prepare(&mut odd, OWNER, None);
        }
    }
}
