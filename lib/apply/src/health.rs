//! PURE: is this object current, failed, or on its way (the rules of kstatus, as Flux uses them).

mod workload;

use serde_json::Value;

/// How an object is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// As desired.
    Current,
    /// Not yet as desired; the text says what is awaited.
    InProgress(String),
    /// It will not get there by itself; the text says why.
    Failed(String),
    /// It is being deleted.
    Terminating,
    /// It is not there.
    NotFound,
    /// It cannot be told; the text says why.
    Unknown(String),
}

impl Health {
    /// The status word that kstatus and Flux's messages use.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::InProgress(_) => "InProgress",
            Self::Failed(_) => "Failed",
            Self::Terminating => "Terminating",
            Self::NotFound => "NotFound",
            Self::Unknown(_) => "Unknown",
        }
    }

    /// What is behind it, for people; empty when the word says it all.
    pub fn detail(&self) -> &str {
        match self {
            Self::InProgress(text) | Self::Failed(text) | Self::Unknown(text) => text,
            Self::Current | Self::Terminating | Self::NotFound => "",
        }
    }

    fn waiting(text: impl Into<String>) -> Self {
        Self::InProgress(text.into())
    }
}

/// The health of a live object.
pub fn of(object: &Value) -> Health {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Health::Terminating;
    }
    let group = object
        .get("apiVersion")
        .and_then(Value::as_str)
        .and_then(|v| v.split_once('/'))
        .map_or("", |(g, _)| g);
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    // A Job's own rule comes first: its generic conditions would call a running one current.
    if (group, kind) == ("batch", "Job") {
        return workload::job(object);
    }
    if let Some(early) = generic(object) {
        return early;
    }
    match (group, kind) {
        ("apps" | "extensions", "Deployment") => workload::deployment(object),
        ("apps" | "extensions", "ReplicaSet") => workload::replica_set(object),
        ("apps", "StatefulSet") => workload::stateful_set(object),
        ("apps" | "extensions", "DaemonSet") => workload::daemon_set(object),
        ("", "Pod") => workload::pod(object),
        ("", "PersistentVolumeClaim") => phase_is(object, "Bound"),
        ("", "Service") => service(object),
        ("policy", "PodDisruptionBudget") => workload::disruption_budget(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        _ => ready_condition(object),
    }
}

/// Rules for all kinds: a generation not yet observed, and the conditions Reconciling and Stalled.
fn generic(object: &Value) -> Option<Health> {
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64);
    let observed = object
        .pointer("/status/observedGeneration")
        .and_then(Value::as_i64);
    if let (Some(generation), Some(observed)) = (generation, observed)
        && generation != observed
    {
        return Some(Health::waiting(format!(
            "generation is {generation}, but {observed} was observed"
        )));
    }
    for (type_, make) in [
        ("Reconciling", Health::InProgress as fn(String) -> Health),
        ("Stalled", Health::Failed),
    ] {
        if let Some(condition) = condition(object, type_).filter(|c| status(c) == "True") {
            return Some(make(message(condition)));
        }
    }
    None
}

fn ready_condition(object: &Value) -> Health {
    match condition(object, "Ready") {
        Some(ready) if status(ready) != "True" => Health::waiting(message(ready)),
        _ => Health::Current,
    }
}

fn service(object: &Value) -> Health {
    let balancer = object.pointer("/spec/type").and_then(Value::as_str) == Some("LoadBalancer");
    let address = object
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array)
        .is_some_and(|l| !l.is_empty());
    if balancer && !address {
        Health::waiting("the load balancer has no address yet")
    } else {
        Health::Current
    }
}

fn definition(object: &Value) -> Health {
    let names = condition(object, "NamesAccepted");
    if let Some(refused) = names.filter(|c| status(c) == "False") {
        return Health::Failed(message(refused));
    }
    match condition(object, "Established") {
        Some(c) if status(c) == "True" => Health::Current,
        Some(c) if status(c) == "False" && c.get("reason").and_then(Value::as_str) != Some("Installing") => {
            Health::Failed(message(c))
        }
        _ => Health::waiting("the definition is being installed"),
    }
}

fn phase_is(object: &Value, wanted: &str) -> Health {
    let phase = object
        .pointer("/status/phase")
        .and_then(Value::as_str)
        .unwrap_or("unknown");
    if phase == wanted {
        Health::Current
    } else {
        Health::waiting(format!("phase is {phase}, not {wanted}"))
    }
}

fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions
        .iter()
        .find(|c| c.get("type").and_then(Value::as_str) == Some(type_))
}

fn status(condition: &Value) -> &str {
    condition
        .get("status")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn message(condition: &Value) -> String {
    let text = condition
        .get("message")
        .and_then(Value::as_str)
        .filter(|m| !m.is_empty());
    text.or_else(|| condition.get("reason").and_then(Value::as_str))
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests;
