//! Reasons of the conditions and events of sources, besides the common ones.

/// Upstream has a revision that the artifact is not made of.
pub const NEW_REVISION: &str = "NewRevision";
/// An included source changed.
pub const INCLUDE_CHANGE: &str = "IncludeChange";
/// Upstream has a chart version that the artifact is not.
pub const NEW_CHART: &str = "NewChart";
/// Event: a new artifact was stored.
pub const NEW_ARTIFACT: &str = "NewArtifact";
/// Event: the stored file is not what its digest says, and was thrown away.
pub const ARTIFACT_VERIFICATION_FAILED: &str = "ArtifactVerificationFailed";

/// Git refused, or could not do, what was asked.
pub const GIT_OPERATION_FAILED: &str = "GitOperationFailed";
/// The Git repository has no commits.
pub const EMPTY_GIT_REPOSITORY: &str = "EmptyGitRepository";
/// An included source does not exist.
pub const NOT_FOUND: &str = "NotFound";
/// An included source has no artifact.
pub const NO_ARTIFACT: &str = "NoArtifact";
/// An included path could not be copied.
pub const COPY_FAILURE: &str = "CopyFailure";

/// A directory could not be made.
pub const DIRECTORY_CREATION_FAILED: &str = "DirectoryCreationFailed";
/// A file could not be looked at.
pub const STAT_OPERATION_FAILED: &str = "StatOperationFailed";
/// A file could not be read, or a registry could not be asked.
pub const READ_OPERATION_FAILED: &str = "ReadOperationFailed";
/// The artifact could not be written.
pub const ARCHIVE_OPERATION_FAILED: &str = "ArchiveOperationFailed";
/// The ignore rules could not be read.
pub const SOURCE_IGNORE_ERROR: &str = "SourceIgnoreError";
/// Event: old artifacts were removed.
pub const GARBAGE_COLLECTION_SUCCEEDED: &str = "GarbageCollectionSucceeded";
/// Event: old artifacts could not be removed.
pub const GARBAGE_COLLECTION_FAILED: &str = "GarbageCollectionFailed";

/// The signature could not be checked, or is wrong.
pub const VERIFICATION_ERROR: &str = "VerificationError";
/// What is to be verified does not go with the reference.
pub const INVALID_VERIFICATION_MODE: &str = "InvalidVerificationMode";
/// What is to be verified bears no signature.
pub const INVALID_GIT_OBJECT: &str = "InvalidGitObject";
/// The signature of the tag is wrong.
pub const INVALID_TAG_SIGNATURE: &str = "InvalidTagSignature";
/// The signature of the commit is wrong.
pub const INVALID_COMMIT_SIGNATURE: &str = "InvalidCommitSignature";

/// The OCI artifact could not be pulled.
pub const OCI_PULL_FAILED: &str = "OCIArtifactPullFailed";
/// The layer of the OCI artifact is not there or not what it should be.
pub const OCI_LAYER_OPERATION_FAILED: &str = "OCIArtifactLayerOperationFailed";

/// The bucket could not be read.
pub const BUCKET_OPERATION_FAILED: &str = "BucketOperationFailed";
/// The token service's settings cannot be used.
pub const INVALID_STS_CONFIGURATION: &str = "InvalidSTSConfiguration";

/// The Helm repository's index could not be understood.
pub const INDEXATION_FAILED: &str = "IndexationFailed";
/// The chart was downloaded and stored as it is.
pub const CHART_PULL_SUCCEEDED: &str = "ChartPullSucceeded";
/// The chart was packaged here.
pub const CHART_PACKAGE_SUCCEEDED: &str = "ChartPackageSucceeded";
/// The chart could not be downloaded.
pub const CHART_PULL_ERROR: &str = "ChartPullError";
/// The source has no such chart, or not in that version.
pub const INVALID_CHART_REFERENCE: &str = "InvalidChartReference";
/// The chart's source cannot be had.
pub const SOURCE_UNAVAILABLE: &str = "SourceUnavailable";
/// The chart's source has no artifact.
pub const NO_SOURCE_ARTIFACT: &str = "NoSourceArtifact";
/// The chart's metadata could not be changed.
pub const METADATA_PATCH_ERROR: &str = "MetadataPatchError";
/// The values files could not be merged.
pub const VALUES_FILES_ERROR: &str = "ValuesFilesError";
/// The chart's dependencies could not be had.
pub const DEPENDENCY_BUILD_ERROR: &str = "DependencyBuildError";
/// The chart could not be packaged.
pub const CHART_PACKAGE_ERROR: &str = "ChartPackageError";
/// The chart's signature could not be checked, or is wrong.
pub const CHART_VERIFICATION_ERROR: &str = "ChartVerificationError";
/// Event: the chart's dependencies were found.
pub const RESOLVED_DEPENDENCIES: &str = "ResolvedDependencies";
/// The cause is not known.
pub const UNKNOWN: &str = "Unknown";
