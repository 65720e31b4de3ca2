//! Reasons of the conditions of Kustomizations, besides the common ones.

/// All was applied, and is healthy if that was asked for.
pub const RECONCILIATION_SUCCEEDED: &str = "ReconciliationSucceeded";
/// Something could not be applied.
pub const RECONCILIATION_FAILED: &str = "ReconciliationFailed";
/// The source's artifact cannot be had.
pub const ARTIFACT_FAILED: &str = "ArtifactFailed";
/// The manifests could not be built from the artifact.
pub const BUILD_FAILED: &str = "BuildFailed";
/// Something that is no longer wanted could not be deleted.
pub const PRUNE_FAILED: &str = "PruneFailed";
/// What was applied did not become healthy.
pub const HEALTH_CHECK_FAILED: &str = "HealthCheckFailed";
/// Waiting for health was given up for something newer.
pub const HEALTH_CHECK_CANCELED: &str = "HealthCheckCanceled";
/// A temporary directory could not be made.
pub const DIRECTORY_CREATION_FAILED: &str = "DirectoryCreationFailed";
