//! Who asks for a pass over a Receiver besides itself: its Secret, if it is marked to be watched.

use crds::notification::Receiver;
use k8s_openapi::api::core::v1::Secret;
use kube::{Client, core::PartialObjectMeta, runtime::watcher};
use runtime::{
    Key,
    dependency::Graph,
    queue::Queue,
    watch::{self, Change, Store},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Which Receivers name which Secret, and the queue of those that are due.
#[derive(Debug)]
pub struct Triggers {
    queue: Arc<Queue>,
    secrets: Mutex<Graph<Key>>,
}

impl Triggers {
    /// Triggers into `queue`.
    pub fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            secrets: Mutex::default(),
        }
    }

    /// Takes in what a Receiver refers to.
    pub fn changed(&self, change: &Change<Receiver>) {
        let reference = change.new.as_ref().and_then(|r| r.spec.secret_ref.as_ref());
        let secret = reference.map(|reference| Key::new(&change.key.namespace, &reference.name));
        self.lock().set(&change.key, BTreeSet::from_iter(secret));
    }

    /// Follows the Secrets that `selector` selects, for ever.
    pub async fn follow(self: Arc<Self>, client: Client, scope: Option<String>, selector: &str) {
        let config = watcher::Config::default().labels(selector);
        // Only that it changed matters; the content is read when it is needed.
        let store: Arc<Store<PartialObjectMeta<Secret>>> = Arc::default();
        let changed = move |change: Change<PartialObjectMeta<Secret>>| {
            for referrer in self.lock().referrers(&change.key) {
                self.queue.add(referrer.clone());
            }
        };
        watch::run_metadata(client, scope.as_deref(), config, store, changed).await;
    }

    fn lock(&self) -> MutexGuard<'_, Graph<Key>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
