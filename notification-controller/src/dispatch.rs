//! From an event to messages that have arrived: one lane a Provider, tried again until they have, or it is too late.

mod summary;

use crate::{
    digests::Digests,
    event::{Event, Marks},
    message::{self, Again, DeliveryError, Letter, Sent},
    outbox::{Item, Next, Outbox},
    provider::{self, Peers, Service},
    route::{self, Route},
    standing::Standing,
    transition::Happened,
};
use crds::notification::{Alert, Provider, reason};
use jiff::Timestamp;
use kube::{Client, ResourceExt as _, api::DynamicObject};
use prometheus_client::metrics::counter::Counter;
use runtime::{
    Key,
    access::Access,
    client::Identity,
    events,
    process::Process,
    requeue::jitter,
    watch::{Change, Store},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};
use tracing::debug;

/// The first pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// What a Provider's Secrets say is good for so long.
const SERVICE_FOR: Duration = Duration::from_secs(5);

/// Routes events and sends what comes of them.
pub struct Dispatch {
    client: Client,
    access: Access,
    deadline: Duration,
    alerts: Arc<Store<Alert>>,
    providers: Arc<Store<Provider>>,
    routes: RwLock<BTreeMap<Key, Arc<Route>>>,
    services: Mutex<HashMap<Key, Known>>,
    peers: Arc<Peers>,
    outbox: Arc<Outbox>,
    digests: Arc<Digests>,
    standing: Arc<Standing>,
    counts: Counts,
    /// A Provider has changed: what failed may work now.
    repaired: Notify,
    /// An alert has changed: what is gathered for it may end.
    rerouted: Notify,
}

#[derive(Debug, Clone)]
struct Known {
    version: Option<String>,
    since: Instant,
    service: Arc<Service>,
}

/// Counted: messages that were sent, attempts that failed, and messages that were given up.
#[derive(Debug, Clone, Default)]
struct Counts {
    delivered: Counter,
    failed: Counter,
    given_up: Counter,
}

impl Dispatch {
    /// A dispatch that knows no alerts yet.
    pub fn new(
        process: &Process,
        deadline: Duration,
        alerts: Arc<Store<Alert>>,
        peers: Peers,
        (outbox, digests): (Arc<Outbox>, Arc<Digests>),
        standing: Arc<Standing>,
    ) -> Arc<Self> {
        let counts = Counts::default();
        process.tools.metrics.register(|registry| {
            let mut count = |name: &str, help: &str, counter: &Counter| {
                registry.register(format!("sluice_messages_{name}"), help, counter.clone());
            };
            count(
                "delivered",
                "Messages that services have taken",
                &counts.delivered,
            );
            count("failed", "Attempts to send a message that failed", &counts.failed);
            count("given_up", "Messages that were given up", &counts.given_up);
        });
        Arc::new(Self {
            client: process.tools.clients.of(&Identity::Controller),
            access: process.args.access(),
            deadline,
            alerts,
            providers: Arc::default(),
            routes: RwLock::default(),
            services: Mutex::default(),
            peers: Arc::new(peers),
            outbox,
            digests,
            standing,
            counts,
            repaired: Notify::new(),
            rerouted: Notify::new(),
        })
    }

    /// The Providers, to be kept current.
    pub fn providers(&self) -> Arc<Store<Provider>> {
        self.providers.clone()
    }

    /// Takes in an alert as it is now.
    pub fn alert_changed(&self, change: &Change<Alert>) {
        let (route, complaints) = match &change.new {
            Some(alert) => Route::of(alert, self.access),
            None => (None, Vec::new()),
        };
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        match route {
            Some(route) => routes.insert(change.key.clone(), Arc::new(route)),
            None => routes.remove(&change.key),
        };
        drop(routes);
        self.rerouted.notify_waiters();
        let before = change.old.as_ref().and_then(|old| old.metadata.generation);
        let alert = change.new.as_ref();
        if let Some(alert) = alert.filter(|alert| before != alert.metadata.generation) {
            for (reason, text) in complaints {
                self.standing
                    .complain(alert, events::Event::warning(reason, text));
            }
        }
    }

    /// Takes in that a Provider is another now.
    pub fn provider_changed(&self) {
        self.repaired.notify_waiters();
    }

    /// Has all told who want to know of an event about an object with these labels.
    pub fn tell(self: &Arc<Self>, happened: &Happened, labels: &BTreeMap<String, String>) {
        let wanting = self.routes(|route| {
            let wanted = route::labelled(&route.candidates(&happened.event), labels);
            wanted.then_some(())
        });
        for (route, ()) in wanting {
            self.post(&route, happened);
        }
    }

    /// As [`Self::tell`], where the object's labels have to be asked for.
    pub async fn tell_asking(self: &Arc<Self>, happened: &Happened) {
        let candidates = self.routes(|route| {
            let selectors = route.candidates(&happened.event);
            let unconditional = selectors.iter().any(|selector| selector.match_labels.is_empty());
            (!selectors.is_empty()).then_some(unconditional)
        });
        for (route, unconditional) in candidates {
            if unconditional || self.asked(&route, &happened.event).await {
                self.post(&route, happened);
            }
        }
    }

    /// The routes of which something is so, and what.
    fn routes<T>(&self, so: impl Fn(&Route) -> Option<T>) -> Vec<(Arc<Route>, T)> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let chosen = routes
            .values()
            .filter_map(|route| Some((route.clone(), so(route)?)));
        chosen.collect()
    }

    /// Whether a route wants an event about an object with the labels that it has now.
    async fn asked(&self, route: &Route, event: &Event) -> bool {
        let Some(kind) = crate::watched::Kind::named(event.kind()) else {
            return false;
        };
        let api: kube::Api<DynamicObject> =
            kube::Api::namespaced_with(self.client.clone(), event.namespace(), &kind.resource());
        match api.get_metadata(event.name()).await {
            Ok(object) => route::labelled(&route.candidates(event), object.labels()),
            Err(error) => {
                if let Some(alert) = self.alerts.get(&route.alert) {
                    let text = format!(
                        "error getting source {}/{}/{}: {error}",
                        event.kind(),
                        event.namespace(),
                        event.name()
                    );
                    let event = events::Event::warning(reason::SOURCE_FETCH_FAILED, text);
                    self.standing.complain(&alert, event);
                }
                false
            }
        }
    }

    fn post(self: &Arc<Self>, route: &Route, happened: &Happened) {
        if self.gather(route, happened) {
            return;
        }
        let (event, contradictions) = route.dressed(&happened.event);
        if let Some(alert) = self
            .alerts
            .get(&route.alert)
            .filter(|_| !contradictions.is_empty())
        {
            let text = "metadata key conflicts detected (please refer to the Alert API docs and Flux RFC 0008 for more information)";
            let mut complaint = events::Event::warning(reason::METADATA_APPEND_FAILED, text);
            for (key, said) in contradictions {
                complaint = complaint.with(format!("{}/{key}", crds::notification::GROUP), said);
            }
            self.standing.complain(&alert, complaint);
        }
        let item = Item {
            key: happened.key.clone(),
            ends_failure: happened.ends_failure,
            marks: Marks::of(&happened.event),
            causes: happened.causes.clone(),
            alert_namespace: route.alert.namespace.clone(),
            alert_name: route.alert.name.clone(),
            alert_uid: route.uid.clone(),
            event,
            since: Timestamp::now(),
        };
        self.put(&route.provider, item, route.window);
    }

    /// Takes up a message that an earlier process could not send.
    pub fn resume(self: &Arc<Self>, provider: &Key, item: Item) {
        self.put(provider, item, None);
    }

    fn put(self: &Arc<Self>, provider: &Key, item: Item, window: Option<Duration>) {
        let posted = self.outbox.post(provider, item, window, Instant::now());
        for item in posted.given_up {
            self.counts.given_up.inc();
            let problem = "too many messages wait for this Provider, the oldest are given up";
            self.standing.given_up(provider, &item, problem);
        }
        if posted.new_lane {
            let (this, provider) = (self.clone(), provider.clone());
            tokio::spawn(async move { this.work(&provider).await });
        }
    }

    /// Sends what waits for a Provider, one message after the other, until nothing is left.
    async fn work(&self, provider: &Key) {
        let mut failures = 0;
        loop {
            let item = match self.outbox.next(provider, Instant::now()) {
                Next::Send(item) => item,
                Next::Wait(until, bell) => {
                    let _ = tokio::time::timeout_at(until, bell.notified()).await;
                    continue;
                }
                Next::Nothing => return,
            };
            let version = self.version(provider);
            let error = match self.attempt(provider, &item).await {
                Ok(()) => None,
                Err(error) if error.again != Again::Never && !self.too_late(&item) => Some(error),
                Err(error) => {
                    self.give_up(provider, &item, error);
                    None
                }
            };
            let Some(error) = error else {
                failures = 0;
                self.outbox.done(provider, &item.key, &item.alert_uid);
                self.standing.settled(provider, &item);
                continue;
            };
            failures += 1;
            self.counts.failed.inc();
            self.standing.failed(provider, &item, &error.message);
            self.rest(provider, version, pause(error.again, failures)).await;
        }
    }

    /// Pauses, unless the Provider becomes another one: what failed may work then.
    async fn rest(&self, provider: &Key, version: Option<String>, pause: Duration) {
        let until = Instant::now() + pause;
        loop {
            // Before the look, so that no change falls between the two.
            let changed = self.repaired.notified();
            if self.version(provider) != version || tokio::time::timeout_at(until, changed).await.is_err() {
                return;
            }
        }
    }

    fn version(&self, provider: &Key) -> Option<String> {
        self.providers
            .get(provider)
            .and_then(|provider| provider.resource_version())
    }

    /// Sends a message, unless nobody wants it any more.
    async fn attempt(&self, key: &Key, item: &Item) -> Result<(), DeliveryError> {
        let alert = self.alerts.get(&item.alert());
        let wanted = alert.filter(|alert| {
            !alert.spec.suspend
                && alert.spec.provider_ref.name == key.name
                && alert.uid().as_deref() == Some(&*item.alert_uid)
        });
        let Some(alert) = wanted else {
            debug!(key = item.key, "the alert wants it no more");
            return Ok(());
        };
        let Some(provider) = self.providers.get(key) else {
            return Err(DeliveryError {
                message: format!("Provider '{key}' not found"),
                again: Again::Later,
            });
        };
        if provider.spec.suspend {
            return Ok(());
        }
        let service = self.service(key, &provider).await?;
        let letter = Letter {
            event: &item.event,
            alert: &alert,
            idempotency_key: &item.key,
            ends_failure: item.ends_failure,
            marks: item.marks,
        };
        match message::deliver(&service, letter).await {
            Ok(Sent::Delivered) => {
                self.counts.delivered.inc();
            }
            Ok(Sent::Skipped(why)) => debug!(key = item.key, why, "not told"),
            Err(error) => {
                // What the Secrets say may have been put right meanwhile.
                self.services().remove(key);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn service(&self, key: &Key, provider: &Provider) -> Result<Arc<Service>, DeliveryError> {
        let version = provider.resource_version();
        let known = self.services().get(key).cloned();
        if let Some(known) = known.filter(|k| k.version == version && k.since.elapsed() < SERVICE_FOR) {
            return Ok(known.service);
        }
        let service = Arc::new(provider::resolve(&self.client, provider, &self.peers).await?);
        let known = Known {
            version,
            since: Instant::now(),
            service: service.clone(),
        };
        let mut services = self.services();
        services.retain(|_, known| known.since.elapsed() < SERVICE_FOR);
        services.insert(key.clone(), known);
        Ok(service)
    }

    fn services(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Known>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn too_late(&self, item: &Item) -> bool {
        let waited = Timestamp::now().duration_since(item.since);
        waited.unsigned_abs() > self.deadline
    }

    fn give_up(&self, provider: &Key, item: &Item, error: DeliveryError) {
        self.counts.given_up.inc();
        let problem = match error.again {
            Again::Never => error.message,
            Again::Later | Again::After(_) => {
                format!("given up after {:?}: {}", self.deadline, error.message)
            }
        };
        self.standing.given_up(provider, item, &problem);
    }
}

/// The pause after so many failures in a row.
fn pause(again: Again, failures: u32) -> Duration {
    let (first, longest) = PAUSES;
    let pause = match again {
        Again::After(asked) => asked.max(first),
        Again::Never | Again::Later => first.saturating_mul(1 << (failures - 1).min(16)).min(longest),
    };
    jitter(pause, 10, rand::random())
}
