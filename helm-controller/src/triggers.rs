//! Who asks for a pass: a changed source, dependency, configuration or live object.

use crate::{
    context::Context,
    ledger::{self, Good},
    reconcile::drift,
    sources::SourceKey,
    spec,
    storage::Entry,
};
use apply::view::Seen;
use crds::{
    helm::{ChartReferenceKind, HelmRelease, ValuesKind},
    meta::{ObjectId, ObjectStatus as _, READY},
};
use helm::release::Status;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Client, runtime::watcher};
use runtime::{
    Key, acting, configs,
    dependency::Graph,
    process::Process,
    queue::Queue,
    watch::{self, Change},
};
use std::{
    collections::BTreeSet,
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::mpsc::UnboundedReceiver;

/// What HelmReleases refer to, by what is referred to, and the queue of those that are asked for.
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
    /// Releases by the namespace of their records, and their name.
    stored: Graph<Key>,
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

    /// Takes in a change of a HelmRelease: what it refers to, and that its dependents may go on.
    pub fn release_changed(&self, change: &Change<HelmRelease>) {
        let refers = |o: &Option<Arc<HelmRelease>>| {
            let object = o.as_ref()?;
            let chart = object.status.as_ref().and_then(|s| s.helm_chart.clone());
            Some((object.metadata.generation, chart))
        };
        if refers(&change.old) != refers(&change.new) {
            self.lock().set(&change.key, change.new.as_deref());
        }
        let outcome = |o: &Option<Arc<HelmRelease>>| {
            let object = o.as_ref()?;
            let status = object.status.as_ref()?;
            let ready = status.condition(READY).map(|c| (c.status, c.observed_generation));
            Some((
                ready,
                status.observed_generation,
                status.last_attempted_revision.clone(),
            ))
        };
        if outcome(&change.old) != outcome(&change.new) {
            for dependent in self.lock().dependencies.referrers(&change.key) {
                self.queue.add(dependent.clone());
            }
        }
    }

    /// Follows the sources, for ever.
    pub fn follow_sources(self: Arc<Self>, client: &Client, scope: Option<&str>) {
        let triggers = self.clone();
        let changed: Arc<dyn Fn(SourceKey) + Send + Sync> = Arc::new(move |source: SourceKey| {
            for referrer in triggers.lock().sources.referrers(&source) {
                triggers.queue.add(referrer.clone());
            }
        });
        self.context.sources.follow(client, scope, &changed);
    }

    /// Follows labelled ConfigMaps and Secrets that values come from, for ever.
    pub fn follow_configs(self: Arc<Self>, process: &Process) {
        let (maps, secrets) = (self.clone(), self);
        configs::follow::<ConfigMap>(process, move |key| maps.config_changed(false, key));
        configs::follow::<Secret>(process, move |key| secrets.config_changed(true, key));
    }

    /// Follows the records of releases, for ever: a pass where others changed one.
    pub fn follow_records(self: Arc<Self>, client: &Client, scope: Option<&str>) {
        let config = watcher::Config::default().labels("owner=helm");
        let (client, scope) = (client.clone(), scope.map(str::to_owned));
        tokio::spawn(async move {
            let store = self.context.records.clone();
            let changed =
                move |change: Change<kube::core::PartialObjectMeta<Secret>>| self.record_changed(&change);
            watch::run_metadata(client, scope.as_deref(), config, store, changed).await;
        });
    }

    fn record_changed(&self, change: &Change<kube::core::PartialObjectMeta<Secret>>) {
        let Some(metadata) = change.new.as_ref().or(change.old.as_ref()).map(|s| &s.metadata) else {
            return;
        };
        let name = metadata.labels.as_ref().and_then(|l| l.get("name"));
        let (Some(name), Some(entry)) = (name, Entry::of(metadata)) else {
            return;
        };
        let stored = Key::new(&change.key.namespace, name);
        let concerned: Vec<Key> = self.lock().stored.referrers(&stored).cloned().collect();
        for key in concerned {
            let Some(memory) = self.context.ledger.known(&key) else {
                continue;
            };
            let memory = ledger::lock(&memory);
            // What an action writes is its own; without a reading of it there is nothing to compare.
            let Some(last) = memory.last.as_ref().filter(|_| memory.running.is_none()) else {
                continue;
            };
            let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
            let newer = number(&entry.resource_version) > number(&last.resource_version);
            let touched = match change.new.is_some() {
                true => newer && entry.version >= last.release.version && !is_on_its_way(entry.status),
                false => entry.version == last.release.version,
            };
            if touched {
                self.queue.add(key);
            }
        }
    }

    /// Follows live objects, for ever: what is awaited has changed, or ours was touched.
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
        let owners: BTreeSet<&Key> = [&seen.old, &seen.new]
            .into_iter()
            .flatten()
            .filter_map(|l| l.owner.as_ref())
            .collect();
        for key in owners {
            let Some(memory) = self.context.ledger.known(key) else {
                continue;
            };
            let memory = ledger::lock(&memory);
            memory.bell.notify_one();
            let now = seen.new.as_ref().map(|live| Good {
                uid: live.uid.clone(),
                fields: live.owners.fingerprint,
            });
            let touched = memory
                .good
                .get(&id)
                .is_some_and(|good| Some(good) != now.as_ref());
            let watched = || {
                self.context
                    .releases
                    .get(key)
                    .is_some_and(|o| drift::is_watched(&o))
            };
            if memory.running.is_none() && touched && watched() {
                match memory.fights.pause(&id, Instant::now()) {
                    Duration::ZERO => self.queue.add(key.clone()),
                    pause => self.queue.add_after(key.clone(), pause),
                }
            }
        }
    }

    fn config_changed(&self, secret: bool, key: Key) {
        for referrer in self.lock().configs.referrers(&(secret, key)) {
            self.queue.add(referrer.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody is at work on the release, who is not to be disturbed: the end of that work changes a record again. (Where no
/// end comes, the interval does.)
fn is_on_its_way(status: Status) -> bool {
    status.is_pending() || matches!(status, Status::Uninstalling | Status::Superseded)
}

impl Index {
    fn set(&mut self, key: &Key, object: Option<&HelmRelease>) {
        let Some(object) = object else {
            self.sources.set(key, BTreeSet::new());
            self.dependencies.set(key, BTreeSet::new());
            self.configs.set(key, BTreeSet::new());
            self.stored.set(key, BTreeSet::new());
            return;
        };
        let fields = &object.spec;
        let namespace = |given: &Option<String>| {
            given
                .clone()
                .filter(|n| !n.is_empty())
                .unwrap_or_else(|| key.namespace.clone())
        };
        let mut sources = BTreeSet::new();
        if let Some(reference) = &fields.chart_ref {
            let source = Key::new(namespace(&reference.namespace), &reference.name);
            sources.insert(SourceKey::new(reference.kind, source));
        }
        if let Some(template) = &fields.chart {
            let source = Key::new(
                namespace(&template.spec.source_ref.namespace),
                format!("{}-{}", key.namespace, key.name),
            );
            sources.insert(SourceKey::new(ChartReferenceKind::HelmChart, source));
        }
        self.sources.set(key, sources);
        self.dependencies.set(
            key,
            fields
                .depends_on
                .iter()
                .map(|d| Key::new(namespace(&d.namespace), &d.name))
                .collect(),
        );
        let configs = fields.values_from.iter().map(|r| {
            let secret = r.kind == ValuesKind::Secret;
            (secret, Key::new(&key.namespace, &r.name))
        });
        let cluster = fields.kube_config.as_ref().and_then(acting::named);
        let cluster = cluster.map(|(is_secret, name)| (is_secret, Key::new(&key.namespace, name)));
        self.configs.set(key, configs.chain(cluster).collect());
        let stored = Key::new(spec::storage_namespace(object), spec::release_name(object));
        self.stored.set(key, [stored].into());
    }
}
