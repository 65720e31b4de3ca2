//! Who asks for a pass of a generator: its sources, and what it made.

use super::{Context, observe};
use crds::extensions::{ArtifactGenerator, GeneratorSourceKind as Kind};
use runtime::{Key, dependency::Graph, queue::Queue, watch::Change};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// What generators refer to and have made, and the queue of those that are asked for.
#[derive(Debug)]
pub struct Triggers {
    queue: Arc<Queue>,
    referred: Mutex<Graph<(Kind, Key)>>,
}

impl Triggers {
    /// Triggers into `queue`.
    pub fn new(queue: Arc<Queue>) -> Arc<Self> {
        Arc::new(Self {
            queue,
            referred: Mutex::default(),
        })
    }

    /// Takes in a change of a generator.
    pub fn changed(&self, change: &Change<ArtifactGenerator>) {
        let mut referred = BTreeSet::new();
        if let Some(object) = &change.new {
            let namespace = &change.key.namespace;
            let sources = object.spec.sources.iter();
            referred.extend(sources.map(|source| (source.kind, observe::key(source, namespace))));
            let made = object.status.iter().flat_map(|status| &status.inventory);
            referred.extend(made.map(|made| (Kind::ExternalArtifact, Key::new(namespace, &made.name))));
        }
        self.lock().set(&change.key, referred);
    }

    /// Follows the sources, for ever, once there are generators to follow them for.
    pub fn follow(self: Arc<Self>, context: &Context, scope: Option<String>) {
        let changed: Arc<dyn Fn(Kind, Key) + Send + Sync> = Arc::new(move |kind, key| {
            for referrer in self.lock().referrers(&(kind, key)) {
                self.queue.add(referrer.clone());
            }
        });
        context
            .sources
            .follow(&context.client, scope.as_deref(), &changed);
    }

    /// The generator that made an ExternalArtifact, whose file somebody looks for in vain.
    pub fn heal(&self, made: &Key) {
        for referrer in self.lock().referrers(&(Kind::ExternalArtifact, made.clone())) {
            self.queue.add(referrer.clone());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Graph<(Kind, Key)>> {
        self.referred.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
