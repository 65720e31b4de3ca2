//! Something that happened to an object, in the form in which Flux posts it (fluxcd/pkg, `apis/event/v1beta1`).

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How grave an event is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something third parties send that nobody is told of.
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
}
