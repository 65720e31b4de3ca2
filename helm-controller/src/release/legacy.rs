//! PURE: whether an object is ready as Helm 3 had it (`waitStrategy: legacy`): the kinds that it knows by their numbers, any
//! other as soon as it is there. Neither conditions of custom resources nor the spec's own rules count.

use ::apply::health::Health;
use serde_json::Value;

/// The health of a live object; of a Deployment, with the ReplicaSets that it owns.
pub fn of(object: &Value, replica_sets: &[Value]) -> Health {
    let ready = match kind_of(object) {
        ("apps", "Deployment") => return deployment(object, replica_sets),
        ("batch", "Job") => return job(object),
        ("", "Pod") => holds(object, "Ready"),
        ("", "PersistentVolumeClaim") => text(object, "/status/phase") == "Bound",
        ("", "Service") => service(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => {
            observed(object) && count(object, "/status/readyReplicas") >= count(object, "/status/replicas")
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        _ => true,
    };
    when(ready)
}

/// Whether ReplicaSets have to be known to tell.
pub fn wants_replica_sets(object: &Value) -> bool {
    kind_of(object) == ("apps", "Deployment") && !is_paused(object)
}

fn kind_of(object: &Value) -> (&str, &str) {
    let version = text(object, "/apiVersion");
    let group = version.split_once('/').map_or("", |(group, _)| group);
    (group, text(object, "/kind"))
}

/// The ReplicaSet of the newest template has as many ready pods as have to be available during an update. (Old pods that
/// are still there do not count.)
fn deployment(object: &Value, replica_sets: &[Value]) -> Health {
    const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";
    if is_paused(object) {
        return Health::Current;
    }
    let (uid, revision) = (text(object, "/metadata/uid"), text(object, REVISION));
    let is_new = |set: &&Value| {
        let mut owners = set
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        text(set, REVISION) == revision && owners.any(|o| text(o, "/uid") == uid)
    };
    let Some(newest) = replica_sets.iter().find(is_new).filter(|_| observed(object)) else {
        return when(false);
    };
    let wanted = count_or(object, "/spec/replicas", 1);
    let update = object.pointer("/spec/strategy/rollingUpdate");
    let rolling = text(object, "/spec/strategy/type") != "Recreate" && wanted > 0;
    // Rounded down; where neither a pod more nor a pod less would be allowed, one less is.
    let less = match (rolling, update) {
        (true, Some(update)) => {
            let less = share(update.get("maxUnavailable"), wanted, false).unwrap_or(0);
            let more = share(update.get("maxSurge"), wanted, true).unwrap_or(0);
            if less == 0 && more == 0 {
                1
            } else {
                less.min(wanted)
            }
        }
        _ => 0,
    };
    when(observed(newest) && count(newest, "/status/readyReplicas") >= wanted - less)
}

fn is_paused(object: &Value) -> bool {
    object.pointer("/spec/paused") == Some(&Value::Bool(true))
}

/// A Job has succeeded as often as it is to; one that failed more often than it may will not.
fn job(object: &Value) -> Health {
    if count(object, "/status/failed") > count_or(object, "/spec/backoffLimit", 6) {
        return Health::Failed("the Job has failed".to_owned());
    }
    let wanted = object.pointer("/spec/completions").and_then(Value::as_i64);
    when(wanted.is_none_or(|wanted| count(object, "/status/succeeded") >= wanted))
}

fn service(object: &Value) -> bool {
    let any = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_array)
            .is_some_and(|l| !l.is_empty())
    };
    match text(object, "/spec/type") {
        "ExternalName" => true,
        _ if text(object, "/spec/clusterIP").is_empty() => false,
        "LoadBalancer" => any("/spec/externalIPs") || any("/status/loadBalancer/ingress"),
        _ => true,
    }
}

fn daemon_set(object: &Value) -> bool {
    if !observed(object) {
        return false;
    }
    if !is_rolling(object) {
        return true;
    }
    let wanted = count(object, "/status/desiredNumberScheduled");
    let less = object.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable");
    let less = share(less, wanted, true).unwrap_or(wanted);
    count(object, "/status/updatedNumberScheduled") == wanted
        && count(object, "/status/numberReady") >= wanted - less
}

fn stateful_set(object: &Value) -> bool {
    if !observed(object) {
        return false;
    }
    if !is_rolling(object) {
        return true;
    }
    let wanted = count_or(object, "/spec/replicas", 1);
    let partition = count(object, "/spec/updateStrategy/rollingUpdate/partition");
    let updated = count(object, "/status/updatedReplicas") >= wanted - partition;
    let revision = |which: &str| text(object, which).to_owned();
    let same = partition != 0 || revision("/status/currentRevision") == revision("/status/updateRevision");
    updated && same && count(object, "/status/readyReplicas") == wanted
}

/// Who updates by hand is not waited for. (An empty strategy is what the API server fills in.)
fn is_rolling(object: &Value) -> bool {
    text(object, "/spec/updateStrategy/type") == "RollingUpdate"
}

/// Established, or refused for its names: a definition that another one keeps away is not waited for.
fn definition(object: &Value) -> bool {
    holds(object, "Established") || condition(object, "NamesAccepted") == "False"
}

fn holds(object: &Value, type_: &str) -> bool {
    condition(object, type_) == "True"
}

fn condition<'o>(object: &'o Value, type_: &str) -> &'o str {
    let mut all = object
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    all.find(|c| text(c, "/type") == type_)
        .map_or("", |c| text(c, "/status"))
}

fn observed(object: &Value) -> bool {
    count(object, "/status/observedGeneration") == count(object, "/metadata/generation")
}

/// A number, or a percentage of `whole`.
fn share(value: Option<&Value>, whole: i64, up: bool) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => {
            let percent: i64 = text.strip_suffix('%')?.parse().ok()?;
            let times = percent.checked_mul(whole)?;
            Some(if up {
                times.saturating_add(99) / 100
            } else {
                times / 100
            })
        }
        _ => None,
    }
}

fn text<'o>(object: &'o Value, path: &str) -> &'o str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn count(object: &Value, path: &str) -> i64 {
    count_or(object, path, 0)
}

fn count_or(object: &Value, path: &str, default: i64) -> i64 {
    object.pointer(path).and_then(Value::as_i64).unwrap_or(default)
}

fn when(ready: bool) -> Health {
    match ready {
        true => Health::Current,
        false => Health::InProgress(String::new()),
    }
}

#[cfg(test)]
mod tests;
