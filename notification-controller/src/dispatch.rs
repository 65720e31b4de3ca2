//! From an event to messages that have arrived: one lane a Provider, tried again until they have, or it is too late.

mod apart;
mod choose;
mod lane;
mod pace;
mod summary;

use crate::{
    digests::Digests,
    event::Marks,
    judges::Judges,
    message::{is_comment, is_commit_status, is_incident, wants},
    outbox::{Item, Outbox, Posted},
    provider::Peers,
    route::{self, Route, Table},
    standing::Standing,
    transition::Happened,
};
use crds::notification::{Alert, Provider, ProviderType, reason};
use jiff::Timestamp;
use kube::Client;
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
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use summary::left;
use tokio::{sync::Notify, time::Instant};
use tracing::debug;

/// Routes events and sends what comes of them.
pub struct Dispatch {
    client: Client,
    access: Access,
    deadline: Duration,
    alerts: Arc<Store<Alert>>,
    providers: Arc<Store<Provider>>,
    routes: Table,
    services: Mutex<HashMap<Key, Known>>,
    paces: Paces,
    peers: Arc<Peers>,
    outbox: Arc<Outbox>,
    digests: Arc<Digests>,
    standing: Arc<Standing>,
    counts: Counts,
    /// Who meets patterns that take long, and who does for events of third parties, of which anybody may bring as many as he likes.
    judges: Judges,
    judges_of_strangers: Judges,
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
            routes: Table::default(),
            services: Mutex::default(),
            paces: Paces::default(),
            peers: Arc::new(peers),
            outbox,
            digests,
            standing,
            counts,
            judges: Judges::default(),
            judges_of_strangers: Judges::default(),
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
        let compiled = |key: &Key| {
            let alert = self.alerts.get(key);
            alert.and_then(|alert| Route::of(&alert, self.access).0)
        };
        if !self.routes.set(&change.key, route, compiled) {
            let text = format!(
                "the patterns of all Alerts of the namespace take more than {} bytes when they are compiled, or those of all namespaces too \
                 many; nothing is told",
                route::NAMESPACE_BYTES
            );
            complaints.push((reason::INVALID_CONFIG, text));
        }
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
