//! A manifest goes in and comes out again: nothing that the schema knows is lost, nothing is made up.
//!
//! As with Go's `omitempty`, false and 0 are as good as absent in fields that may be absent.

use crds::{extensions, helm, kustomize, notification, source};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

/// More than the longest enum has values.
const VARIANTS: usize = 40;

#[test]
fn every_field_survives() {
    each(|sample, back| {
        for n in 0..VARIANTS {
            let manifest = sample(Fields::All(n));
            assert_eq!(back(&manifest).unwrap(), manifest);
        }
    });
}

#[test]
fn nothing_is_added_to_required_fields() {
    each(|sample, back| {
        let manifest = sample(Fields::Required);
        assert_eq!(back(&manifest).unwrap(), manifest);
    });
}

#[test]
fn unknown_fields_are_tolerated() {
    each(|sample, back| {
        assert_eq!(
            back(&sample(Fields::WithUnknown)).unwrap(),
            sample(Fields::All(0))
        );
    });
}

#[test]
fn an_absurd_duration_does_not_hide_its_list_cve_2022_39272() {
    for text in [
        "999999999999999999h",
        "-1m",
        "1d",
        "",
        "P1D",
        "1h1",
        "\u{1F600}",
        "１m",
    ] {
        let kustomization = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": "absurd", "namespace": "default"},
            "spec": {
                "interval": text,
                "prune": true,
                "sourceRef": {"kind": "GitRepository", "name": "fleet"},
                "timeout": text,
            },
        });
        let read: kustomize::Kustomization = serde_json::from_value(kustomization.clone()).unwrap();
        assert!(read.spec.interval.get().is_err(), "{text:?} is no duration");
        assert_eq!(serde_json::to_value(&read).unwrap(), kustomization);
    }
}

#[test]
fn null_is_absent() {
    let snapshot = json!({
        "chartName": "web", "chartVersion": "1.0.0", "configDigest": "sha256:00", "digest": "sha256:00",
        "firstDeployed": "2026-11-23T00:00:00Z", "lastDeployed": "2026-11-23T00:00:00Z", "deleted": null,
        "name": "web", "namespace": "default", "status": "deployed", "testHooks": {"web-test": null}, "version": 1,
    });
    let read: helm::Snapshot = serde_json::from_value(snapshot).unwrap();
    assert_eq!(read.deleted, None);
    assert_eq!(read.test_hooks.unwrap()["web-test"], None);
}

#[test]
fn a_kind_knows_its_name() {
    use crds::meta::FluxObject;
    fn check<K: FluxObject>() {
        assert_eq!(
            (K::GROUP, K::VERSION, K::KIND),
            (&*K::group(&()), &*K::version(&()), &*K::kind(&()))
        );
    }
    check::<extensions::ArtifactGenerator>();
    check::<helm::HelmRelease>();
    check::<kustomize::Kustomization>();
    check::<notification::Receiver>();
    check::<source::Bucket>();
    check::<source::GitRepository>();
    check::<source::HelmChart>();
    check::<source::HelmRepository>();
    check::<source::OCIRepository>();
}

/// Which fields a sample has.
#[derive(Clone, Copy)]
enum Fields {
    /// Those that are required.
    Required,
    /// All; of an enum, the value with this number.
    All(usize),
    /// All, and one more in every object.
    WithUnknown,
}

type Sample<'a> = &'a dyn Fn(Fields) -> Value;
type Back<'a> = &'a dyn Fn(&Value) -> serde_json::Result<Value>;

/// Calls the check for every kind, with a maker of samples and a way through the kind's type.
fn each(check: fn(Sample, Back)) {
    let mut kinds = crds::all();
    let mut one = |kind: &str, back: Back| {
        let position = kinds.iter().position(|crd| crd.spec.names.kind == kind).unwrap();
        let crd = serde_json::to_value(kinds.remove(position)).unwrap();
        let version = &crd["spec"]["versions"][0];
        let make = |fields| {
            let mut object = Map::new();
            object.insert(
                "apiVersion".into(),
                format!("{}/{}", text(&crd["spec"]["group"]), text(&version["name"])).into(),
            );
            object.insert("kind".into(), kind.into());
            object.insert("metadata".into(), json!({"name": "a", "namespace": "b"}));
            for (name, schema) in version["schema"]["openAPIV3Schema"]["properties"]
                .as_object()
                .unwrap()
            {
                if name == "spec" || name == "status" && !matches!(fields, Fields::Required) {
                    object.insert(name.clone(), value(schema, fields));
                }
            }
            Value::Object(object)
        };
        check(&make, back);
    };
    one("HelmRelease", &through::<helm::HelmRelease>);
    one("Kustomization", &through::<kustomize::Kustomization>);
    one("Alert", &through::<notification::Alert>);
    one("Provider", &through::<notification::Provider>);
    one("Receiver", &through::<notification::Receiver>);
    one("Bucket", &through::<source::Bucket>);
    one("ArtifactGenerator", &through::<extensions::ArtifactGenerator>);
    one("ExternalArtifact", &through::<source::ExternalArtifact>);
    one("GitRepository", &through::<source::GitRepository>);
    one("HelmChart", &through::<source::HelmChart>);
    one("HelmRepository", &through::<source::HelmRepository>);
    one("OCIRepository", &through::<source::OCIRepository>);
    assert_eq!(kinds.len(), 0, "every kind is checked");
}

fn through<K: Serialize + DeserializeOwned>(manifest: &Value) -> serde_json::Result<Value> {
    serde_json::to_value(serde_json::from_value::<K>(manifest.clone())?)
}

/// A value that the schema describes.
fn value(schema: &Value, fields: Fields) -> Value {
    if let Some(values) = schema["enum"].as_array() {
        let n = if let Fields::All(n) = fields { n } else { 0 };
        return values[n % values.len()].clone();
    }
    match schema["type"].as_str() {
        Some("boolean") => true.into(),
        Some("integer") => 7.into(),
        Some("string") if schema["format"] == "date-time" => "2026-11-23T01:02:03Z".into(),
        Some("string") => "10m".into(),
        Some("array") => json!([value(&schema["items"], fields)]),
        Some("object") if schema.get("additionalProperties").is_some() => {
            json!({"key": value(&schema["additionalProperties"], fields)})
        }
        Some("object") => object(schema, fields),
        other => {
            assert_eq!(other, None, "a type that samples can be made of");
            json!({"a": [1, null, 1.5], "b": {}})
        }
    }
}

fn object(schema: &Value, fields: Fields) -> Value {
    let mut object = Map::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let required = schema["required"]
            .as_array()
            .is_some_and(|r| r.iter().any(|r| r == name));
        if required || !matches!(fields, Fields::Required) {
            object.insert(name.clone(), value(property, fields));
        }
    }
    if matches!(fields, Fields::WithUnknown) {
        object.insert("fromTheFuture".into(), json!({"a": 1}));
    }
    Value::Object(object)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
