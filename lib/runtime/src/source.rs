//! Sources that objects refer to, as last seen: one store a kind, and word of each artifact that appears or changes.

use crate::{
    Key,
    watch::{self, Change, Store, Watched},
};
use crds::{meta::Artifact, source::Source};
use kube::{Client, Resource, runtime::watcher};
use std::sync::Arc;

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

/// What is known of a source of one kind.
pub fn find<K: Resource<DynamicType = ()> + Source>(store: &Store<K>, key: &Key) -> Found {
    match store.get(key) {
        None => Found::Missing,
        Some(object) => object
            .artifact()
            .cloned()
            .map_or(Found::NoArtifact, |a| Found::Artifact(Box::new(a))),
    }
}

/// Keeps the store of one kind current, for ever, and says of each source whose artifact appears or changes, and of each
/// that comes or goes. `noted` tells what else of a source matters to who refers to it.
pub fn follow<K, N>(
    store: Arc<Store<K>>,
    client: &Client,
    scope: Option<&str>,
    noted: impl Fn(&K) -> N + Send + Sync + 'static,
    changed: impl Fn(Key) + Send + Sync + 'static,
) where
    N: PartialEq,
    K: Watched + Source,
{
    let (client, scope) = (client.clone(), scope.map(str::to_owned));
    tokio::spawn(async move {
        let on_change = move |change: Change<K>| {
            let facts = |object: &Option<Arc<K>>| {
                object.as_ref().map(|object| {
                    let artifact = object
                        .artifact()
                        .map(|a| (a.revision.clone(), a.digest.clone(), a.url.clone()));
                    (artifact, noted(object))
                })
            };
            // The end of a source is seen too: what refers to it says so.
            if facts(&change.old) != facts(&change.new) {
                changed(change.key);
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
