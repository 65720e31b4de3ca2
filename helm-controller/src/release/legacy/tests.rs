//! Each kind, before and after it is ready.

use super::*;
use serde_json::json;

fn deployment(replicas: i64, update: Value, status: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"uid": "d", "generation": 2, "annotations": {"deployment.kubernetes.io/revision": "3"}},
        "spec": {"replicas": replicas, "strategy": update}, "status": status,
    })
}

fn replica_set(owner: &str, revision: &str, ready: i64) -> Value {
    json!({
        "metadata": {"generation": 1, "annotations": {"deployment.kubernetes.io/revision": revision}, "ownerReferences": [{"uid": owner}]},
        "status": {"observedGeneration": 1, "readyReplicas": ready},
    })
}

#[test]
fn a_deployment_is_ready_with_its_newest_replica_set() {
    let rolling = |less: Value, more: Value| json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": less, "maxSurge": more}});
    let seen = json!({"observedGeneration": 2});
    for (replicas, update, status, sets, ready) in [
        (
            4,
            rolling(json!("25%"), json!("25%")),
            &seen,
            vec![replica_set("d", "3", 3)],
            true,
        ),
        (
            4,
            rolling(json!("25%"), json!("25%")),
            &seen,
            vec![replica_set("d", "3", 2)],
            false,
        ),
        // Rounded down: with three, none may be missing.
        (
            3,
            rolling(json!("25%"), json!("25%")),
            &seen,
            vec![replica_set("d", "3", 2)],
            false,
        ),
        (
            3,
            rolling(json!(1), json!(0)),
            &seen,
            vec![replica_set("d", "3", 2)],
            true,
        ),
        (
            3,
            rolling(json!("10%"), json!(0)),
            &seen,
            vec![replica_set("d", "3", 2)],
            true,
        ),
        (
            1,
            rolling(json!(5), json!(0)),
            &seen,
            vec![replica_set("d", "3", 0)],
            true,
        ),
        (
            2,
            json!({"type": "Recreate"}),
            &seen,
            vec![replica_set("d", "3", 1)],
            false,
        ),
        (
            2,
            json!({"type": "Recreate"}),
            &seen,
            vec![replica_set("d", "3", 2)],
            true,
        ),
        // Neither an old one counts, nor one of somebody else.
        (
            1,
            json!({"type": "Recreate"}),
            &seen,
            vec![replica_set("d", "2", 9), replica_set("x", "3", 9)],
            false,
        ),
        (
            0,
            rolling(json!("25%"), json!("25%")),
            &seen,
            vec![replica_set("d", "3", 0)],
            true,
        ),
        // What the controller has not seen is not ready, whatever runs.
        (
            1,
            json!({}),
            &json!({"observedGeneration": 1}),
            vec![replica_set("d", "3", 1)],
            false,
        ),
        (1, json!({}), &seen, vec![], false),
    ] {
        let object = deployment(replicas, update, status.clone());
        assert_eq!(of(&object, &sets) == Health::Current, ready, "{object} {sets:?}");
    }
    let mut paused = deployment(1, json!({}), json!({}));
    paused["spec"]["paused"] = json!(true);
    assert!(of(&paused, &[]) == Health::Current && !wants_replica_sets(&paused));
}

#[test]
fn each_kind_has_its_rule() {
    let is = |api_version: &str, kind: &str, spec: Value, status: Value| {
        of(
            &json!({"apiVersion": api_version, "kind": kind, "metadata": {"generation": 1}, "spec": spec, "status": status}),
            &[],
        )
    };
    let condition = |type_: &str, status: &str| json!({"conditions": [{"type": type_, "status": status}]});
    let rolling = json!({"replicas": 2, "updateStrategy": {"type": "RollingUpdate"}});
    let nodes = |less: Value| json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": less}}});
    let set = |ready: i64, updated: i64, new: &str| json!({"observedGeneration": 1, "readyReplicas": ready, "updatedReplicas": updated, "currentRevision": "a", "updateRevision": new});
    for (api_version, kind, spec, status, ready) in [
        ("v1", "Pod", json!({}), condition("Ready", "True"), true),
        ("v1", "Pod", json!({}), condition("Ready", "False"), false),
        // A Pod that has done its work is not ready, for Helm 3.
        ("v1", "Pod", json!({}), json!({"phase": "Succeeded"}), false),
        (
            "v1",
            "PersistentVolumeClaim",
            json!({}),
            json!({"phase": "Bound"}),
            true,
        ),
        (
            "v1",
            "PersistentVolumeClaim",
            json!({}),
            json!({"phase": "Pending"}),
            false,
        ),
        ("v1", "Service", json!({"type": "ExternalName"}), json!({}), true),
        ("v1", "Service", json!({"type": "ClusterIP"}), json!({}), false),
        (
            "v1",
            "Service",
            json!({"type": "ClusterIP", "clusterIP": "None"}),
            json!({}),
            true,
        ),
        (
            "v1",
            "Service",
            json!({"type": "LoadBalancer", "clusterIP": "10.0.0.1"}),
            json!({}),
            false,
        ),
        (
            "v1",
            "Service",
            json!({"type": "LoadBalancer", "clusterIP": "10.0.0.1", "externalIPs": ["1.1.1.1"]}),
            json!({}),
            true,
        ),
        (
            "v1",
            "Service",
            json!({"type": "LoadBalancer", "clusterIP": "10.0.0.1"}),
            json!({"loadBalancer": {"ingress": [{}]}}),
            true,
        ),
        (
            "apps/v1",
            "DaemonSet",
            nodes(json!(1)),
            json!({"observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": 2}),
            true,
        ),
        (
            "apps/v1",
            "DaemonSet",
            nodes(json!("10%")),
            json!({"observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": 1}),
            false,
        ),
        (
            "apps/v1",
            "DaemonSet",
            nodes(json!(1)),
            json!({"observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 2, "numberReady": 3}),
            false,
        ),
        (
            "apps/v1",
            "DaemonSet",
            json!({"updateStrategy": {"type": "OnDelete"}}),
            json!({"observedGeneration": 1, "desiredNumberScheduled": 3}),
            true,
        ),
        (
            "apps/v1",
            "DaemonSet",
            json!({"updateStrategy": {"type": "OnDelete"}}),
            json!({}),
            false,
        ),
        ("apps/v1", "StatefulSet", rolling.clone(), set(2, 2, "a"), true),
        ("apps/v1", "StatefulSet", rolling.clone(), set(1, 2, "a"), false),
        ("apps/v1", "StatefulSet", rolling.clone(), set(2, 1, "a"), false),
        ("apps/v1", "StatefulSet", rolling.clone(), set(2, 2, "b"), false),
        (
            "apps/v1",
            "StatefulSet",
            json!({"replicas": 2, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}),
            set(2, 1, "b"),
            true,
        ),
        (
            "apps/v1",
            "StatefulSet",
            json!({"replicas": 2, "updateStrategy": {"type": "OnDelete"}}),
            set(0, 0, "b"),
            true,
        ),
        (
            "apps/v1",
            "ReplicaSet",
            json!({"replicas": 2}),
            json!({"observedGeneration": 1, "replicas": 2, "readyReplicas": 1}),
            false,
        ),
        (
            "apps/v1",
            "ReplicaSet",
            json!({"replicas": 2}),
            json!({"observedGeneration": 1, "replicas": 2, "readyReplicas": 2}),
            true,
        ),
        (
            "v1",
            "ReplicationController",
            json!({"replicas": 1}),
            json!({"observedGeneration": 0}),
            false,
        ),
        (
            "batch/v1",
            "Job",
            json!({"completions": 2, "backoffLimit": 6}),
            json!({"succeeded": 1}),
            false,
        ),
        (
            "batch/v1",
            "Job",
            json!({"completions": 2, "backoffLimit": 6}),
            json!({"succeeded": 2}),
            true,
        ),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            json!({}),
            condition("Established", "True"),
            true,
        ),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            json!({}),
            condition("NamesAccepted", "False"),
            true,
        ),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            json!({}),
            json!({}),
            false,
        ),
        // What Helm 3 does not know is ready when it is there, whatever it says of itself.
        (
            "example.com/v1",
            "Thing",
            json!({}),
            condition("Ready", "False"),
            true,
        ),
        ("v1", "ConfigMap", json!({}), json!({}), true),
    ] {
        let found = is(api_version, kind, spec.clone(), status.clone());
        assert_eq!(
            found == Health::Current,
            ready,
            "{kind} {spec} {status}: {found:?}"
        );
        assert!(
            ready || matches!(found, Health::InProgress(_)),
            "{kind} {found:?}"
        );
    }
    let failed = is(
        "batch/v1",
        "Job",
        json!({"completions": 1, "backoffLimit": 0}),
        json!({"failed": 1}),
    );
    assert!(matches!(failed, Health::Failed(_)), "{failed:?}");
}
