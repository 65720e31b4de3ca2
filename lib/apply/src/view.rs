//! I/O: the live view. A watch per identity and kind of what we manage, reduced on arrival to what decisions need.

mod live;

pub use live::{Live, OwnerLabels};

use crate::{discovery::Resource, fields::Ownership};
use futures::StreamExt as _;
use kube::{
    api::{DynamicObject, TypeMeta},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use runtime::{
    Key,
    client::{Clients, Identity},
    telemetry::chain,
    watch::Patience,
};
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    sync::{Arc, Mutex, RwLock, Weak},
    time::Duration,
};
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

/// What one watch covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// In whose name it watches.
    pub identity: Identity,
    /// The resource.
    pub resource: Arc<Resource>,
    /// One namespace; `None` for all, or for a cluster-scoped resource.
    pub namespace: Option<String>,
    /// One object, whoever manages it; `None` for all that carry our owner label.
    pub name: Option<String>,
}

/// An object that appeared, changed or went.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The resource.
    pub resource: Arc<Resource>,
    /// The object's namespace (or empty) and name.
    pub key: Key,
    /// As known before.
    pub old: Option<Arc<Live>>,
    /// As it is now; `None` when it is gone, or no longer carries our label.
    pub new: Option<Arc<Live>>,
}

/// How far a watch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The first list is not complete.
    Starting,
    /// It is current.
    Synced,
    /// The identity may not watch here: look at the interval instead.
    Forbidden,
}

/// All watches of a controller. A watch ends when nobody holds it any more.
#[derive(Debug)]
pub struct View {
    clients: Clients,
    ownership: Ownership,
    owner: OwnerLabels,
    watches: Mutex<HashMap<Scope, Weak<Watch>>>,
    seen: mpsc::UnboundedSender<Seen>,
}

/// The objects of one scope as last seen.
#[derive(Debug)]
pub struct Watch {
    scope: Scope,
    ownership: Ownership,
    owner: OwnerLabels,
    objects: RwLock<HashMap<Key, Arc<Live>>>,
    state: watch::Sender<State>,
    seen: mpsc::UnboundedSender<Seen>,
}

impl View {
    /// A view whose changes are sent to the receiver returned beside it.
    ///
    /// The channel is unbounded, but what goes through it is small and its reader only sorts it into queues.
    pub fn new(
        clients: Clients,
        ownership: Ownership,
        owner: OwnerLabels,
    ) -> (Self, mpsc::UnboundedReceiver<Seen>) {
        let (seen, receiver) = mpsc::unbounded_channel();
        (
            Self {
                clients,
                ownership,
                owner,
                watches: Mutex::default(),
                seen,
            },
            receiver,
        )
    }

    /// The watch over a scope, started if nobody holds it yet.
    pub fn watch(&self, scope: Scope) -> Arc<Watch> {
        let mut watches = self
            .watches
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(watch) = watches.get(&scope).and_then(Weak::upgrade) {
            return watch;
        }
        watches.retain(|_, w| w.strong_count() > 0);
        let watch = Arc::new(Watch {
            scope: scope.clone(),
            ownership: self.ownership.clone(),
            owner: self.owner,
            objects: RwLock::default(),
            state: watch::Sender::new(State::Starting),
            seen: self.seen.clone(),
        });
        watches.insert(scope.clone(), Arc::downgrade(&watch));
        let client = self.clients.of(&scope.identity);
        tokio::spawn(follow(client, scope, self.owner, Arc::downgrade(&watch)));
        watch
    }
}

impl Watch {
    /// Waits until the watch is current or known to be forbidden, at most `limit`; gives its state then.
    pub async fn ready(&self, limit: Duration) -> State {
        let mut state = self.state.subscribe();
        let settled = tokio::time::timeout(limit, state.wait_for(|s| *s != State::Starting)).await;
        settled.ok().and_then(Result::ok).map_or(State::Starting, |s| *s)
    }

    /// How far the watch is now.
    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// What the watch covers.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// An object, if it is there.
    pub fn get(&self, key: &Key) -> Option<Arc<Live>> {
        self.objects
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    /// Takes in an object as the API server just answered, so that whoever wrote it sees it before the watch does.
    pub fn put(&self, object: &Value) -> Option<Arc<Live>> {
        self.insert(object, false)
    }

    fn insert(&self, object: &Value, tell: bool) -> Option<Arc<Live>> {
        let live = Arc::new(Live::of(object, &self.ownership, self.owner)?);
        let key = live.key.clone();
        let old = {
            let mut objects = self
                .objects
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let old = objects.get(&key).cloned();
            if old.as_ref().is_some_and(|o| o.version >= live.version) {
                return old;
            }
            if old.is_none() && objects.len() >= self.most() {
                return None;
            }
            objects.insert(key.clone(), live.clone());
            old
        };
        if tell {
            self.tell(key, old, Some(live.clone()));
        }
        Some(live)
    }

    /// How many objects are kept: a cluster of our own is trusted not to invent them.
    fn most(&self) -> usize {
        match self.scope.identity.cluster() {
            None => usize::MAX,
            Some(_) => MOST_ELSEWHERE,
        }
    }

    fn remove(&self, key: &Key) {
        let old = self
            .objects
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(key);
        if old.is_some() {
            self.tell(key.clone(), old, None);
        }
    }

    fn tell(&self, key: Key, old: Option<Arc<Live>>, new: Option<Arc<Live>>) {
        // The reader is gone only when the process ends.
        let _ = self.seen.send(Seen {
            resource: self.scope.resource.clone(),
            key,
            old,
            new,
        });
    }
}

async fn follow(client: kube::Client, scope: Scope, owner: OwnerLabels, watch: Weak<Watch>) {
    let api = match (&scope.namespace, scope.resource.namespaced) {
        (Some(namespace), true) => {
            kube::Api::<DynamicObject>::namespaced_with(client, namespace, &scope.resource.api)
        }
        _ => kube::Api::<DynamicObject>::all_with(client, &scope.resource.api),
    };
    let config = match &scope.name {
        Some(name) => watcher::Config::default().fields(&format!("metadata.name={name}")),
        None => watcher::Config::default().labels(owner.name),
    };
    debug!(kind = scope.resource.api.kind, identity = %scope.identity, namespace = scope.namespace, "watching");
    let mut events = pin!(watcher(api, config).backoff(Patience::default()));
    let mut listed: HashSet<Key> = HashSet::new();
    loop {
        // Nobody holds the watch: it ends, at the latest with the next event or after this pause.
        let next = tokio::time::timeout(Duration::from_secs(60), events.next()).await;
        let Some(watch) = watch.upgrade() else { return };
        let event = match next {
            Err(_) => continue,
            Ok(None) => return,
            Ok(Some(event)) => event,
        };
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                if let Some(live) = watch.insert(&value(object, &scope), true) {
                    listed.insert(live.key.clone());
                }
            }
            Ok(Event::InitDone) => {
                let gone: Vec<Key> = {
                    let objects = watch
                        .objects
                        .read()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    objects.keys().filter(|k| !listed.contains(k)).cloned().collect()
                };
                gone.iter().for_each(|key| watch.remove(key));
                watch.state.send_replace(State::Synced);
            }
            Ok(Event::Apply(object)) => {
                watch.insert(&value(object, &scope), true);
            }
            Ok(Event::Delete(object)) => watch.remove(&key(&object)),
            Err(error) => {
                if failed(&watch, &error) {
                    // What is forbidden is not asked for as often as what is only away.
                    drop(watch);
                    tokio::time::sleep(FORBIDDEN_PAUSE).await;
                }
            }
        }
    }
}

/// How many objects of a kind are watched in another cluster; what is beyond is looked at when it is to be written.
const MOST_ELSEWHERE: usize = 100_000;

/// How long to wait before something that may not be watched is asked for again.
const FORBIDDEN_PAUSE: Duration = Duration::from_secs(30);

/// Takes in that the watch failed; gives whether it is forbidden.
fn failed(watch: &Watch, error: &watcher::Error) -> bool {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(s))
        | watcher::Error::WatchStartFailed(kube::Error::Api(s)) => s.code,
        watcher::Error::WatchError(s) => s.code,
        _ => 0,
    };
    let scope = &watch.scope;
    // Without the right, or without the kind, there is nothing to see; the watch goes on asking, but seldom.
    if code == 403 || code == 404 || code == 405 {
        if watch.state.send_replace(State::Forbidden) != State::Forbidden {
            info!(kind = scope.resource.api.kind, identity = %scope.identity, code, "may not watch here, drift is looked for at the interval");
        }
        return true;
    }
    warn!(kind = scope.resource.api.kind, identity = %scope.identity, error = chain(error), "watch failed, trying again");
    false
}

/// An object as JSON. In a list the API server leaves out what all items are; health depends on it.
fn value(mut object: DynamicObject, scope: &Scope) -> Value {
    let api = &scope.resource.api;
    object.types.get_or_insert_with(|| TypeMeta {
        api_version: api.api_version.clone(),
        kind: api.kind.clone(),
    });
    serde_json::to_value(object).unwrap_or_default()
}

fn key(object: &DynamicObject) -> Key {
    let meta = &object.metadata;
    Key::new(
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}
