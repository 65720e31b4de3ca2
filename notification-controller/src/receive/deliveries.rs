//! What was delivered lately, so that a request that is sent twice has its effect once. Bounded, in memory.

use super::{path, validate::Version};
use runtime::Key;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// So long a delivery is remembered; senders try again within minutes.
const WINDOW: Duration = Duration::from_secs(600);
/// So many are remembered, of all Receivers together.
const REMEMBERED: usize = 8192;

/// A delivery: to whom, under which number of the sender's, and what. Senders do not sign the number: the same number
/// with other content is another delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delivery([u8; 32]);

impl Delivery {
    /// A delivery to a Receiver, as its sender numbers it.
    pub fn new(receiver: &Key, version: &Version, number: &str, body: &[u8]) -> Self {
        let mut digest = Sha256::new();
        for part in [
            path::PREFIX,
            &receiver.namespace,
            &receiver.name,
            &version.uid,
            number,
        ] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.update(version.generation.to_be_bytes());
        digest.update(body);
        Self(digest.finalize().into())
    }
}

/// The deliveries whose effect was had.
#[derive(Debug, Default)]
pub struct Deliveries(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    since: HashMap<Delivery, Instant>,
    order: VecDeque<(Instant, Delivery)>,
}

impl Deliveries {
    /// Whether its effect was had already.
    pub fn knows(&self, delivery: &Delivery, now: Instant) -> bool {
        let mut known = self.lock();
        known.forget(now, REMEMBERED);
        known.since.contains_key(delivery)
    }

    /// Remembers that its effect was had.
    pub fn add(&self, delivery: Delivery, now: Instant) {
        let mut known = self.lock();
        known.forget(now, REMEMBERED - 1);
        if known.since.insert(delivery, now).is_none() {
            known.order.push_back((now, delivery));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn forget(&mut self, now: Instant, most: usize) {
        while let Some((since, delivery)) = self.order.front() {
            if self.order.len() <= most && now.duration_since(*since) < WINDOW {
                return;
            }
            self.since.remove(delivery);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(generation: i64) -> Version {
        Version {
            uid: "uid".into(),
            generation,
        }
    }

    fn delivery(number: &str, body: &str) -> Delivery {
        Delivery::new(&Key::new("ns", "hook"), &version(1), number, body.as_bytes())
    }

    #[test]
    fn a_delivery_is_known_for_a_while() {
        let (deliveries, now) = (Deliveries::default(), Instant::now());
        deliveries.add(delivery("1", "a"), now);
        assert!(deliveries.knows(&delivery("1", "a"), now));
        assert!(
            !deliveries.knows(&delivery("1", "b"), now),
            "the number alone proves nothing"
        );
        assert!(!deliveries.knows(&delivery("2", "a"), now));
        let (hook, other) = (Key::new("ns", "hook"), Key::new("ns", "other"));
        assert!(!deliveries.knows(&Delivery::new(&other, &version(1), "1", b"a"), now));
        assert!(
            !deliveries.knows(&Delivery::new(&hook, &version(2), "1", b"a"), now),
            "a Receiver that was changed makes something else of it"
        );
        assert!(!deliveries.knows(&delivery("1", "a"), now + WINDOW));
    }

    #[test]
    fn memory_is_bounded() {
        let (deliveries, now) = (Deliveries::default(), Instant::now());
        for n in 0..REMEMBERED + 100 {
            deliveries.add(delivery(&n.to_string(), ""), now);
        }
        let known = deliveries.lock();
        assert_eq!((known.since.len(), known.order.len()), (REMEMBERED, REMEMBERED));
    }
}
