//! A lane at work: what waits for a Provider is sent, one message after the other, and tried again until it has arrived or it is too
//! late.

use super::{Dispatch, pace::Pace};
use crate::{
    message::{self, Again, DeliveryError, Letter, Sent, wants},
    outbox::{Item, Next},
    provider::{self, Service},
};
use crds::notification::{Alert, Provider};
use jiff::Timestamp;
use kube::ResourceExt as _;
use runtime::{Key, requeue::jitter};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tracing::debug;

/// The first pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// What a Provider's Secrets say is good for so long.
const SERVICE_FOR: Duration = Duration::from_secs(5);

/// A Provider with its Secrets, for a while.
#[derive(Debug, Clone)]
pub(super) struct Known {
    version: Option<String>,
    since: Instant,
    service: Arc<Service>,
}

/// Whose message it is, and who is told of it.
type Parties = (Arc<Alert>, Arc<Provider>);

impl Dispatch {
    /// Sends what waits for a Provider, one message after the other, until nothing is left.
    pub(super) async fn work(&self, provider: &Key) {
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

    /// Sends a message when it is the Provider's turn, unless nobody wants it any more then.
    async fn attempt(&self, key: &Key, item: &Item) -> Result<(), DeliveryError> {
        loop {
            let Some((alert, provider)) = self.wanted(key, item)? else {
                return Ok(());
            };
            let kind = provider.spec.type_;
            if let Some(why) = wants(kind, &item.event, item.marks, item.ends_failure) {
                debug!(key = item.key, why, "not told");
                return Ok(());
            }
            let service = self.service(key, &provider).await?;
            if let Some(pace) = Pace::of(kind)
                && let Err(turn) = self.paces.turn(key, pace, Instant::now())
            {
                tokio::time::sleep_until(turn).await;
                continue;
            }
            return self.deliver(key, &service, &alert, item).await;
        }
    }

    /// Whose message it is and who is told of it, if he still is to be.
    fn wanted(&self, key: &Key, item: &Item) -> Result<Option<Parties>, DeliveryError> {
        let alert = self.alerts.get(&item.alert());
        let wanted = alert.filter(|alert| {
            !alert.spec.suspend
                && alert.spec.provider_ref.name == key.name
                && alert.uid().as_deref() == Some(&*item.alert_uid)
        });
        let Some(alert) = wanted else {
            debug!(key = item.key, "the alert wants it no more");
            return Ok(None);
        };
        let Some(provider) = self.providers.get(key) else {
            return Err(DeliveryError {
                message: format!("Provider '{key}' not found"),
                again: Again::Later,
            });
        };
        Ok((!provider.spec.suspend).then_some((alert, provider)))
    }

    async fn deliver(
        &self,
        key: &Key,
        service: &Service,
        alert: &Alert,
        item: &Item,
    ) -> Result<(), DeliveryError> {
        let letter = Letter {
            event: &item.event,
            alert,
            idempotency_key: &item.key,
            ends_failure: item.ends_failure,
            marks: item.marks,
        };
        match message::deliver(service, letter).await {
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
