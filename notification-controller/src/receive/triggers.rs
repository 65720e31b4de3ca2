//! Who asks for a pass over a Receiver besides itself: its Secret, if it is marked to be watched.

use crds::notification::Receiver;
use k8s_openapi::api::core::v1::Secret;
use runtime::{Key, configs, dependency::Graph, process::Process, queue::Queue, watch::Change};
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

    /// Follows the Secrets that are marked to be watched, for ever.
    pub fn follow(self: Arc<Self>, process: &Process) {
        configs::follow::<Secret>(process, move |secret| {
            for referrer in self.lock().referrers(&secret) {
                self.queue.add(referrer.clone());
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Graph<Key>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
