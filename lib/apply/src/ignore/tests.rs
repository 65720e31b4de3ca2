//! What may differ is left alone, and nothing else.

use super::*;
use serde_json::json;

const OURS: Ownership = Ownership {
    manager: "kustomize-controller",
    overrides: Vec::new(),
};

fn rules(paths: Value, target: Value) -> Result<IgnoreRules, IgnoreError> {
    let rule: IgnoreRule = serde_json::from_value(json!({"paths": paths, "target": target})).unwrap();
    IgnoreRules::new(&[rule])
}

fn pointers(paths: Value) -> Vec<Pointer> {
    rules(paths, Value::Null).unwrap().of(&json!({}))
}

fn deployment(replicas: Value, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "apps", "labels": {"tier": "front"}},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "side"}, {"name": "web", "image": image}]}}},
    })
}

fn live(entries: Value) -> Value {
    let mut live = deployment(json!(5), "nginx:2");
    live["metadata"]["managedFields"] = entries;
    live
}

fn entry(manager: &str, operation: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": operation, "fieldsV1": fields})
}

#[test]
fn targets_pick_objects_by_every_field_that_is_set() {
    let object = deployment(json!(1), "nginx:1");
    for (target, expected) in [
        (Value::Null, true),
        (json!({}), true),
        (
            json!({"kind": "Deployment", "group": "apps", "version": "v1"}),
            true,
        ),
        (json!({"kind": "Deploy"}), false),
        (json!({"name": "w.*", "namespace": "apps|prod"}), true),
        (json!({"labelSelector": "tier in (front)"}), true),
        (json!({"labelSelector": "tier=back"}), false),
        (json!({"annotationSelector": "!frozen"}), true),
    ] {
        let found = rules(json!(["/spec/replicas"]), target.clone())
            .unwrap()
            .of(&object);
        assert_eq!(!found.is_empty(), expected, "{target}");
    }
}

#[test]
fn rules_that_cannot_be_followed_name_the_field() {
    for (paths, target, at) in [
        (json!(["spec/replicas"]), Value::Null, "spec.ignore[0].paths[0]"),
        (json!(["/spec", "/"]), Value::Null, "spec.ignore[0].paths[1]"),
        (json!(["/a"]), json!({"name": "("}), "spec.ignore[0].target.name"),
        (json!(["/a"]), json!({"labelSelector": "a="}), ""),
        (
            json!(["/a"]),
            json!({"labelSelector": "a in"}),
            "spec.ignore[0].target.labelSelector",
        ),
    ] {
        match rules(paths, target) {
            Ok(_) => assert_eq!(at, ""),
            Err(error) => assert!(error.to_string().starts_with(at) && !at.is_empty(), "{error}"),
        }
    }
}

#[test]
fn a_change_of_ignored_fields_alone_is_none() {
    let pointers = pointers(json!([
        "/spec/replicas",
        "/metadata/annotations/a~1b",
        "/spec/none/0"
    ]));
    let mut annotated = deployment(json!(3), "nginx:1");
    annotated["metadata"]["annotations"] = json!({"a/b": "1", "c": "2"});
    let mut plain = deployment(Value::Null, "nginx:1");
    plain["spec"].as_object_mut().unwrap().shift_remove("replicas");
    plain["metadata"]["annotations"] = json!({"c": "2"});
    assert_eq!(without(&annotated, &pointers), plain);
}

#[test]
fn the_live_value_is_kept_whoever_set_it() {
    let replicas = pointers(json!(["/spec/replicas"]));
    let image = pointers(json!(["/spec/template/spec/containers/1/image"]));
    let by = |manager, operation, fields| live(json!([entry(manager, operation, fields)]));
    // Updated by another: the live value becomes ours too.
    let mut manifest = deployment(json!(1), "nginx:1");
    yield_to(
        &mut manifest,
        &by("scaler", "Update", json!({"f:spec": {"f:replicas": {}}})),
        &replicas,
        &OURS,
    );
    assert_eq!(manifest, deployment(json!(5), "nginx:1"));
    // Applied by another: it is left to them.
    let mut manifest = deployment(json!(1), "nginx:1");
    let fields = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {"f:image": {}}}}}}});
    yield_to(&mut manifest, &by("tuner", "Apply", fields), &image, &OURS);
    assert_eq!(
        manifest["spec"]["template"]["spec"]["containers"][1],
        json!({"name": "web"})
    );
    // Gone from the live object: it is not set again.
    let mut manifest = deployment(json!(1), "nginx:1");
    let mut bare = live(json!([]));
    bare["spec"].as_object_mut().unwrap().shift_remove("replicas");
    yield_to(&mut manifest, &bare, &replicas, &OURS);
    assert!(manifest["spec"].get("replicas").is_none());
}

#[test]
fn a_field_we_never_set_is_kept_only_if_it_would_become_ours() {
    let annotation = pointers(json!(["/metadata/annotations/note"]));
    for (manager, expected) in [("kubectl-edit", Some("x")), ("scaler", None)] {
        let mut live = live(json!([entry(
            manager,
            "Update",
            json!({"f:metadata": {"f:annotations": {"f:note": {}}}})
        )]));
        live["metadata"]["annotations"] = json!({"note": "x"});
        let mut manifest = deployment(json!(5), "nginx:2");
        manifest["metadata"]["annotations"] = json!({});
        yield_to(&mut manifest, &live, &annotation, &OURS);
        assert_eq!(
            manifest["metadata"]["annotations"]["note"].as_str(),
            expected,
            "{manager}"
        );
    }
}

#[test]
fn the_fingerprint_beside_ignored_fields_moves_only_with_the_rest() {
    let pointers = pointers(json!(["/spec/replicas"]));
    let ours = |fields| entry("kustomize-controller", "Apply", fields);
    let print = |entries| OURS.read(&beside(&live(entries), &pointers)).fingerprint;
    let before = print(json!([ours(
        json!({"f:spec": {"f:replicas": {}, "f:paused": {}}})
    )]));
    let scaled = print(json!([
        ours(json!({"f:spec": {"f:paused": {}}})),
        entry("kubectl-edit", "Update", json!({"f:spec": {"f:replicas": {}}}))
    ]));
    let paused = print(json!([
        ours(json!({"f:spec": {"f:replicas": {}}})),
        entry("kubectl-edit", "Update", json!({"f:spec": {"f:paused": {}}}))
    ]));
    assert_eq!(before, scaled);
    assert_ne!(before, paused);
    // A parent that held nothing else is gone with it, as the API server has it.
    assert_eq!(
        print(json!([ours(json!({"f:spec": {"f:replicas": {}}}))])),
        print(json!([]))
    );
}
