//! `Alert`: which events are sent to a provider.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{Duration, HOURS, LocalReference, is_zero};
use crate::schema::rules;

/// Which events to send, and where.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "notification.toolkit.fluxcd.io",
    version = "v1beta3",
    kind = "Alert",
    namespaced,
    status = "AlertStatus",
    derive = "Default",
    derive = "PartialEq",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-notifications",
    annotation("kustomize.toolkit.fluxcd.io/substitute", "disabled"),
    doc = "Alert sends the events of objects to a Provider."
)]
#[serde(rename_all = "camelCase")]
pub struct AlertSpec {
    /// Facts to add to each event, such as the cluster's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub event_metadata: BTreeMap<String, String>,
    /// How grave an event has to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "info"))]
    pub event_severity: Option<EventSeverity>,
    /// The objects whose events are sent.
    pub event_sources: Vec<ObjectSelector>,
    /// Regular expressions; an event whose message matches one of them is not sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusion_list: Vec<String>,
    /// Send what belongs together as one message. Flux has no such field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grouping: Option<Grouping>,
    /// Regular expressions; an event whose message matches none of them is not sent, if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inclusion_list: Vec<String>,
    /// The Provider to send to.
    pub provider_ref: LocalReference,
    /// A sentence to add to each event. Deprecated: use `eventMetadata` with the key `summary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub summary: Option<String>,
    /// Send nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// How events are put together to one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "has(self.window) || has(self.digest)",
    "grouping needs a window, a digest, or both",
)])))]
pub struct Grouping {
    /// How often to tell of what is no failure, as one summary of all that happened since its first message: how many there
    /// were of each kind and reason, and the last one of each object. Failures and their end are not held back by it. An hour
    /// is `1h`, a day `24h`; a week at the most. Commit statuses and comments are not summed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = HOURS))]
    pub digest: Option<Duration>,
    /// For how long to wait after a message for others that are put together with it: failures that have one cause (an object
    /// that is named as such, or a revision), the ends of failures, and what has kind of object, reason and severity in
    /// common. A day at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = HOURS))]
    pub window: Option<Duration>,
}

/// What became of the messages of an Alert. It is written when sending fails, and when it works again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertStatus {
    /// How many messages were given up, since the Alert was made.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dead_letters: i64,
    /// Why the last message that was not sent was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<DeliveryFailure>,
    /// How many messages wait to be sent again; none while all is well.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waiting: i64,
}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryFailure {
    /// What failed, for people.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// What the message was about, as `<kind>/<namespace>/<name>`.
    pub object: String,
    /// The reason of its event.
    pub reason: String,
    /// When it failed.
    #[schemars(schema_with = "crate::schema::date_time")]
    pub time: Time,
}

/// How grave an event has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventSeverity {
    /// Any event.
    #[default]
    Info,
    /// Failures only.
    Error,
}

/// Objects by name or by label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectSelector {
    /// API version of the objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the objects.
    pub kind: ObjectKind,
    /// Labels that the objects have to bear.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Name of the object; `*` for all that bear the labels.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespace of the objects; this object's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub namespace: Option<String>,
}

/// Kinds of objects that have events, or can be asked to reconcile.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[expect(missing_docs, reason = "the names are those of the kinds")]
pub enum ObjectKind {
    Bucket,
    #[default]
    GitRepository,
    Kustomization,
    HelmRelease,
    HelmChart,
    HelmRepository,
    ImageRepository,
    ImagePolicy,
    ImageUpdateAutomation,
    #[serde(rename = "OCIRepository")]
    OciRepository,
    ArtifactGenerator,
    ExternalArtifact,
}

impl ObjectKind {
    /// The kind's name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bucket => "Bucket",
            Self::GitRepository => "GitRepository",
            Self::Kustomization => "Kustomization",
            Self::HelmRelease => "HelmRelease",
            Self::HelmChart => "HelmChart",
            Self::HelmRepository => "HelmRepository",
            Self::ImageRepository => "ImageRepository",
            Self::ImagePolicy => "ImagePolicy",
            Self::ImageUpdateAutomation => "ImageUpdateAutomation",
            Self::OciRepository => "OCIRepository",
            Self::ArtifactGenerator => "ArtifactGenerator",
            Self::ExternalArtifact => "ExternalArtifact",
        }
    }
}
