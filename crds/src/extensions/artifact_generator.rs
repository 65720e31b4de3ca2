//! `ArtifactGenerator`: which files of which sources make up which artifacts.

use kube::{CustomResource, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FINALIZER, GROUP, RECONCILE};
use crate::meta::{CommonMetadata, Condition, DISABLED, Duration, FluxObject, Message, ObjectStatus, READY};
use crate::schema::rules;

/// So many copies an artifact may have. Flux's definition says nothing of it.
pub const MOST_COPIES: usize = 1000;
/// So many characters a pattern may have. Flux's definition says so of `from` and `to`, but not of `exclude`.
pub const MOST_PATTERN: usize = 1024;

/// Sources, and the artifacts to make of them.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "source.extensions.fluxcd.io",
    version = "v1beta1",
    kind = "ArtifactGenerator",
    namespaced,
    status = "ArtifactGeneratorStatus",
    derive = "Default",
    derive = "PartialEq",
    shortname = "ag",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-sources",
    annotation("kustomize.toolkit.fluxcd.io/substitute", "disabled"),
    doc = "ArtifactGenerator composes artifacts from files of several sources, or makes several of one."
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "has(self.pathPattern) && size(self.pathPattern) > 0 || self.artifacts.all(a, a.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'))",
    "without pathPattern, an artifact's name has to be a name of an object",
)])))]
pub struct ArtifactGeneratorSpec {
    /// Labels and annotations of the ExternalArtifacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_metadata: Option<CommonMetadata>,
    /// Where files come from.
    #[schemars(length(min = 1, max = 1000))]
    pub sources: Vec<GeneratorSource>,
    /// Directories of a source, as `@<alias>/<pattern>`: each that matches makes the artifacts once. A name in braces
    /// stands for one part of a path, and for its value in the fields of the artifacts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        length(max = 1024),
        regex(pattern = r"^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)/(.*)$")
    )]
    pub path_pattern: String,
    /// What is made.
    #[schemars(length(min = 1, max = 1000))]
    pub artifacts: Vec<OutputArtifact>,
}

/// A source, and how the other fields call it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratorSource {
    /// What the source is called here.
    #[schemars(length(max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$"))]
    pub alias: String,
    /// Kind of the source.
    pub kind: GeneratorSourceKind,
    /// Name of the source.
    #[schemars(length(max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// Namespace of the source; the generator's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub namespace: Option<String>,
}

/// The kinds whose artifacts can be taken from.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum GeneratorSourceKind {
    /// A bucket.
    Bucket,
    /// A Git repository.
    #[default]
    GitRepository,
    /// A repository of a container registry.
    #[serde(rename = "OCIRepository")]
    OciRepository,
    /// A Helm chart.
    HelmChart,
    /// What another controller made.
    ExternalArtifact,
}

impl GeneratorSourceKind {
    /// The kind as manifests have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bucket => "Bucket",
            Self::GitRepository => "GitRepository",
            Self::OciRepository => "OCIRepository",
            Self::HelmChart => "HelmChart",
            Self::ExternalArtifact => "ExternalArtifact",
        }
    }
}

/// An artifact to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutputArtifact {
    /// Name of the ExternalArtifact; with `pathPattern` it may hold names in braces.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The source whose revision the artifact has, as `@<alias>`; by default it is made of the artifact's digest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64), regex(pattern = r"^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)$"))]
    pub revision: String,
    /// The source whose revision is noted in the artifact's metadata, as `@<alias>`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64), regex(pattern = r"^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)$"))]
    pub origin_revision: String,
    /// What is copied, in this order; what comes later replaces what is there.
    #[schemars(length(min = 1, max = MOST_COPIES))]
    pub copy: Vec<CopyOperation>,
}

/// Files to copy, as `cp` does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CopyOperation {
    /// A file, a directory or a pattern in a source, as `@<alias>/<pattern>`.
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)/(.*)$")
    )]
    pub from: String,
    /// A file, or a directory if it ends in `/`, in the artifact, as `@artifact/<path>`.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^@(artifact)/(.*)$"))]
    pub to: String,
    /// Patterns of what is left out, relative to the source or to where the pattern of `from` begins. One without a
    /// slash is for names at any depth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = MOST_PATTERN)))]
    pub exclude: Vec<String>,
    /// What is done with a file; it is copied by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<CopyStrategy>,
}

/// What is done with a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CopyStrategy {
    /// It replaces the file that is there.
    #[default]
    Overwrite,
    /// It is YAML, and merged into the file that is there, as Helm merges values.
    Merge,
    /// It is a gzipped tar file, and its files are put there.
    Extract,
}

/// What became of an ArtifactGenerator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactGeneratorStatus {
    /// The state of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The ExternalArtifacts that were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<ExternalArtifactReference>,
    /// The last handled value of the annotation that asks for a reconciliation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// What was told about the object lately, oldest first, for those who pass it on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
    /// A checksum of the artifacts of all sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_sources_digest: Option<String>,
}

/// An ExternalArtifact that was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExternalArtifactReference {
    /// Digest of the artifact.
    pub digest: String,
    /// Name of the artifact's file.
    pub filename: String,
    /// Name of the ExternalArtifact.
    pub name: String,
    /// Namespace of the ExternalArtifact.
    pub namespace: String,
}

impl ObjectStatus for ArtifactGeneratorStatus {
    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }
    /// The kind has no field for it: what Ready was observed at.
    fn observed_generation(&self) -> i64 {
        self.condition(READY)
            .and_then(|ready| ready.observed_generation)
            .unwrap_or(-1)
    }
    fn set_observed_generation(&mut self, _: i64) {}
    fn last_handled_reconcile_at(&self) -> Option<&str> {
        self.last_handled_reconcile_at.as_deref()
    }
    fn set_last_handled_reconcile_at(&mut self, value: Option<String>) {
        self.last_handled_reconcile_at = value;
    }
    fn messages(&self) -> &[Message] {
        &self.messages
    }
    fn messages_mut(&mut self) -> &mut Vec<Message> {
        &mut self.messages
    }
}

impl FluxObject for ArtifactGenerator {
    type Status = ArtifactGeneratorStatus;
    const GROUP: &'static str = GROUP;
    const VERSION: &'static str = "v1beta1";
    const KIND: &'static str = "ArtifactGenerator";
    const FINALIZER: &'static str = FINALIZER;

    fn status(&self) -> Option<&ArtifactGeneratorStatus> {
        self.status.as_ref()
    }
    fn status_mut(&mut self) -> &mut Option<ArtifactGeneratorStatus> {
        &mut self.status
    }
    /// By an annotation, where other kinds have a field.
    fn suspended(&self) -> bool {
        self.annotations()
            .get(RECONCILE)
            .is_some_and(|value| value.eq_ignore_ascii_case(DISABLED))
    }
    /// The kind has none.
    fn interval(&self) -> Option<&Duration> {
        None
    }
}
