//! Who is made of what: a chart gets a pass at once when its source has something new for it.

use crate::lock::lock;
use crds::{
    meta::FluxObject,
    source::{HelmChart, Source},
};
use runtime::{Key, dependency::Graph, queue::Queue, watch::Change};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// A source: its kind and its name.
type Named = (&'static str, Key);

/// Which charts are made of which sources, and the queue of those to be told.
#[derive(Debug)]
pub struct Triggers {
    queue: Arc<Queue>,
    index: Mutex<Graph<Named>>,
}

impl Triggers {
    /// An index that tells `queue`.
    pub fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            index: Mutex::default(),
        }
    }

    /// Takes in of which source a chart is made.
    pub fn chart(&self, change: &Change<HelmChart>) {
        let source = change.new.as_ref().map(|chart| {
            let reference = &chart.spec.source_ref;
            (
                reference.kind.as_str(),
                Key::new(&change.key.namespace, &reference.name),
            )
        });
        lock(&self.index).set(&change.key, BTreeSet::from_iter(source));
    }

    /// Takes in that a source changed. What it says in its spec is of account as well: not all sources have an artifact.
    pub fn source<K: FluxObject + Source>(&self, change: &Change<K>) {
        let seen = |source: &Option<Arc<K>>| {
            source.as_ref().map(|source| {
                // One that was lost and is there again is what it was, but for its time.
                let artifact = source.artifact();
                let artifact =
                    artifact.map(|a| (a.revision.clone(), a.digest.clone(), a.last_update_time.clone()));
                (source.meta().uid.clone(), source.meta().generation, artifact)
            })
        };
        // A source that goes takes nothing from its charts before they look again, as in Flux.
        if change.new.is_none() || seen(&change.old) == seen(&change.new) {
            return;
        }
        for chart in lock(&self.index).referrers(&(K::KIND, change.key.clone())) {
            self.queue.add(chart.clone());
        }
    }
}
