//! What every pass holds.

use crate::{bucket::KnownBuckets, cloud::Cloud, git::Mirrors, oci::Registries, storage::Storage};
use crds::source::GitRepository;
use kube::Client;
use runtime::watch::Store;
use std::{sync::Arc, time::Duration};

/// What every pass holds.
pub struct Context {
    /// The controller's own client: Secrets that objects name are read with it.
    pub client: Client,
    /// The artifacts.
    pub storage: Storage,
    /// The mirrors of Git repositories.
    pub mirrors: Mirrors,
    /// The clients of container registries.
    pub registries: Registries,
    /// Identities at cloud providers.
    pub cloud: Cloud,
    /// What is in the artifacts of Buckets.
    pub buckets: KnownBuckets,
    /// The GitRepositories as last seen.
    pub repositories: Arc<Store<GitRepository>>,
    /// How long to wait for an include when no change of it is seen.
    pub requeue_dependency: Duration,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}
