//! What kstatus says of objects as the API server shows them.

use super::*;
use serde_json::json;

fn check(object: Value, expected: &str) {
    let health = of(&object);
    assert_eq!(
        format!("{} {}", health.word(), health.detail()).trim(),
        expected,
        "{object}"
    );
}

fn conditions(list: &[(&str, &str, &str)]) -> Value {
    list.iter()
        .map(|(t, s, r)| json!({"type": t, "status": s, "reason": r, "message": ""}))
        .collect()
}

#[test]
fn plain_objects_are_current_until_they_say_otherwise() {
    let any = |status: Value| json!({"apiVersion": "e.com/v1", "kind": "W", "metadata": {"generation": 2}, "status": status});
    check(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}),
        "Current",
    );
    check(any(json!({})), "Current");
    check(
        any(json!({"observedGeneration": 1})),
        "InProgress generation is 2, but 1 was observed",
    );
    check(
        any(json!({"conditions": conditions(&[("Ready", "False", "Booting")])})),
        "InProgress Booting",
    );
    check(
        any(json!({"conditions": conditions(&[("Ready", "True", "Up")])})),
        "Current",
    );
    check(
        any(json!({"conditions": conditions(&[("Stalled", "True", "Stuck")])})),
        "Failed Stuck",
    );
    check(
        any(json!({"conditions": conditions(&[("Reconciling", "True", "Busy")])})),
        "InProgress Busy",
    );
    check(
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"deletionTimestamp": "x"}}),
        "Terminating",
    );
}

#[test]
fn deployments_roll_out_step_by_step() {
    let deployment = |status: Value| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 1}, "spec": {"replicas": 2, "progressDeadlineSeconds": 600}, "status": status});
    check(deployment(json!({})), "InProgress replicas: 0/2");
    check(
        deployment(json!({"replicas": 2, "updatedReplicas": 1})),
        "InProgress updated: 1/2",
    );
    check(
        deployment(json!({"replicas": 3, "updatedReplicas": 2})),
        "InProgress 1 replicas are still to go",
    );
    check(
        deployment(json!({"replicas": 2, "updatedReplicas": 2})),
        "InProgress available: 0/2",
    );
    let full = |list| json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2, "conditions": conditions(list)});
    check(
        deployment(full(&[])),
        "InProgress the new ReplicaSet is not available",
    );
    check(
        deployment(full(&[("Progressing", "True", "NewReplicaSetAvailable")])),
        "InProgress the Deployment is not available",
    );
    check(
        deployment(full(&[
            ("Progressing", "True", "NewReplicaSetAvailable"),
            ("Available", "True", "Ok"),
        ])),
        "Current",
    );
    check(
        deployment(full(&[("Progressing", "False", "ProgressDeadlineExceeded")])),
        "Failed ProgressDeadlineExceeded",
    );
}

#[test]
fn other_workloads() {
    let of = |api: &str, kind: &str, spec: Value, status: Value| json!({"apiVersion": api, "kind": kind, "metadata": {}, "spec": spec, "status": status});
    check(
        of("batch/v1", "Job", json!({}), json!({"active": 1})),
        "InProgress the Job is running",
    );
    check(
        of(
            "batch/v1",
            "Job",
            json!({}),
            json!({"conditions": conditions(&[("Complete", "True", "Done")])}),
        ),
        "Current",
    );
    check(
        of(
            "batch/v1",
            "Job",
            json!({}),
            json!({"conditions": conditions(&[("Failed", "True", "BackoffLimitExceeded")])}),
        ),
        "Failed BackoffLimitExceeded",
    );
    check(
        of("v1", "Pod", json!({}), json!({"phase": "Running"})),
        "InProgress the Pod runs, but is not ready",
    );
    check(
        of(
            "v1",
            "Pod",
            json!({}),
            json!({"phase": "Running", "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
        ),
        "Failed container c is in CrashLoopBackOff",
    );
    check(
        of(
            "v1",
            "Pod",
            json!({}),
            json!({"phase": "Running", "conditions": conditions(&[("Ready", "True", "")])}),
        ),
        "Current",
    );
    check(
        of(
            "v1",
            "PersistentVolumeClaim",
            json!({}),
            json!({"phase": "Pending"}),
        ),
        "InProgress phase is Pending, not Bound",
    );
    check(
        of("v1", "Service", json!({"type": "LoadBalancer"}), json!({})),
        "InProgress the load balancer has no address yet",
    );
    check(of("v1", "Service", json!({}), json!({})), "Current");
    check(
        of(
            "apps/v1",
            "StatefulSet",
            json!({"replicas": 1}),
            json!({"replicas": 1}),
        ),
        "InProgress ready: 0/1",
    );
    check(
        of(
            "apps/v1",
            "StatefulSet",
            json!({"replicas": 1}),
            json!({"replicas": 1, "readyReplicas": 1, "currentReplicas": 1, "updatedReplicas": 1, "currentRevision": "a", "updateRevision": "a"}),
        ),
        "Current",
    );
    check(
        of("apps/v1", "DaemonSet", json!({}), json!({})),
        "InProgress nothing was observed yet",
    );
    check(
        of(
            "apps/v1",
            "DaemonSet",
            json!({}),
            json!({"observedGeneration": 1, "desiredNumberScheduled": 1, "currentNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1, "numberReady": 1}),
        ),
        "Current",
    );
    check(
        of(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            json!({}),
            json!({}),
        ),
        "InProgress the definition is being installed",
    );
    check(
        of(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            json!({}),
            json!({"conditions": conditions(&[("Established", "True", "")])}),
        ),
        "Current",
    );
    check(
        of(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            json!({}),
            json!({"conditions": conditions(&[("NamesAccepted", "False", "Taken")])}),
        ),
        "Failed Taken",
    );
}
