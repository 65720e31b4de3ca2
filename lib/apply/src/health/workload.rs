//! PURE: the health of what runs pods.

use super::{Health, condition, message, status};
use serde_json::Value;

/// A Deployment is current when all replicas are updated, available and ready, and no old one is left.
pub fn deployment(object: &Value) -> Health {
    let deadline = object
        .pointer("/spec/progressDeadlineSeconds")
        .and_then(Value::as_i64);
    // Without a deadline the controller reports no progress.
    let mut progressing = deadline.is_none_or(|d| d == i64::from(i32::MAX));
    if let Some(progress) = condition(object, "Progressing") {
        let reason = progress.get("reason").and_then(Value::as_str);
        if reason == Some("ProgressDeadlineExceeded") {
            return Health::Failed(message(progress));
        }
        progressing |= status(progress) == "True" && reason == Some("NewReplicaSetAvailable");
    }
    let wanted = spec(object, "replicas", 1);
    let [replicas, updated, available, ready] = [
        "replicas",
        "updatedReplicas",
        "availableReplicas",
        "readyReplicas",
    ]
    .map(|f| count(object, f));
    let steps = [
        (wanted > replicas, format!("replicas: {replicas}/{wanted}")),
        (wanted > updated, format!("updated: {updated}/{wanted}")),
        (
            replicas > wanted,
            format!("{} replicas are still to go", replicas - wanted),
        ),
        (updated > available, format!("available: {available}/{updated}")),
        (wanted > ready, format!("ready: {ready}/{wanted}")),
        (!progressing, "the new ReplicaSet is not available".to_owned()),
        (
            !condition(object, "Available").is_some_and(|c| status(c) == "True"),
            "the Deployment is not available".to_owned(),
        ),
    ];
    first(steps)
}

/// A ReplicaSet is current when all replicas are there, labelled, available and ready.
pub fn replica_set(object: &Value) -> Health {
    if let Some(failure) = condition(object, "ReplicaFailure").filter(|c| status(c) == "True") {
        return Health::waiting(message(failure));
    }
    let wanted = spec(object, "replicas", 1);
    let [replicas, labelled, available, ready] = [
        "replicas",
        "fullyLabeledReplicas",
        "availableReplicas",
        "readyReplicas",
    ]
    .map(|f| count(object, f));
    first([
        (wanted > labelled, format!("labelled: {labelled}/{wanted}")),
        (wanted > available, format!("available: {available}/{wanted}")),
        (wanted > ready, format!("ready: {ready}/{wanted}")),
        (
            replicas > wanted,
            format!("{} replicas are still to go", replicas - wanted),
        ),
    ])
}

/// A StatefulSet is current when all replicas are ready and, with rolling updates, of the new revision.
pub fn stateful_set(object: &Value) -> Health {
    if object
        .pointer("/spec/updateStrategy/type")
        .and_then(Value::as_str)
        == Some("OnDelete")
    {
        return Health::Current;
    }
    let wanted = spec(object, "replicas", 1);
    let [replicas, ready, current, updated] =
        ["replicas", "readyReplicas", "currentReplicas", "updatedReplicas"].map(|f| count(object, f));
    let partition = object
        .pointer("/spec/updateStrategy/rollingUpdate/partition")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let revision = |field: &str| {
        object
            .pointer(&format!("/status/{field}"))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if wanted > replicas {
        return Health::waiting(format!("replicas: {replicas}/{wanted}"));
    }
    if wanted > ready {
        return Health::waiting(format!("ready: {ready}/{wanted}"));
    }
    if replicas > wanted {
        return Health::waiting(format!("{} replicas are still to go", replicas - wanted));
    }
    if partition > 0 {
        let due = wanted - partition;
        return first([(updated < due, format!("updated: {updated}/{due}"))]);
    }
    first([
        (wanted > current, format!("current: {current}/{wanted}")),
        (
            revision("currentRevision") != revision("updateRevision"),
            "the update is not complete".to_owned(),
        ),
    ])
}

/// A DaemonSet is current when a ready, updated pod runs on each node that shall have one.
pub fn daemon_set(object: &Value) -> Health {
    if object.pointer("/status/observedGeneration").is_none() {
        return Health::waiting("nothing was observed yet");
    }
    let wanted = count(object, "desiredNumberScheduled");
    let [current, updated, available, ready] = [
        "currentNumberScheduled",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberReady",
    ]
    .map(|f| count(object, f));
    first([
        (wanted > current, format!("current: {current}/{wanted}")),
        (wanted > updated, format!("updated: {updated}/{wanted}")),
        (wanted > available, format!("available: {available}/{wanted}")),
        (wanted > ready, format!("ready: {ready}/{wanted}")),
    ])
}

/// A Job is current when it has completed or is suspended, and failed when it says so.
pub fn job(object: &Value) -> Health {
    let holds = |type_: &str| condition(object, type_).filter(|c| status(c) == "True");
    if let Some(failed) = holds("Failed") {
        return Health::Failed(message(failed));
    }
    if holds("Complete").is_some() || holds("Suspended").is_some() {
        return Health::Current;
    }
    Health::waiting("the Job is running")
}

/// A Pod is current when it is ready or has succeeded.
pub fn pod(object: &Value) -> Health {
    let ready = condition(object, "Ready");
    match object
        .pointer("/status/phase")
        .and_then(Value::as_str)
        .unwrap_or("Pending")
    {
        "Succeeded" => Health::Current,
        "Failed" => Health::Failed("the Pod has failed".into()),
        "Running" if ready.is_some_and(|c| status(c) == "True") => Health::Current,
        "Running" => match crash(object) {
            Some(text) => Health::Failed(text),
            None => Health::waiting("the Pod runs, but is not ready"),
        },
        phase => {
            let scheduled = condition(object, "PodScheduled").filter(|c| status(c) == "False");
            scheduled.map_or_else(
                || Health::waiting(format!("the Pod is {phase}")),
                |c| Health::waiting(message(c)),
            )
        }
    }
}

/// A PodDisruptionBudget is current when it has computed what it needs.
pub fn disruption_budget(object: &Value) -> Health {
    let seen = object.pointer("/status/observedGeneration").is_some();
    let enough = count(object, "currentHealthy") >= count(object, "desiredHealthy");
    first([
        (!seen, "nothing was observed yet".to_owned()),
        (!enough, "the budget is not met".to_owned()),
    ])
}

fn crash(pod: &Value) -> Option<String> {
    let containers = pod.pointer("/status/containerStatuses")?.as_array()?;
    let looping = containers
        .iter()
        .find(|c| c.pointer("/state/waiting/reason").and_then(Value::as_str) == Some("CrashLoopBackOff"))?;
    Some(format!(
        "container {} is in CrashLoopBackOff",
        looping.get("name").and_then(Value::as_str).unwrap_or("?")
    ))
}

fn first<const N: usize>(steps: [(bool, String); N]) -> Health {
    steps
        .into_iter()
        .find(|(awaited, _)| *awaited)
        .map_or(Health::Current, |(_, text)| Health::InProgress(text))
}

fn spec(object: &Value, field: &str, default: i64) -> i64 {
    object
        .get("spec")
        .and_then(|s| s.get(field))
        .and_then(Value::as_i64)
        .unwrap_or(default)
}

fn count(object: &Value, field: &str) -> i64 {
    object
        .get("status")
        .and_then(|s| s.get(field))
        .and_then(Value::as_i64)
        .unwrap_or(0)
}
