//! The kind of `source.extensions.fluxcd.io/v1beta1`: artifacts composed from those of sources.

mod artifact_generator;

pub use artifact_generator::{
    ArtifactGenerator, ArtifactGeneratorSpec, ArtifactGeneratorStatus, CopyOperation, CopyStrategy,
    ExternalArtifactReference, GeneratorSource, GeneratorSourceKind, MOST_COPIES, MOST_PATTERN,
    OutputArtifact,
};

/// The API group of ArtifactGenerators.
pub const GROUP: &str = "source.extensions.fluxcd.io";

/// The finalizer of ArtifactGenerators.
pub const FINALIZER: &str = "source.extensions.fluxcd.io/finalizer";
/// Annotation on an ArtifactGenerator: `disabled`, in any case of letters, suspends it.
pub const RECONCILE: &str = "source.extensions.fluxcd.io/reconcile";
/// Label on an ExternalArtifact: the uid of the ArtifactGenerator that makes it.
pub const GENERATOR: &str = "source.extensions.fluxcd.io/generator";
/// Value of the label `app.kubernetes.io/managed-by` on ExternalArtifacts, and the manager of their fields.
pub const MANAGER: &str = "source-watcher";

/// Reasons of the conditions and events of ArtifactGenerators, besides the common ones.
pub mod reason {
    /// A source lies in another namespace, which is forbidden.
    pub const ACCESS_DENIED: &str = "AccessDenied";
    /// The spec contradicts itself.
    pub const VALIDATION_FAILED: &str = "ValidationFailed";
    /// A source is not there, has no artifact, or cannot be read.
    pub const SOURCE_FETCH_FAILED: &str = "SourceFetchFailed";
    /// An artifact could not be made.
    pub const BUILD_FAILED: &str = "BuildFailed";
    /// The object is suspended by its annotation.
    pub const RECONCILIATION_DISABLED: &str = "ReconciliationDisabled";
    /// What was made could not be offered, or what is no longer made not be removed.
    pub const RECONCILIATION_FAILED: &str = "ReconciliationFailed";
}
