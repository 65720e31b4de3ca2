//! The kinds whose objects people are told about, and what is read of each: never its spec.

use crds::meta::Message;
use crds::notification::ObjectKind;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::{Resource, api::ApiResource, core::DynamicResourceScope};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use std::borrow::Cow;

/// A kind that alerts may name (Flux `Alert`, `spec.eventSources[].kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// As alerts name it.
    pub kind: ObjectKind,
    /// Its API group.
    pub group: &'static str,
    /// Its API version.
    pub version: &'static str,
    /// Its name in addresses.
    pub plural: &'static str,
    /// The controller that reports on it.
    pub controller: &'static str,
}

const fn source(kind: ObjectKind, plural: &'static str) -> Kind {
    Kind {
        kind,
        group: "source.toolkit.fluxcd.io",
        version: "v1",
        plural,
        controller: "source-controller",
    }
}

const fn image(kind: ObjectKind, plural: &'static str, controller: &'static str) -> Kind {
    Kind {
        kind,
        group: "image.toolkit.fluxcd.io",
        version: "v1",
        plural,
        controller,
    }
}

/// All of them.
pub const KINDS: [Kind; 12] = [
    source(ObjectKind::Bucket, "buckets"),
    source(ObjectKind::ExternalArtifact, "externalartifacts"),
    source(ObjectKind::GitRepository, "gitrepositories"),
    source(ObjectKind::HelmChart, "helmcharts"),
    source(ObjectKind::HelmRepository, "helmrepositories"),
    source(ObjectKind::OciRepository, "ocirepositories"),
    Kind {
        kind: ObjectKind::ArtifactGenerator,
        group: "source.extensions.fluxcd.io",
        version: "v1beta1",
        plural: "artifactgenerators",
        controller: "source-controller",
    },
    Kind {
        kind: ObjectKind::Kustomization,
        group: "kustomize.toolkit.fluxcd.io",
        version: "v1",
        plural: "kustomizations",
        controller: "kustomize-controller",
    },
    Kind {
        kind: ObjectKind::HelmRelease,
        group: "helm.toolkit.fluxcd.io",
        version: "v2",
        plural: "helmreleases",
        controller: "helm-controller",
    },
    image(
        ObjectKind::ImageRepository,
        "imagerepositories",
        "image-reflector-controller",
    ),
    image(
        ObjectKind::ImagePolicy,
        "imagepolicies",
        "image-reflector-controller",
    ),
    image(
        ObjectKind::ImageUpdateAutomation,
        "imageupdateautomations",
        "image-automation-controller",
    ),
];

impl Kind {
    /// The kind as the API server knows it.
    pub fn resource(&self) -> ApiResource {
        ApiResource {
            group: self.group.into(),
            version: self.version.into(),
            api_version: self.api_version(),
            kind: self.kind.as_str().into(),
            plural: self.plural.into(),
        }
    }

    /// Group and version, as objects write them.
    pub fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version)
    }

    /// The kind of this name.
    pub fn named(kind: &str) -> Option<&'static Self> {
        KINDS.iter().find(|known| known.kind.as_str() == kind)
    }
}

/// What is read of an object of any of the kinds.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Reported {
    /// Its metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What became of it.
    #[serde(default, deserialize_with = "leniently")]
    pub status: Told,
}

/// What is read of a status.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Its conditions.
    #[serde(default, deserialize_with = "leniently")]
    pub conditions: Vec<Condition>,
    /// What its controller has told of it lately.
    #[serde(default, deserialize_with = "leniently")]
    pub messages: Vec<Message>,
    /// The artifact that a source offers.
    #[serde(default, deserialize_with = "leniently")]
    pub artifact: Option<Artifact>,
    /// The revision that was tried last.
    #[serde(default, deserialize_with = "leniently")]
    pub last_attempted_revision: Option<String>,
}

/// What is read of a condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether it holds: `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// When it changed last.
    #[serde(rename = "lastTransitionTime", deserialize_with = "leniently")]
    pub last_transition_time: Option<Time>,
}

/// What is read of an artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Artifact {
    /// Its revision.
    pub revision: String,
}

/// A field that is not what it should be counts as absent: nothing that an object holds keeps the others from being read.
fn leniently<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

impl Resource for Reported {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }
    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }
    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }
    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }
    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
