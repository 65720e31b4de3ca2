//! One aspect of an object's state, in the form of Kubernetes' `metav1.Condition`.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Condition type: the object is as its spec wants it.
pub const READY: &str = "Ready";
/// Condition type, present while true: work is under way.
pub const RECONCILING: &str = "Reconciling";
/// Condition type, present while true: no retry will help, the spec must change.
pub const STALLED: &str = "Stalled";

/// The most bytes that the API server takes as a condition's message.
pub const MESSAGE_LIMIT: usize = 32768;

/// Condition reasons that every kind uses.
pub mod reason {
    /// It worked.
    pub const SUCCEEDED: &str = "Succeeded";
    /// It did not work, and no better word is known.
    pub const FAILED: &str = "Failed";
    /// Work is under way.
    pub const PROGRESSING: &str = "Progressing";
    /// Work is under way after an attempt that failed.
    pub const PROGRESSING_WITH_RETRY: &str = "ProgressingWithRetry";
    /// The user suspended the object.
    pub const SUSPENDED: &str = "Suspended";
    /// An object that this one depends on is not ready.
    pub const DEPENDENCY_NOT_READY: &str = "DependencyNotReady";
    /// A cross-namespace reference is forbidden here.
    pub const ACCESS_DENIED: &str = "AccessDenied";
    /// A CEL expression of the spec does not compile.
    pub const INVALID_CEL_EXPRESSION: &str = "InvalidCELExpression";
    /// The spec uses what a feature gate has to enable first.
    pub const FEATURE_GATE_DISABLED: &str = "FeatureGateDisabled";
    /// The URL in the spec is not one that can be used.
    pub const URL_INVALID: &str = "URLInvalid";
    /// Credentials are missing, malformed or refused.
    pub const AUTHENTICATION_FAILED: &str = "AuthenticationFailed";
    /// The cloud provider's settings contradict each other.
    pub const INVALID_PROVIDER_CONFIGURATION: &str = "InvalidProviderConfiguration";
}

/// An observation of the object at a point in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// When this condition last changed its status, reason or message.
    #[schemars(schema_with = "crate::schema::date_time")]
    pub last_transition_time: Time,
    /// What happened, for people to read.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// The object's generation that this condition was set for. If it is not the current one, the condition
    /// is out of date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Why the condition has this status, in one CamelCase word for programs to read.
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    )]
    pub reason: String,
    /// Whether the condition holds.
    pub status: ConditionStatus,
    /// What the condition is about, in CamelCase.
    #[serde(rename = "type")]
    #[schemars(
        length(max = 316),
        regex(
            pattern = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
        )
    )]
    pub type_: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known yet.
    #[default]
    Unknown,
}

impl ConditionStatus {
    /// The word that is stored: `True`, `False` or `Unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
