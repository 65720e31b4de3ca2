//! Who asks for a pass of a generator: its sources, and what it made.

use super::{Context, MADE, observe};
use crate::{kind::Healer, storage::Storage};
use crds::extensions::{ArtifactGenerator, GeneratorSourceKind as Kind};
use runtime::{
    Key,
    dependency::Graph,
    queue::Queue,
    watch::{Change, Store},
};
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

    /// Follows the sources, for ever, once it is known that there is such a kind as generators.
    pub async fn follow(self: Arc<Self>, context: Arc<Context>, scope: Option<String>) {
        context.generators.synced().await;
        let changed: Arc<dyn Fn(Kind, Key) + Send + Sync> = Arc::new(move |kind, key| {
            for referrer in self.lock().referrers(&(kind, key)) {
                self.queue.add(referrer.clone());
            }
        });
        context
            .sources
            .follow(&context.client, scope.as_deref(), &changed);
    }

    /// Asks for a pass over the generator whose status names the file that is not there, of the ExternalArtifact that it made.
    pub fn healer(self: &Arc<Self>, generators: Arc<Store<ArtifactGenerator>>) -> (&'static str, Healer) {
        let triggers = self.clone();
        let healer = move |key: Key, path: &str| {
            let file = path.rsplit('/').next().unwrap_or_default();
            let named = |generator: &ArtifactGenerator| {
                let mut made = generator.status.iter().flat_map(|status| &status.inventory);
                made.any(|made| made.name == key.name && made.filename == file)
            };
            let expected = Storage::path(MADE, &key, file);
            for referrer in triggers.lock().referrers(&(Kind::ExternalArtifact, key.clone())) {
                if expected == path && generators.get(referrer).is_some_and(|g| named(&g)) {
                    triggers.queue.hint(referrer.clone());
                }
            }
        };
        (MADE, Box::new(healer))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Graph<(Kind, Key)>> {
        self.referred.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
