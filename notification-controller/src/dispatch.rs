//! From an event to messages that have arrived: one lane a Provider, tried again until they have, or it is too late.

mod lane;
mod pace;
mod summary;

use crate::{
    digests::Digests,
    event::{Event, Marks},
    message::{is_comment, is_commit_status, is_incident, wants},
    outbox::{Item, Outbox, Posted},
    provider::Peers,
    route::{self, Route, Routes},
    standing::Standing,
    transition::Happened,
};
use crds::notification::{Alert, ObjectSelector, Provider, ProviderType, reason};
use jiff::Timestamp;
use kube::{Client, api::DynamicObject};
use lane::Known;
use pace::Paces;
use prometheus_client::metrics::counter::Counter;
use runtime::{
    Key,
    access::Access,
    client::Identity,
    events,
    process::Process,
    watch::{Change, Store},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};
use summary::left;
use tokio::{sync::Notify, time::Instant};
use tracing::debug;

/// For so long those wait for an object's labels who want the event whatever they are.
const ANSWER: Duration = Duration::from_secs(10);

/// Routes events and sends what comes of them.
pub struct Dispatch {
    client: Client,
    access: Access,
    deadline: Duration,
    alerts: Arc<Store<Alert>>,
    providers: Arc<Store<Provider>>,
    routes: RwLock<Routes>,
    services: Mutex<HashMap<Key, Known>>,
    paces: Paces,
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
            paces: Paces::default(),
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

    /// Whether it is known yet who wants to be told.
    pub fn knows_alerts(&self) -> bool {
        self.alerts.is_synced()
    }

    /// Takes in an alert as it is now.
    pub fn alert_changed(&self, change: &Change<Alert>) {
        let spec = |alert: &Arc<Alert>| (alert.metadata.uid.clone(), alert.metadata.generation);
        if change.new.is_some() && change.old.as_ref().map(spec) == change.new.as_ref().map(spec) {
            // Its status, or its labels.
            return;
        }
        let (route, mut complaints) = match &change.new {
            Some(alert) => Route::of(alert, self.access),
            None => (None, Vec::new()),
        };
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        if !routes.set(&change.key, route) {
            let text = format!(
                "the patterns of all Alerts of the namespace take more than {} bytes when they are compiled, or those of all namespaces too \
                 many; nothing is told",
                route::NAMESPACE_BYTES
            );
            complaints.push((reason::INVALID_CONFIG, text));
        }
        // What made room lets others in.
        while let Some(key) = routes.next_with_room() {
            let alert = self.alerts.get(&key);
            let route = alert.and_then(|alert| Route::of(&alert, self.access).0);
            if !routes.set(&key, route) {
                break;
            }
        }
        drop(routes);
        self.rerouted.notify_waiters();
        self.provider_left(change);
        if let Some(alert) = &change.new {
            for (reason, text) in complaints {
                self.standing
                    .complain(alert, events::Event::warning(reason, text));
            }
        }
    }

    /// What waits for a Provider that an alert has left is looked at again.
    fn provider_left(&self, change: &Change<Alert>) {
        let named = |alert: &Arc<Alert>| alert.spec.provider_ref.name.clone();
        let (old, new) = (change.old.as_ref().map(named), change.new.as_ref().map(named));
        if let (Some(old), Some(new)) = (old, new)
            && old != new
        {
            self.outbox.forgive(&Key::new(&*change.key.namespace, old));
            self.repaired.notify_waiters();
        }
    }

    /// Takes in that a Provider is another now.
    pub fn provider_changed(&self) {
        self.repaired.notify_waiters();
    }

    /// Has all told who want to know of an event about an object with these labels.
    pub fn tell(self: &Arc<Self>, happened: &Happened, labels: &BTreeMap<String, String>) {
        let wanting = self.routes(|route| {
            let wanted = route::labelled(route.candidates(&happened.event), labels);
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
            let selectors: Vec<ObjectSelector> = selectors.into_iter().cloned().collect();
            (!selectors.is_empty()).then_some(selectors)
        });
        let unconditional = |selectors: &[ObjectSelector]| route::labelled(selectors, &BTreeMap::new());
        // Asked once, however many want to know, and before anybody is told: nothing of an event is told if this is not.
        let asked = match candidates.iter().all(|(_, selectors)| unconditional(selectors)) {
            true => Ok(None),
            false => self.labels(&happened.event).await,
        };
        for (route, selectors) in candidates {
            let wanted = match &asked {
                _ if unconditional(&selectors) => true,
                Ok(labels) => labels
                    .as_ref()
                    .is_some_and(|labels| route::labelled(&selectors, labels)),
                Err(error) => {
                    self.cannot_see(&route, &happened.event, error);
                    false
                }
            };
            if wanted {
                self.post(&route, happened);
            }
        }
    }

    /// The routes of which something is so, and what. It may take its time: nobody waits for the table meanwhile.
    fn routes<T>(&self, so: impl Fn(&Route) -> Option<T>) -> Vec<(Arc<Route>, T)> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner).all();
        let chosen = routes.into_iter().filter_map(|route| {
            let what = so(&route)?;
            Some((route, what))
        });
        chosen.collect()
    }

    /// The labels that an event's object has now; none of what nobody can ask for.
    async fn labels(&self, event: &Event) -> Result<Option<BTreeMap<String, String>>, String> {
        let Some(kind) = crate::watched::Kind::named(event.kind()) else {
            return Ok(None);
        };
        let api: kube::Api<DynamicObject> =
            kube::Api::namespaced_with(self.client.clone(), event.namespace(), &kind.resource());
        let asked = tokio::time::timeout(ANSWER, api.get_metadata(event.name())).await;
        let object = asked.map_err(|_| format!("no answer within {ANSWER:?}"))?;
        let object = object.map_err(|error| error.to_string())?;
        Ok(Some(object.metadata.labels.unwrap_or_default()))
    }

    fn cannot_see(&self, route: &Route, event: &Event, error: &str) {
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
    }

    fn post(self: &Arc<Self>, route: &Route, happened: &Happened) {
        if self.gather(route, happened) {
            return;
        }
        let marks = Marks::of(&happened.event);
        let kind = self.kind(&route.provider);
        let window = route.window.filter(|_| kind.is_some_and(can_be_put_together));
        if let Some(kind) = kind
            && let Some(why) = wants(kind, &happened.event, marks, happened.ends_failure)
        {
            // It would wait with those that are told, and be counted among them.
            return debug!(key = happened.key, why, "not told");
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
            marks,
            causes: happened.causes.clone(),
            held: window.is_some(),
            alert_namespace: route.alert.namespace.clone(),
            alert_name: route.alert.name.clone(),
            alert_uid: route.uid.clone(),
            event,
            since: Timestamp::now(),
        };
        self.put(&route.provider, [(item, window)]);
    }

    /// Takes up the messages that an earlier process did not send. What it held back goes on waiting for others, as long as the alert
    /// has it now; the time that has passed counts.
    pub fn resume(self: &Arc<Self>, provider: &Key, items: Vec<(u8, Item)>) {
        let now = Timestamp::now();
        let with_rest = items.into_iter().map(|(part, item)| {
            let route = self.route(&item.alert());
            let window = route.and_then(|route| route.window.filter(|_| route.uid == item.alert_uid));
            let rest = item.held.then(|| left(item.since, window, now));
            (part, item, rest)
        });
        let posted = self.outbox.resume(provider, with_rest, Instant::now());
        self.posted(provider, posted);
    }

    /// The type of a Provider, if it is there.
    fn kind(&self, provider: &Key) -> Option<ProviderType> {
        self.providers.get(provider).map(|provider| provider.spec.type_)
    }

    fn put(self: &Arc<Self>, provider: &Key, items: impl IntoIterator<Item = (Item, Option<Duration>)>) {
        let posted = self.outbox.post(provider, items, Instant::now());
        self.posted(provider, posted);
    }

    fn posted(self: &Arc<Self>, provider: &Key, posted: Posted) {
        for (lane, item) in posted.given_up {
            self.counts.given_up.inc();
            let problem = "too many messages wait for this Provider, the oldest are given up";
            self.standing.given_up(&lane, &item, problem);
        }
        if posted.new_lane {
            let (this, provider) = (self.clone(), provider.clone());
            tokio::spawn(async move { this.work(&provider).await });
        }
    }
}

/// Whether what a service is told can be put together: a status belongs to a commit and an object, a comment to an object, and an
/// incident to the object whose end of a failure resolves it.
fn can_be_put_together(kind: ProviderType) -> bool {
    !is_commit_status(kind) && !is_comment(kind) && !is_incident(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_one_place_for_each_object_is_told_of_each() {
        use ProviderType::*;
        for kind in [
            GitHub,
            AzureDevOps,
            GitHubPullRequestComment,
            GitLabMergeRequestComment,
            GiteaPullRequestComment,
            PagerDuty,
            IncidentIo,
        ] {
            assert!(!can_be_put_together(kind), "{kind:?}");
        }
        for kind in [Slack, Generic, MsTeams] {
            assert!(can_be_put_together(kind), "{kind:?}");
        }
    }
}
