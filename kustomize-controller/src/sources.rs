//! The sources that Kustomizations refer to, as last seen.

use crds::{
    kustomize::SourceKind,
    meta::Artifact,
    source::{Bucket, ExternalArtifact, GitRepository, OCIRepository, Source},
};
use kube::{Client, Resource, core::NamespaceResourceScope, runtime::watcher};
use runtime::{
    Key,
    watch::{self, Change, Store},
};
use serde::de::DeserializeOwned;
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

/// What is known of a source.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// There is no such source.
    Missing,
    /// It has no artifact yet.
    NoArtifact,
    /// It has one.
    Artifact(Box<Artifact>),
    /// Its kind is not enabled.
    Disabled,
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
        fn look<K: Resource<DynamicType = ()> + Source>(store: &Store<K>, key: &Key) -> Found {
            match store.get(key) {
                None => Found::Missing,
                Some(object) => object
                    .artifact()
                    .cloned()
                    .map_or(Found::NoArtifact, |a| Found::Artifact(Box::new(a))),
            }
        }
        match (source.kind, &self.external) {
            (SourceKind::GitRepository, _) => look(&self.git, &source.key),
            (SourceKind::OciRepository, _) => look(&self.oci, &source.key),
            (SourceKind::Bucket, _) => look(&self.bucket, &source.key),
            (SourceKind::ExternalArtifact, Some(store)) => look(store, &source.key),
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
        follow(
            SourceKind::GitRepository,
            self.git.clone(),
            client,
            scope,
            changed.clone(),
        );
        follow(
            SourceKind::OciRepository,
            self.oci.clone(),
            client,
            scope,
            changed.clone(),
        );
        follow(
            SourceKind::Bucket,
            self.bucket.clone(),
            client,
            scope,
            changed.clone(),
        );
        if let Some(external) = &self.external {
            follow(
                SourceKind::ExternalArtifact,
                external.clone(),
                client,
                scope,
                changed,
            );
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
    store: Arc<Store<K>>,
    client: &Client,
    scope: Option<&str>,
    changed: Arc<dyn Fn(SourceKey) + Send + Sync>,
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Source
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let (client, scope) = (client.clone(), scope.map(str::to_owned));
    tokio::spawn(async move {
        let on_change = move |change: Change<K>| {
            let artifact = |o: &Option<Arc<K>>| {
                o.as_ref()
                    .and_then(|o| o.artifact())
                    .map(|a| (a.revision.clone(), a.digest.clone(), a.url.clone()))
            };
            // The end of a source is seen too: what refers to it says so.
            if artifact(&change.old) != artifact(&change.new) || change.old.is_some() != change.new.is_some()
            {
                changed(SourceKey {
                    kind,
                    key: change.key,
                });
            }
        };
        watch::run(
            client,
            scope.as_deref(),
            watcher::Config::default(),
            store,
            on_change,
            |_| {},
        )
        .await;
    });
}
