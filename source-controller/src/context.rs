//! What every pass holds.

use crate::{
    bucket::KnownBuckets,
    downloads::Downloads,
    git::Mirrors,
    git_repository::Includes,
    helm_remote::{Indexes, Remotes},
    oci::Registries,
    progress::Progress,
    storage::{OnMissing, Storage, StorageError},
    verify::PublicRoot,
};
use cloud::Cloud;
use crds::{
    meta::Artifact,
    source::{Bucket, GitRepository, HelmRepository},
};
use kube::Client;
use runtime::watch::Store;
use std::{fs::File, sync::Arc, time::Duration};

/// What every pass holds.
pub struct Context {
    /// The controller's own client: Secrets that objects name are read with it.
    pub client: Client,
    /// The artifacts.
    pub storage: Storage,
    /// The mirrors of Git repositories.
    pub mirrors: Mirrors,
    /// The layers and charts that peers gave a moment ago.
    pub downloads: Downloads,
    /// The clients of container registries.
    pub registries: Registries,
    /// Identities at cloud providers.
    pub cloud: Cloud,
    /// What signatures without keys are trusted by, for who names nothing else.
    pub public_root: PublicRoot,
    /// What is in the artifacts of Buckets.
    pub known_buckets: KnownBuckets,
    /// The GitRepositories as last seen.
    pub repositories: Arc<Store<GitRepository>>,
    /// Which of them include which.
    pub includes: Arc<Includes>,
    /// The clients of Helm repositories over HTTP.
    pub remotes: Remotes,
    /// The indexes of those.
    pub indexes: Indexes,
    /// What charts may cost.
    pub charts: ChartLimits,
    /// The HelmRepositories as last seen.
    pub helm_repositories: Arc<Store<HelmRepository>>,
    /// The Buckets as last seen.
    pub buckets: Arc<Store<Bucket>>,
    /// Who is told of a file on the shelf that somebody looked for in vain.
    pub missing: OnMissing,
    /// What passes under way have found out.
    pub progress: Progress,
    /// How long to wait for an include when no change of it is seen.
    pub requeue_dependency: Duration,
}

/// What charts may cost (Flux flags `--helm-chart-max-size`, `--helm-chart-file-max-size`), in bytes.
#[derive(Debug, Clone, Copy)]
pub struct ChartLimits {
    /// The largest archive.
    pub archive: u64,
    /// The largest file in a chart.
    pub file: u64,
}

impl Context {
    /// Whether the file of an artifact can be had, from here or from the object store; if it cannot, its owner is told.
    pub fn is_there(&self, artifact: &Artifact) -> bool {
        let there = !self.storage.is_lost(artifact);
        if !there {
            (self.missing)(&artifact.path);
        }
        there
    }

    /// The bytes of an artifact, from here or from the object store. Blocks on both; if neither has it, its owner is told.
    ///
    /// # Errors
    /// When the file cannot be had.
    pub fn open(&self, artifact: &Artifact) -> Result<File, StorageError> {
        let opened = self.storage.open_artifact(artifact);
        if opened.as_ref().is_err_and(StorageError::is_not_there) {
            (self.missing)(&artifact.path);
        }
        opened
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}
