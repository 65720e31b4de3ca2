//! How an alert's messages fare, on the alert itself: an event when sending fails, and the counts in its status.

use crate::outbox::{Item, Outbox};
use crds::notification::{Alert, AlertStatus, DeliveryFailure, reason};
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams},
};
use runtime::{
    Key, conditions,
    events::{Event, Recorder, subject},
    status::difference,
    telemetry::chain,
    watch::Store,
};
use serde_json::json;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;
use tracing::{error, warn};

/// How messages fare, by alert.
#[derive(Debug)]
pub struct Standing {
    alerts: Arc<Store<Alert>>,
    outbox: Arc<Outbox>,
    recorder: Recorder,
    /// Whether what waits here is what waits at all: what third parties post to a standby waits there alone.
    leads: AtomicBool,
    troubled: Mutex<HashMap<Key, Trouble>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Trouble {
    /// Of the alert: another one of its name has troubles of its own.
    uid: String,
    provider: Option<Key>,
    dead: i64,
    failure: Option<DeliveryFailure>,
    unwritten: bool,
}

/// A status is written at most this often.
const PAUSE: Duration = Duration::from_secs(1);

impl Standing {
    /// The standing of the alerts in a store.
    pub fn new(alerts: Arc<Store<Alert>>, outbox: Arc<Outbox>, recorder: Recorder) -> Self {
        Self {
            alerts,
            outbox,
            recorder,
            leads: AtomicBool::new(false),
            troubled: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// From now on, what waits here is what the statuses say.
    pub fn lead(&self) {
        self.leads.store(true, Ordering::Relaxed);
        for trouble in self.lock().values_mut() {
            trouble.unwritten = true;
        }
        self.changed.notify_one();
    }

    /// A message could not be sent, and will be tried again.
    pub fn failed(&self, provider: &Key, item: &Item, problem: &str) {
        self.trouble(provider, item, problem, 0);
    }

    /// A message was given up.
    pub fn given_up(&self, provider: &Key, item: &Item, problem: &str) {
        self.trouble(provider, item, problem, 1);
    }

    /// A message waits no more: it was sent, or nobody wants it any longer.
    pub fn settled(&self, provider: &Key, item: &Item) {
        let Some(alert) = self.alert(item) else { return };
        // What an earlier leader said of it has to be put right as well; what the one of now says is his.
        let said = alert.status.as_ref().filter(|_| self.leads());
        let said = said.map(|status| status.waiting).unwrap_or_default();
        let mut troubled = self.lock();
        if said == 0 && !troubled.contains_key(&item.alert()) {
            return;
        }
        let trouble = Trouble::of(&mut troubled, item);
        trouble.provider = Some(provider.clone());
        trouble.unwritten = true;
        self.changed.notify_one();
    }

    /// Something is wrong with an alert, or with what it makes of an event.
    pub fn complain(&self, alert: &Alert, event: Event) {
        warn!(
            kind = "Alert",
            namespace = alert.namespace(),
            name = alert.name_any(),
            reason = event.reason,
            "{}",
            event.message
        );
        self.recorder.publish(subject::<Alert>(&alert.metadata), event);
    }

    fn trouble(&self, provider: &Key, item: &Item, problem: &str, dead: i64) {
        let (key, event) = (item.alert(), &item.event);
        let object = format!("{}/{}/{}", event.kind(), event.namespace(), event.name());
        error!(
            kind = "Alert",
            namespace = key.namespace,
            name = key.name,
            object,
            error = problem,
            "{}",
            if dead > 0 {
                "message given up"
            } else {
                "message not sent, trying again"
            }
        );
        let Some(alert) = self.alert(item) else { return };
        let text = format!("failed to send notification for {object}: {problem}");
        let told = Event::warning(reason::NOTIFICATION_DISPATCH_FAILED, text);
        self.recorder.publish(subject::<Alert>(&alert.metadata), told);
        let mut troubled = self.lock();
        let trouble = Trouble::of(&mut troubled, item);
        trouble.provider = Some(provider.clone());
        trouble.dead += dead;
        trouble.failure = Some(DeliveryFailure {
            message: problem.to_owned(),
            object,
            reason: event.reason.clone(),
            time: conditions::now(),
        });
        trouble.unwritten = true;
        self.changed.notify_one();
    }

    /// Writes the statuses of alerts that changed, for ever.
    pub async fn write(&self, client: Client) {
        loop {
            self.changed.notified().await;
            tokio::time::sleep(PAUSE).await;
            for (key, trouble) in self.unwritten() {
                let alert = self.alerts.get(&key);
                let Some(alert) = alert.filter(|alert| alert.uid().as_deref() == Some(&*trouble.uid)) else {
                    self.forget(&key, &trouble.uid);
                    continue;
                };
                let provider = trouble.provider.as_ref();
                let waiting = provider.map_or(0, |provider| self.outbox.waiting(provider, &key));
                let old = alert.status.clone().unwrap_or_default();
                let new = trouble.status(&old, self.leads().then_some(waiting));
                if !self.patch(&client, &key, &alert, (&old, &new)).await {
                    self.put_back(&key, &trouble);
                } else if waiting == 0 {
                    self.calm(&key);
                }
            }
        }
    }

    fn unwritten(&self) -> Vec<(Key, Trouble)> {
        let mut troubled = self.lock();
        let unwritten = troubled.iter_mut().filter(|(_, trouble)| trouble.unwritten);
        unwritten
            .map(|(key, trouble)| (key.clone(), trouble.take()))
            .collect()
    }

    /// Writes what is another now, unless somebody else wrote since the old status was read: his counts stay.
    async fn patch(
        &self,
        client: &Client,
        key: &Key,
        alert: &Alert,
        (old, new): (&AlertStatus, &AlertStatus),
    ) -> bool {
        let Some(difference) = difference(&json!(old), &json!(new)) else {
            return true;
        };
        let api: Api<Alert> = Api::namespaced(client.clone(), &key.namespace);
        let body = json!({
            "metadata": {"uid": alert.uid(), "resourceVersion": alert.resource_version()},
            "status": difference,
        });
        let params = PatchParams {
            field_manager: Some("notification-controller".into()),
            ..Default::default()
        };
        match api.patch_status(&key.name, &params, &Patch::Merge(body)).await {
            Ok(mut written) => {
                written.metadata.managed_fields = None;
                self.alerts.put(written);
                true
            }
            // The alert is gone, or its definition is Flux's, which has no status.
            Err(kube::Error::Api(status)) if status.code == 404 => true,
            // The watch is about to show what it is now, or that it is another.
            Err(kube::Error::Api(status)) if status.code == 409 => false,
            Err(problem) => {
                warn!(
                    namespace = key.namespace,
                    name = key.name,
                    error = chain(&problem),
                    "cannot write the alert's status"
                );
                false
            }
        }
    }

    fn put_back(&self, key: &Key, unwritten: &Trouble) {
        let mut troubled = self.lock();
        let same = troubled
            .get_mut(key)
            .filter(|trouble| trouble.uid == unwritten.uid);
        if let Some(trouble) = same {
            trouble.dead += unwritten.dead;
            trouble.unwritten = true;
            self.changed.notify_one();
        }
    }

    fn calm(&self, key: &Key) {
        let mut troubled = self.lock();
        if troubled.get(key).is_some_and(|trouble| !trouble.unwritten) {
            troubled.remove(key);
        }
    }

    fn forget(&self, key: &Key, uid: &str) {
        let mut troubled = self.lock();
        if troubled.get(key).is_some_and(|trouble| trouble.uid == uid) {
            troubled.remove(key);
        }
    }

    /// The alert of a message, unless it is another by now.
    fn alert(&self, item: &Item) -> Option<Arc<Alert>> {
        let alert = self.alerts.get(&item.alert());
        alert.filter(|alert| alert.uid().as_deref() == Some(&*item.alert_uid))
    }

    fn leads(&self) -> bool {
        self.leads.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Trouble>> {
        self.troubled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trouble {
    /// That of a message's alert.
    fn of<'a>(troubled: &'a mut HashMap<Key, Self>, item: &Item) -> &'a mut Self {
        let trouble = troubled.entry(item.alert()).or_default();
        if trouble.uid != item.alert_uid {
            *trouble = Self {
                uid: item.alert_uid.clone(),
                ..Self::default()
            };
        }
        trouble
    }

    /// What is to be written of it now.
    fn take(&mut self) -> Self {
        self.unwritten = false;
        Self {
            uid: self.uid.clone(),
            provider: self.provider.clone(),
            dead: std::mem::take(&mut self.dead),
            failure: self.failure.clone(),
            unwritten: true,
        }
    }

    /// The status after it, with how many messages wait if that is known here. Several replicas may have failures: the last counts.
    fn status(&self, old: &AlertStatus, waiting: Option<i64>) -> AlertStatus {
        let failures = self.failure.iter().chain(&old.last_failure);
        AlertStatus {
            dead_letters: old.dead_letters.saturating_add(self.dead),
            // Of two of one second the first, ours.
            last_failure: failures.rev().max_by_key(|failure| failure.time.0).cloned(),
            waiting: waiting.unwrap_or(old.waiting),
        }
    }
}

#[cfg(test)]
mod tests;
