//! What objects become, case by case.

use super::*;
use serde_json::json;

#[test]
fn only_what_was_said_goes_and_only_what_is_said_is_set() {
    for (before, after, live, merged) in [
        (
            json!({"a": 1}),
            json!({"a": 1}),
            json!({"a": 1, "default": 2}),
            json!({"a": 1, "default": 2}),
        ),
        (
            json!({"a": 1, "b": 1}),
            json!({"a": 1}),
            json!({"a": 1, "b": 1, "c": 1}),
            json!({"a": 1, "c": 1}),
        ),
        (json!({"a": 1}), json!({"a": 1}), json!({"a": 2}), json!({"a": 1})),
        (
            json!({"a": 1}),
            json!({"a": null}),
            json!({"a": 2, "b": 1}),
            json!({"b": 1}),
        ),
        (
            json!({"m": {"x": 1}}),
            json!({"m": {}}),
            json!({"m": {"x": 1, "y": 2}}),
            json!({"m": {"y": 2}}),
        ),
        (json!({}), json!({"a": [1]}), json!({"a": {}}), json!({"a": [1]})),
        (
            json!({"l": [{"n": "x"}]}),
            json!({"l": [{"n": "x"}]}),
            json!({"l": [{"n": "x", "default": true}]}),
            json!({"l": [{"n": "x", "default": true}]}),
        ),
        (
            json!({"l": [{"n": "x"}]}),
            json!({"l": [{"n": "y"}]}),
            json!({"l": [{"n": "x", "default": true}]}),
            json!({"l": [{"n": "y"}]}),
        ),
    ] {
        let found = merge(&before, &after, &live, Shape::Plain);
        assert_eq!(found, merged, "{before} {after} {live}");
    }
}

fn pod(spec: Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

#[test]
fn items_of_lists_merge_by_their_keys() {
    let list = |items: Value| pod(json!({ "containers": items }));
    for (before, after, live, merged, why) in [
        (
            json!([{"name": "web", "image": "a"}]),
            json!([{"name": "web", "image": "b"}]),
            json!([{"name": "web", "image": "a", "pull": "Always"}, {"name": "side"}]),
            json!([{"name": "web", "image": "b", "pull": "Always"}, {"name": "side"}]),
            "another's container stays, and so do defaults",
        ),
        (
            json!([{"name": "web"}, {"name": "old"}]),
            json!([{"name": "web"}]),
            json!([{"name": "web"}, {"name": "old"}, {"name": "side"}]),
            json!([{"name": "web"}, {"name": "side"}]),
            "ours that is no longer said goes",
        ),
        (
            json!([{"name": "web", "args": ["x"]}]),
            json!([{"name": "web"}]),
            json!([{"name": "web", "args": ["x"]}]),
            json!([{"name": "web"}]),
            "a field of an item that is no longer said goes",
        ),
        (
            json!([{"name": "a"}, {"name": "b"}]),
            json!([{"name": "b"}, {"name": "new"}, {"name": "a"}]),
            json!([{"name": "side"}, {"name": "a"}, {"name": "b"}, {"name": "last"}]),
            json!([{"name": "side"}, {"name": "b"}, {"name": "last"}, {"name": "new"}, {"name": "a"}]),
            "the order said, and others as Kubernetes places them",
        ),
        (
            json!([{"name": "a"}]),
            json!([{"name": "a"}, {"name": "a"}]),
            json!([{"name": "a"}, {"name": "side"}]),
            json!([{"name": "a"}, {"name": "a"}]),
            "a name that is there twice: the list as a whole",
        ),
        (
            json!([]),
            json!([{"image": "a"}]),
            json!([{"name": "side"}]),
            json!([{"image": "a"}]),
            "an item without its key: the list as a whole",
        ),
    ] {
        let found = merge(
            &list(before),
            &list(after),
            &list(live),
            Shape::Kind("Deployment"),
        );
        assert_eq!(found, list(merged), "{why}");
    }
}

#[test]
fn each_kind_has_its_keys() {
    let container = |fields: Value| {
        let mut item = json!({"name": "web"});
        item.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        pod(json!({"containers": [item]}))
    };
    let port = |n: u16, protocol: &str| json!({"containerPort": n, "protocol": protocol});
    for (kind, after, live, merged) in [
        (
            "Deployment",
            container(json!({"env": [{"name": "A", "value": "1"}]})),
            container(json!({"env": [{"name": "A", "value": "0"}, {"name": "B"}]})),
            container(json!({"env": [{"name": "A", "value": "1"}, {"name": "B"}]})),
        ),
        (
            "Deployment",
            container(json!({"ports": [{"containerPort": 53}, port(53, "UDP")]})),
            container(json!({"ports": [port(53, "UDP"), port(53, "TCP"), port(80, "TCP")]})),
            container(json!({"ports": [port(53, "TCP"), port(53, "UDP"), port(80, "TCP")]})),
        ),
        (
            "Service",
            json!({"spec": {"ports": [{"port": 80}]}}),
            json!({"spec": {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 30000}, {"port": 81}]}}),
            json!({"spec": {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 30000}, {"port": 81}]}}),
        ),
        (
            "NetworkPolicy",
            json!({"spec": {"ports": [{"port": 80}]}}),
            json!({"spec": {"ports": [{"port": 80}, {"port": 81}]}}),
            json!({"spec": {"ports": [{"port": 80}]}}),
        ),
        (
            "ServiceAccount",
            json!({"imagePullSecrets": [{"name": "ours"}]}),
            json!({"imagePullSecrets": [{"name": "theirs"}]}),
            json!({"imagePullSecrets": [{"name": "theirs"}, {"name": "ours"}]}),
        ),
        (
            "Deployment",
            json!({"metadata": {"finalizers": ["ours"]}}),
            json!({"metadata": {"finalizers": ["theirs"]}}),
            json!({"metadata": {"finalizers": ["theirs", "ours"]}}),
        ),
    ] {
        let found = merge(&json!({}), &after, &live, Shape::Kind(kind));
        assert_eq!(found, merged, "{kind} {after} {live}");
    }
}

#[test]
fn of_a_choice_only_what_is_said_stays() {
    let strategy = |strategy: Value| json!({"spec": {"strategy": strategy}});
    let rolling = strategy(json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}));
    let recreate = strategy(json!({"type": "Recreate"}));
    let shape = Shape::Kind("Deployment");
    assert_eq!(merge(&recreate, &recreate, &rolling, shape), recreate);
    let said = strategy(json!({"type": "RollingUpdate"}));
    assert_eq!(merge(&said, &said, &rolling, shape), rolling);
    let volumes = |volume: Value| pod(json!({"volumes": [volume]}));
    let secret = volumes(json!({"name": "v", "secret": {"secretName": "s"}}));
    let map = volumes(json!({"name": "v", "configMap": {"name": "c", "defaultMode": 420}}));
    assert_eq!(merge(&json!({}), &secret, &map, shape), secret);
}
