//! What the cluster holds of a kind, kept current by a watch, and a word to whoever cares when it changes.

use crate::{Key, telemetry::chain};
use futures::{Stream, StreamExt as _};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    core::{DeserializeGuard, NamespaceResourceScope, PartialObjectMeta, error_boundary::InvalidObject},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    pin::pin,
    sync::{Arc, RwLock},
};
use tokio::sync::watch;
use tracing::warn;

/// The objects of a kind as last seen.
#[derive(Debug)]
pub struct Store<K> {
    objects: RwLock<HashMap<Key, Arc<K>>>,
    synced: watch::Sender<bool>,
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
        self.read().get(key).cloned()
    }

    /// All objects, in no order.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.read().values().cloned().collect()
    }

    /// Waits until the first list is complete.
    pub async fn synced(&self) {
        // The sender lives in self, so waiting can only end with the value.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Takes in an object that was just read or written, unless a newer one is known.
    ///
    /// A pass that begins before the watch has caught up must see what the pass before it wrote.
    pub fn put(&self, object: K) -> Option<Change<K>> {
        let key = Key::of(&object);
        let mut objects = self
            .objects
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let old = objects.get(&key).cloned();
        if old.as_ref().is_some_and(|old| newer(&**old, &object)) {
            return None;
        }
        let new = Arc::new(object);
        objects.insert(key.clone(), new.clone());
        Some(Change {
            key,
            old,
            new: Some(new),
        })
    }

    fn remove(&self, key: &Key) -> Option<Change<K>> {
        let mut objects = self
            .objects
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let old = objects.remove(key)?;
        Some(Change {
            key: key.clone(),
            old: Some(old),
            new: None,
        })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Key, Arc<K>>> {
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
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let api: Api<DeserializeGuard<K>> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    follow(
        watcher(api, config).default_backoff(),
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
            store.put(object).map(changed);
            Some(key)
        }
        Err(invalid) => {
            undecodable(invalid);
            None
        }
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
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let api: Api<PartialObjectMeta<K>> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let stream = watcher(api, config).default_backoff();
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
