//! Who asks for a pass: a changed source, dependency, configuration or live object.

use crate::{context::Context, ledger, sources::SourceKey};
use apply::view::Seen;
use crds::{
    kustomize::{Kustomization, SubstituteKind},
    meta::{ObjectId, ObjectStatus as _, READY},
};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use runtime::{Key, acting, configs, dependency::Graph, process::Process, queue::Queue, watch::Change};
use std::{
    collections::BTreeSet,
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};

/// What Kustomizations refer to, by what is referred to, and the queue of those that are asked for.
#[derive(Debug)]
pub struct Triggers {
    context: Arc<Context>,
    queue: Arc<Queue>,
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    sources: Graph<SourceKey>,
    dependencies: Graph<Key>,
    configs: Graph<(bool, Key)>,
    checked: Graph<ObjectId>,
}

impl Triggers {
    /// Triggers into `queue`.
    pub fn new(context: Arc<Context>, queue: Arc<Queue>) -> Self {
        Self {
            context,
            queue,
            index: Mutex::default(),
        }
    }

    /// Takes in a change of a Kustomization: what it refers to, and that its dependents may go on.
    pub fn kustomization_changed(&self, change: &Change<Kustomization>) {
        let generation = |o: &Option<Arc<Kustomization>>| o.as_ref().map(|o| o.metadata.generation);
        if generation(&change.old) != generation(&change.new) {
            self.lock().set(&change.key, change.new.as_deref());
        }
        let outcome = |o: &Option<Arc<Kustomization>>| {
            let status = o.as_ref().and_then(|o| o.status.as_ref())?;
            let ready = status.condition(READY).map(|c| (c.status, c.observed_generation));
            Some((
                ready,
                status.observed_generation,
                status.last_applied_revision.clone(),
            ))
        };
        if outcome(&change.old) != outcome(&change.new) {
            for dependent in self.lock().dependencies.referrers(&change.key) {
                self.queue.add(dependent.clone());
            }
        }
    }

    /// Follows the sources, for ever.
    pub fn follow_sources(self: Arc<Self>, client: Client, scope: Option<String>) {
        let triggers = self.clone();
        let changed = Arc::new(move |source: SourceKey| {
            for referrer in triggers.lock().sources.referrers(&source) {
                triggers.queue.add(referrer.clone());
            }
        });
        self.context.sources.follow(&client, scope.as_deref(), changed);
    }

    /// Follows labelled ConfigMaps and Secrets that Kustomizations name, for ever.
    pub fn follow_configs(self: Arc<Self>, process: &Process) {
        let (maps, secrets) = (self.clone(), self);
        configs::follow::<ConfigMap>(process, move |key| maps.config_changed(false, key));
        configs::follow::<Secret>(process, move |key| secrets.config_changed(true, key));
    }

    /// Follows live objects, for ever: a pass where ours were touched.
    pub fn follow_objects(self: Arc<Self>, mut seen: UnboundedReceiver<Seen>) {
        tokio::spawn(async move {
            while let Some(seen) = seen.recv().await {
                self.object_seen(&seen);
            }
        });
    }

    fn object_seen(&self, seen: &Seen) {
        let id = ObjectId {
            namespace: seen.key.namespace.clone(),
            name: seen.key.name.clone(),
            group: seen.resource.api.group.clone(),
            kind: seen.resource.api.kind.clone(),
        };
        let mut concerned: BTreeSet<Key> = [&seen.old, &seen.new]
            .into_iter()
            .flatten()
            .filter_map(|l| l.owner.clone())
            .collect();
        concerned.extend(self.lock().checked.referrers(&id).cloned());
        for key in concerned {
            let Some(memory) = self.context.ledger.known(&key) else {
                continue;
            };
            let reaction =
                ledger::lock(&memory).reaction(&id, seen.old.as_deref(), seen.new.as_deref(), Instant::now());
            match reaction {
                None => {}
                Some(Duration::ZERO) => self.queue.add(key),
                Some(pause) => self.queue.add_after(key, pause),
            }
        }
    }

    fn config_changed(&self, secret: bool, key: Key) {
        for referrer in self.lock().configs.referrers(&(secret, key)) {
            self.queue.add(referrer.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Index {
    fn set(&mut self, key: &Key, object: Option<&Kustomization>) {
        let Some(object) = object else {
            self.sources.set(key, BTreeSet::new());
            self.dependencies.set(key, BTreeSet::new());
            self.configs.set(key, BTreeSet::new());
            self.checked.set(key, BTreeSet::new());
            return;
        };
        let spec = &object.spec;
        let namespace = |given: &Option<String>| given.clone().unwrap_or_else(|| key.namespace.clone());
        let source = SourceKey {
            kind: spec.source_ref.kind,
            key: Key::new(namespace(&spec.source_ref.namespace), &spec.source_ref.name),
        };
        self.sources.set(key, [source].into());
        self.dependencies.set(
            key,
            spec.depends_on
                .iter()
                .map(|d| Key::new(namespace(&d.namespace), &d.name))
                .collect(),
        );
        let configs = spec.post_build.iter().flat_map(|p| &p.substitute_from);
        let configs = configs.map(|r| {
            (
                r.kind == SubstituteKind::Secret,
                Key::new(&key.namespace, &r.name),
            )
        });
        let cluster = spec.kube_config.as_ref().and_then(acting::named);
        let cluster = cluster.map(|(is_secret, name)| (is_secret, Key::new(&key.namespace, name)));
        self.configs.set(key, configs.chain(cluster).collect());
        let checked = spec.health_checks.iter().map(|check| {
            let api = check.api_version.as_deref().unwrap_or("apps/v1");
            ObjectId {
                namespace: check.namespace.clone().unwrap_or_default(),
                name: check.name.clone(),
                group: api.split_once('/').map_or("", |(g, _)| g).to_owned(),
                kind: check.kind.clone(),
            }
        });
        self.checked.set(key, checked.collect());
    }
}
