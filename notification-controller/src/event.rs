//! Something that happened to an object, in the form in which Flux posts it (fluxcd/pkg, `apis/event/v1beta1`).

use crds::meta::EVENT_PREFIX;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::Not};

/// Metadata by which a controller says that the event is for commit statuses (fluxcd/pkg, `apis/event/v1beta1`).
pub const COMMIT_STATUS: &str = "commit_status";
/// Metadata with the commit that the status goes to.
pub const COMMIT: &str = "commit";
/// Metadata with the number of the pull or merge request that is commented on.
pub const CHANGE_REQUEST: &str = "change_request";
/// Metadata with what people read first.
pub const SUMMARY: &str = "summary";

/// How grave an event is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something that only third parties send. Alerts that ask for `info` are told of it: that is everything (Flux).
    Trace,
    /// Something happened as it should.
    #[default]
    Info,
    /// Something failed.
    Error,
}

impl Severity {
    /// The word in payloads: `info`, `error` or `trace`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Info => "info",
            Self::Error => "error",
        }
    }
}

/// Something that happened to an object. Its JSON is what a provider of type `generic` is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The object.
    pub involved_object: ObjectReference,
    /// How grave it is.
    pub severity: Severity,
    /// When it happened.
    pub timestamp: Time,
    /// What happened, for people.
    pub message: String,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// Further facts. Before an alert has put its own to them, the keys have the group of the object as prefix.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The controller that says so.
    pub reporting_controller: String,
    /// The process that says so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reporting_instance: String,
}

impl Event {
    /// The kind of the object, or nothing.
    pub fn kind(&self) -> &str {
        self.involved_object.kind.as_deref().unwrap_or_default()
    }

    /// The name of the object, or nothing.
    pub fn name(&self) -> &str {
        self.involved_object.name.as_deref().unwrap_or_default()
    }

    /// The namespace of the object, or nothing.
    pub fn namespace(&self) -> &str {
        self.involved_object.namespace.as_deref().unwrap_or_default()
    }

    /// The API group of the object, or nothing.
    pub fn group(&self) -> &str {
        let version = self.involved_object.api_version.as_deref().unwrap_or_default();
        version.split_once('/').map_or("", |(group, _)| group)
    }
}

/// What decides which services are told of an event. It is read before an alert dresses the event: what an alert adds has no
/// prefix, so that neither an alert nor an object's owner can say what only the other may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Marks {
    /// The controller says that it is for commit statuses only.
    #[serde(skip_serializing_if = "Not::not")]
    pub update: bool,
    /// The object names the commit that the status goes to.
    #[serde(skip_serializing_if = "Not::not")]
    pub commit: bool,
    /// The object names the change request that is commented on.
    #[serde(skip_serializing_if = "Not::not")]
    pub change_request: bool,
}

impl Marks {
    /// Those of an event as it came.
    pub fn of(event: &Event) -> Self {
        let value = |prefix: &str, key: &str| {
            let value = event.metadata.get(&format!("{prefix}{key}"));
            value.filter(|value| !value.is_empty())
        };
        let controllers = format!("{}/", event.group());
        Self {
            update: value(&controllers, COMMIT_STATUS).is_some_and(|value| value == "update"),
            commit: value(EVENT_PREFIX, COMMIT).is_some(),
            change_request: value(EVENT_PREFIX, CHANGE_REQUEST).is_some(),
        }
    }

    /// Those that both have.
    pub fn common(self, other: Self) -> Self {
        Self {
            update: self.update && other.update,
            commit: self.commit && other.commit,
            change_request: self.change_request && other.change_request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::example::event;

    #[test]
    fn only_who_may_say_so_marks_an_event() {
        let of = |key: &str, value: &str| {
            let mut event = event(Severity::Info);
            event.metadata.insert(key.into(), value.into());
            Marks::of(&event)
        };
        let none = Marks::default();
        for (key, value, expected) in [
            (
                "kustomize.toolkit.fluxcd.io/commit_status",
                "update",
                Marks { update: true, ..none },
            ),
            ("kustomize.toolkit.fluxcd.io/commit_status", "other", none),
            (
                "event.toolkit.fluxcd.io/commit",
                "x",
                Marks { commit: true, ..none },
            ),
            ("event.toolkit.fluxcd.io/commit", "", none),
            (
                "event.toolkit.fluxcd.io/change_request",
                "1",
                Marks {
                    change_request: true,
                    ..none
                },
            ),
            // An alert's own, an object's, and another controller's.
            ("commit_status", "update", none),
            ("commit", "x", none),
            ("change_request", "1", none),
            ("event.toolkit.fluxcd.io/commit_status", "update", none),
            ("helm.toolkit.fluxcd.io/commit_status", "update", none),
            ("kustomize.toolkit.fluxcd.io/commit", "x", none),
        ] {
            assert_eq!(of(key, value), expected, "{key}: {value}");
        }
    }
}
