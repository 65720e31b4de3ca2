//! From what the derives generate to what Flux serves: the last touches to every custom resource definition.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// What a status is before any controller has seen the object.
const UNOBSERVED: i64 = -1;

/// The schema of a point in time, as RFC 3339 has it.
pub(crate) fn date_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// The schema of a field that takes any JSON value.
pub(crate) fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

/// The schema of Go's `int`, whose width is not told.
pub(crate) fn int(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer"})
}

/// CEL rules with their messages, for `x-kubernetes-validations`.
pub(crate) fn rules(rules: &[(&str, &str)]) -> Value {
    rules
        .iter()
        .map(|(rule, message)| json!({"rule": rule, "message": message}))
        .collect()
}

/// Whether the status is born with `observedGeneration: -1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewStatus {
    /// So that tools can tell an object that no controller has seen from one that is up to date.
    Unobserved,
    /// The kind has no status, or nobody observes its generation.
    Bare,
}

/// A column of `kubectl get`: its title, the path of its value, and the value's type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column(pub &'static str, pub &'static str, pub &'static str);

impl Column {
    /// How old the object is.
    pub const AGE: Self = Self("Age", ".metadata.creationTimestamp", "date");
    /// Whether the object is ready.
    pub const READY: Self = Self(
        "Ready",
        r#".status.conditions[?(@.type=="Ready")].status"#,
        "string",
    );
    /// Why the object is ready, or is not.
    pub const STATUS: Self = Self(
        "Status",
        r#".status.conditions[?(@.type=="Ready")].message"#,
        "string",
    );

    /// A column with a text of the spec.
    pub const fn text(title: &'static str, path: &'static str) -> Self {
        Self(title, path, "string")
    }
}

/// Makes a derived definition equal to the one that Flux serves.
pub(crate) fn finish(
    crd: CustomResourceDefinition,
    new_status: NewStatus,
    columns: &[Column],
) -> CustomResourceDefinition {
    let mut crd = serde_json::to_value(crd).expect("a definition made of strings, numbers and maps is JSON");
    crd["spec"]["names"]["listKind"] = format!(
        "{}List",
        crd["spec"]["names"]["kind"].as_str().unwrap_or_default()
    )
    .into();
    for version in crd["spec"]["versions"].as_array_mut().into_iter().flatten() {
        version["additionalPrinterColumns"] = columns
            .iter()
            .map(|Column(name, path, type_)| json!({"name": name, "jsonPath": path, "type": type_}))
            .collect();
        if version.get("subresources").is_none() {
            version["subresources"] = json!({});
        }
        let Some(root) = version["schema"]
            .get_mut("openAPIV3Schema")
            .and_then(Value::as_object_mut)
        else {
            continue;
        };
        plain(root);
        // Flux lets the API server take an object without a spec, and reports on it.
        root.remove("required");
        root.remove("title");
        let properties = &mut root["properties"];
        properties["apiVersion"] =
            json!({"type": "string", "description": "API group and version of this object."});
        properties["kind"] = json!({"type": "string", "description": "Kind of this object."});
        properties["metadata"] = json!({"type": "object"});
        if new_status == NewStatus::Unobserved {
            root["properties"]["status"]["default"] = json!({"observedGeneration": UNOBSERVED});
        }
    }
    serde_json::from_value(crd).expect("the changes above keep the form of a definition")
}

/// Takes out, at every level, what Rust's types say and Flux's schema does not. The depth is that of our types.
fn plain(schema: &mut Map<String, Value>) {
    // An absent field is absent: null is pruned or refused.
    schema.remove("nullable");
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|v| !v.is_null());
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = unwrapped(text);
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties
            .values_mut()
            .filter_map(Value::as_object_mut)
            .for_each(plain);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(Value::Object(inner)) = schema.get_mut(key) {
            plain(inner);
        }
    }
}

/// A doc comment as running text: one line a paragraph.
fn unwrapped(doc: &str) -> String {
    doc.split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n\n")
}
