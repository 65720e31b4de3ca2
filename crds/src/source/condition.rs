//! Condition types of sources, besides the common ones.

/// The artifact is stored and served.
pub const ARTIFACT_IN_STORAGE: &str = "ArtifactInStorage";
/// Present while true: upstream has something newer than the artifact.
pub const ARTIFACT_OUTDATED: &str = "ArtifactOutdated";
/// Present while true: upstream could not be read.
pub const FETCH_FAILED: &str = "FetchFailed";
/// Present while true: a source to include has nothing to give.
pub const INCLUDE_UNAVAILABLE: &str = "IncludeUnavailable";
/// Present while true: the artifact could not be stored.
pub const STORAGE_OPERATION_FAILED: &str = "StorageOperationFailed";
/// Present while true: the chart could not be made.
pub const BUILD_FAILED: &str = "BuildFailed";
/// The signature was found to be right, or not.
pub const SOURCE_VERIFIED: &str = "SourceVerified";
