//! What the cluster holds of a kind, kept current by a watch, and a word to whoever cares when it changes.

use crate::{Key, telemetry::chain};
use futures::{Stream, StreamExt as _};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    core::{DeserializeGuard, NamespaceResourceScope, PartialObjectMeta, error_boundary::InvalidObject},
    runtime::{
        WatchStreamExt as _,
        utils::Backoff,
        watcher::{self, DefaultBackoff, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    pin::pin,
    sync::{Arc, RwLock},
    time::Duration,
};
use tokio::sync::watch;
use tracing::warn;

/// A namespaced kind whose objects can be watched.
pub trait Watched:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Watched for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// The objects of a kind as last seen.
#[derive(Debug)]
pub struct Store<K> {
    objects: RwLock<HashMap<Key, Entry<K>>>,
    synced: watch::Sender<bool>,
}

/// An object, and as which it was last told of: what we wrote ourselves is known before the watch tells of it, and whoever
/// waits for a change must hear of that one too.
#[derive(Debug)]
struct Entry<K> {
    now: Arc<K>,
    told: Option<Arc<K>>,
}

/// An object that appeared, changed or went.
#[derive(Debug, Clone)]
pub struct Change<K> {
    /// Which object.
    pub key: Key,
    /// As it was known before.
    pub old: Option<Arc<K>>,
    /// As it is now; `None` when it is gone.
    pub new: Option<Arc<K>>,
}

/// An object that our types cannot hold; its kind goes on without it.
pub type Undecodable = InvalidObject;

impl<K> Default for Store<K> {
    fn default() -> Self {
        Self {
            objects: RwLock::default(),
            synced: watch::Sender::new(false),
        }
    }
}

impl<K: Resource<DynamicType = ()>> Store<K> {
    /// An object by key.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.read().get(key).map(|entry| entry.now.clone())
    }

    /// All objects, in no order.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.read().values().map(|entry| entry.now.clone()).collect()
    }

    /// Whether the first list is complete.
    pub fn is_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// Waits until the first list is complete.
    pub async fn synced(&self) {
        // The sender lives in self, so waiting can only end with the value.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Takes in an object that was just read or written, unless a newer one is known. The watch tells of it later.
    ///
    /// A pass that begins before the watch has caught up must see what the pass before it wrote.
    pub fn put(&self, object: K) {
        let key = Key::of(&object);
        let mut objects = self.write();
        match objects.get_mut(&key) {
            Some(entry) if newer(&*entry.now, &object) => {}
            Some(entry) => entry.now = Arc::new(object),
            None => {
                let now = Arc::new(object);
                objects.insert(key, Entry { now, told: None });
            }
        }
    }

    /// Takes in an object that the watch tells of; gives what has changed since it told last.
    fn seen(&self, object: K) -> Option<Change<K>> {
        let key = Key::of(&object);
        let mut objects = self.write();
        // The watch will tell of the newer one as well.
        if objects.get(&key).is_some_and(|entry| newer(&*entry.now, &object)) {
            return None;
        }
        let new = Arc::new(object);
        let told = Some(new.clone());
        let old = objects
            .insert(
                key.clone(),
                Entry {
                    now: new.clone(),
                    told,
                },
            )
            .and_then(|entry| entry.told);
        Some(Change {
            key,
            old,
            new: Some(new),
        })
    }

    fn remove(&self, key: &Key) -> Option<Change<K>> {
        let old = self.write().remove(key)?;
        Some(Change {
            key: key.clone(),
            old: Some(old.told.unwrap_or(old.now)),
            new: None,
        })
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<Key, Entry<K>>> {
        self.objects
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Key, Entry<K>>> {
        self.objects
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Keeps `store` current for ever with the objects of one namespace or of all, and calls `changed` after each change and `undecodable` for each object that cannot
/// be decoded. Errors of the watch are logged and retried with back-off.
pub async fn run<K>(
    client: Client,
    namespace: Option<&str>,
    config: watcher::Config,
    store: Arc<Store<K>>,
    changed: impl Fn(Change<K>) + Send,
    undecodable: impl Fn(Undecodable) + Send,
) where
    K: Watched,
{
    let api: Api<DeserializeGuard<K>> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    follow(
        watcher(api, config).backoff(Patience::default()),
        store,
        changed,
        undecodable,
    )
    .await;
}

async fn follow<K>(
    stream: impl Stream<Item = watcher::Result<Event<DeserializeGuard<K>>>> + Send,
    store: Arc<Store<K>>,
    changed: impl Fn(Change<K>) + Send,
    undecodable: impl Fn(Undecodable) + Send,
) where
    K: Resource<DynamicType = ()> + Send + Sync,
{
    let mut stream = pin!(stream);
    let mut listed: HashSet<Key> = HashSet::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                if let Some(key) = apply(&store, object, &changed, &undecodable) {
                    listed.insert(key);
                }
            }
            Ok(Event::InitDone) => {
                for key in store
                    .read()
                    .keys()
                    .filter(|k| !listed.contains(k))
                    .cloned()
                    .collect::<Vec<_>>()
                {
                    store.remove(&key).map(&changed);
                }
                store.synced.send_replace(true);
            }
            Ok(Event::Apply(object)) => {
                apply(&store, object, &changed, &undecodable);
            }
            Ok(Event::Delete(object)) => {
                store.remove(&Key::of(&object)).map(&changed);
            }
            Err(error) => warn!(kind = %K::kind(&()), error = chain(&error), "watch failed, trying again"),
        }
    }
}

fn apply<K>(
    store: &Store<K>,
    object: DeserializeGuard<K>,
    changed: &impl Fn(Change<K>),
    undecodable: &impl Fn(Undecodable),
) -> Option<Key>
where
    K: Resource<DynamicType = ()>,
{
    match object.0 {
        Ok(mut object) => {
            let key = Key::of(&object);
            object.meta_mut().managed_fields = None;
            store.seen(object).map(changed);
            Some(key)
        }
        Err(invalid) => {
            undecodable(invalid);
            None
        }
    }
}

/// How long a watch that failed waits before it tries again: a sixth of kube's own delays, so from a seventh of a second to
/// five or ten seconds, spread by chance. An API server that comes back after minutes is then seen at once.
#[derive(Default)]
pub struct Patience(DefaultBackoff);

impl Debug for Patience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Patience")
    }
}

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|delay| delay / 6)
    }
}

impl Backoff for Patience {
    fn reset(&mut self) {
        self.0.reset();
    }
}

/// Whether `old` is newer than `new`, by resource version (an increasing number since Kubernetes 1.35).
fn newer<K: Resource>(old: &K, new: &K) -> bool {
    let version = |o: &K| o.resource_version().and_then(|v| v.parse::<u64>().ok());
    match (version(old), version(new)) {
        (Some(old), Some(new)) => old > new,
        _ => false,
    }
}

/// As [`run`], with the metadata of objects alone, for kinds of which nothing else is needed.
pub async fn run_metadata<K>(
    client: Client,
    namespace: Option<&str>,
    config: watcher::Config,
    store: Arc<Store<PartialObjectMeta<K>>>,
    changed: impl Fn(Change<PartialObjectMeta<K>>) + Send,
) where
    K: Watched,
{
    let api: Api<PartialObjectMeta<K>> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let stream = watcher(api, config).backoff(Patience::default());
    follow(stream.map(|event| event.map(guarded)), store, changed, |_| {}).await;
}

fn guarded<K>(event: Event<K>) -> Event<DeserializeGuard<K>> {
    let ok = |object| DeserializeGuard(Ok(object));
    match event {
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(ok(object)),
        Event::InitDone => Event::InitDone,
        Event::Apply(object) => Event::Apply(ok(object)),
        Event::Delete(object) => Event::Delete(ok(object)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    fn at(version: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some("a".into());
        object.metadata.resource_version = Some(version.into());
        object
    }

    fn versions(change: Option<Change<ConfigMap>>) -> Option<(Option<String>, Option<String>)> {
        let version = |o: Option<Arc<ConfigMap>>| o.and_then(|o| o.resource_version());
        change.map(|c| (version(c.old), version(c.new)))
    }

    #[test]
    fn what_we_wrote_ourselves_is_told_of_as_well() {
        let store = Store::default();
        let told = |old: Option<&str>, new: &str| Some((old.map(str::to_owned), Some(new.to_owned())));
        assert_eq!(versions(store.seen(at("1"))), told(None, "1"));
        store.put(at("2"));
        assert_eq!(
            store.get(&Key::new("", "a")).unwrap().resource_version().unwrap(),
            "2"
        );
        assert_eq!(versions(store.seen(at("1"))), None, "the watch is late");
        assert_eq!(
            versions(store.seen(at("2"))),
            told(Some("1"), "2"),
            "and tells of what we wrote"
        );
        assert_eq!(versions(store.seen(at("3"))), told(Some("2"), "3"));
    }
}
