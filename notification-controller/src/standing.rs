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
    telemetry::chain,
    watch::Store,
};
use serde_json::json;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    troubled: Mutex<HashMap<Key, Trouble>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Trouble {
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
            troubled: Mutex::default(),
            changed: Notify::new(),
        }
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
        let alert = item.alert();
        let mut troubled = self.lock();
        // What an earlier process said of it has to be put right as well.
        let said = self
            .alerts
            .get(&alert)
            .and_then(|alert| alert.status.as_ref().map(|status| status.waiting));
        if !troubled.contains_key(&alert) && said.unwrap_or_default() == 0 {
            return;
        }
        let trouble = troubled.entry(alert).or_default();
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
        let (alert, event) = (item.alert(), &item.event);
        let object = format!("{}/{}/{}", event.kind(), event.namespace(), event.name());
        error!(
            kind = "Alert",
            namespace = alert.namespace,
            name = alert.name,
            object,
            error = problem,
            "{}",
            if dead > 0 {
                "message given up"
            } else {
                "message not sent, trying again"
            }
        );
        if let Some(alert) = self.alerts.get(&alert) {
            let text = format!("failed to send notification for {object}: {problem}");
            let event = Event::warning(reason::NOTIFICATION_DISPATCH_FAILED, text);
            self.recorder.publish(subject::<Alert>(&alert.metadata), event);
        }
        let mut troubled = self.lock();
        let trouble = troubled.entry(alert).or_default();
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
            for (key, provider, dead, failure) in self.unwritten() {
                let Some(alert) = self.alerts.get(&key) else {
                    self.lock().remove(&key);
                    continue;
                };
                let waiting = provider.map_or(0, |provider| self.outbox.waiting(&provider, &key));
                let old = alert.status.clone().unwrap_or_default();
                let new = AlertStatus {
                    dead_letters: old.dead_letters.saturating_add(dead),
                    last_failure: failure.or_else(|| old.last_failure.clone()),
                    waiting,
                };
                if new != old && !self.patch(&client, &key, &alert, &new).await {
                    self.put_back(&key, dead);
                } else if waiting == 0 {
                    self.calm(&key);
                }
            }
        }
    }

    fn unwritten(&self) -> Vec<(Key, Option<Key>, i64, Option<DeliveryFailure>)> {
        let mut troubled = self.lock();
        let unwritten = troubled.iter_mut().filter(|(_, trouble)| trouble.unwritten);
        unwritten
            .map(|(key, trouble)| {
                trouble.unwritten = false;
                let dead = std::mem::take(&mut trouble.dead);
                (
                    key.clone(),
                    trouble.provider.clone(),
                    dead,
                    trouble.failure.clone(),
                )
            })
            .collect()
    }

    async fn patch(&self, client: &Client, key: &Key, alert: &Alert, status: &AlertStatus) -> bool {
        let api: Api<Alert> = Api::namespaced(client.clone(), &key.namespace);
        let waiting = (status.waiting > 0).then_some(status.waiting);
        let dead = (status.dead_letters > 0).then_some(status.dead_letters);
        let body = json!({
            "metadata": {"uid": alert.uid()},
            "status": {"waiting": waiting, "deadLetters": dead, "lastFailure": status.last_failure},
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
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => true,
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

    fn put_back(&self, key: &Key, dead: i64) {
        if let Some(trouble) = self.lock().get_mut(key) {
            trouble.dead += dead;
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

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Trouble>> {
        self.troubled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
