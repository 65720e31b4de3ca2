//! The sources that Kustomizations refer to, as last seen.

use crds::{
    kustomize::SourceKind,
    source::{Bucket, ExternalArtifact, GitRepository, OCIRepository, Source},
};
use kube::Client;
pub use runtime::source::Found;
use runtime::{
    Key,
    source::{self, find},
    watch::{Store, Watched},
};
use std::{fmt::Debug, future::Future, sync::Arc};

/// A source by kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceKey {
    /// The kind.
    pub kind: SourceKind,
    /// Namespace and name.
    pub key: Key,
}

/// The stores of all kinds of source.
#[derive(Debug)]
pub struct Sources {
    git: Arc<Store<GitRepository>>,
    oci: Arc<Store<OCIRepository>>,
    bucket: Arc<Store<Bucket>>,
    external: Option<Arc<Store<ExternalArtifact>>>,
}

impl Sources {
    /// Empty stores; ExternalArtifacts are read only where that feature is on.
    pub fn new(external: bool) -> Self {
        Self {
            git: Arc::default(),
            oci: Arc::default(),
            bucket: Arc::default(),
            external: external.then(Arc::default),
        }
    }

    /// What is known of a source.
    pub fn find(&self, source: &SourceKey) -> Found {
        match (source.kind, &self.external) {
            (SourceKind::GitRepository, _) => find(&self.git, &source.key),
            (SourceKind::OciRepository, _) => find(&self.oci, &source.key),
            (SourceKind::Bucket, _) => find(&self.bucket, &source.key),
            (SourceKind::ExternalArtifact, Some(store)) => find(store, &source.key),
            (SourceKind::ExternalArtifact, None) => Found::Disabled,
        }
    }

    /// Keeps all stores current, and says of each source whose artifact appears or changes.
    pub fn follow(
        &self,
        client: &Client,
        scope: Option<&str>,
        changed: Arc<dyn Fn(SourceKey) + Send + Sync>,
    ) {
        follow(SourceKind::GitRepository, &self.git, client, scope, &changed);
        follow(SourceKind::OciRepository, &self.oci, client, scope, &changed);
        follow(SourceKind::Bucket, &self.bucket, client, scope, &changed);
        if let Some(external) = &self.external {
            follow(SourceKind::ExternalArtifact, external, client, scope, &changed);
        }
    }

    /// Runs `watch` for ever beside `work`, which begins when all sources are known, and returns when `work` does.
    pub async fn synced(&self, watch: impl Future<Output = ()>, work: impl Future<Output = ()>) {
        let work = async {
            self.git.synced().await;
            self.oci.synced().await;
            self.bucket.synced().await;
            if let Some(external) = &self.external {
                external.synced().await;
            }
            work.await;
        };
        tokio::select! {
            () = watch => {}
            () = work => {}
        }
    }
}

fn follow<K>(
    kind: SourceKind,
    store: &Arc<Store<K>>,
    client: &Client,
    scope: Option<&str>,
    changed: &Arc<dyn Fn(SourceKey) + Send + Sync>,
) where
    K: Watched + Source,
{
    let changed = changed.clone();
    source::follow(
        store.clone(),
        client,
        scope,
        |_| (),
        move |key| changed(SourceKey { kind, key }),
    );
}
