//! A lane at work: what waits for a Provider is sent, one message after the other, and tried again until it has arrived or it is too
//! late.

use super::{Dispatch, apart::apart, pace::Pace};
use crate::{
    message::{self, Again, DeliveryError, Letter, Sent, is_commit_status, wants},
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
/// The longest pause while there are messages that were not refused yet: it may be only some that the service refuses.
const PAUSE_BETWEEN: Duration = Duration::from_secs(10);
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
    pub(super) async fn work(self: &Arc<Self>, provider: &Key) {
        let mut known = self.version(provider);
        loop {
            // Before the look, so that no change falls between the two.
            let changed = self.repaired.notified();
            let version = self.version(provider);
            if version != known {
                self.outbox.forgive(provider);
                known = version.clone();
            }
            let item = match self.outbox.next(provider, Instant::now()) {
                Next::Send(item) => item,
                Next::Wait(until, bell) => {
                    tokio::select! {
                        _ = tokio::time::timeout_at(until, bell.notified()) => {}
                        () = changed => {}
                    }
                    continue;
                }
                Next::Nothing => return,
            };
            let (this, key, sent) = (self.clone(), provider.clone(), item.clone());
            let error = match apart(async move { this.attempt(&key, &sent).await }).await {
                Ok(()) => None,
                Err(error) if error.again != Again::Never && !self.too_late(&item) => Some(error),
                Err(error) => {
                    self.give_up(provider, &item, error);
                    None
                }
            };
            let Some(error) = error else {
                self.outbox.done(provider, &item);
                let waits_at = self.moved(provider, &item);
                self.standing
                    .settled(waits_at.as_ref().unwrap_or(provider), &item);
                continue;
            };
            self.counts.failed.inc();
            self.standing.failed(provider, &item, &error.message);
            if let Some(pause) = self.refused(provider, &item, error.again) {
                self.rest(provider, &item, version, pause).await;
            }
        }
    }

    /// How long a lane pauses after a failure, if it does.
    fn refused(&self, provider: &Key, item: &Item, again: Again) -> Option<Duration> {
        // Who says when to come back means all that it is sent.
        if let Again::After(asked) = again {
            return Some(jittered(asked.max(PAUSES.0)));
        }
        let by_commit = self.kind(provider).is_some_and(is_commit_status);
        let refused = self
            .outbox
            .refused(provider, (item, by_commit), Instant::now(), pause);
        let longest = match refused.others {
            true => PAUSE_BETWEEN,
            false => PAUSES.1,
        };
        (refused.failures > 0).then(|| jittered(pause_up_to(refused.failures, longest)))
    }

    /// Pauses, unless the Provider becomes another one, or the message another's: what failed may work then.
    async fn rest(&self, provider: &Key, item: &Item, version: Option<String>, pause: Duration) {
        let until = Instant::now() + pause;
        loop {
            // Before the look, so that no change falls between the two.
            let changed = self.repaired.notified();
            let is_other = self.version(provider) != version || self.moved(provider, item).is_some();
            if is_other || tokio::time::timeout_at(until, changed).await.is_err() {
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
    async fn attempt(self: &Arc<Self>, key: &Key, item: &Arc<Item>) -> Result<(), DeliveryError> {
        loop {
            if let Some(other) = self.moved(key, item) {
                let posted = self.outbox.moved(key, &other, item, Instant::now());
                self.posted(&other, posted);
                return Ok(());
            }
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

    /// The Provider that an alert names now, if it is another: whoever repairs an alert in this way is told what has waited.
    fn moved(&self, key: &Key, item: &Item) -> Option<Key> {
        let alert = self.wanting(item)?;
        let named = &alert.spec.provider_ref.name;
        (*named != key.name).then(|| Key::new(&*key.namespace, &**named))
    }

    /// The alert that a message is of, if it still wants it told.
    fn wanting(&self, item: &Item) -> Option<Arc<Alert>> {
        let alert = self.alerts.get(&item.alert())?;
        (!alert.spec.suspend && alert.uid().as_deref() == Some(&*item.alert_uid)).then_some(alert)
    }

    /// Whose message it is and who is told of it, if he still is to be.
    fn wanted(&self, key: &Key, item: &Item) -> Result<Option<Parties>, DeliveryError> {
        let Some(alert) = self.wanting(item) else {
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
                self.outbox.arrived(key);
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
fn pause(failures: u32) -> Duration {
    jittered(pause_up_to(failures, PAUSES.1))
}

fn pause_up_to(failures: u32, longest: Duration) -> Duration {
    let doubled = 1 << failures.saturating_sub(1).min(16);
    PAUSES.0.saturating_mul(doubled).min(longest)
}

fn jittered(pause: Duration) -> Duration {
    jitter(pause, 10, rand::random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_their_longest() {
        let seconds = |longest| [1, 2, 3, 4, 9, 10, 4000].map(|n| pause_up_to(n, longest).as_secs());
        assert_eq!(seconds(PAUSES.1), [1, 2, 4, 8, 256, 300, 300]);
        assert_eq!(seconds(PAUSE_BETWEEN), [1, 2, 4, 8, 10, 10, 10]);
        for _ in 0..100 {
            let third = pause(3);
            assert!((3.6..=4.4).contains(&third.as_secs_f64()), "{third:?}");
        }
    }
}
