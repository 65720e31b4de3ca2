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
/// So many are remembered of the Receivers of a namespace: who sends many, has only those of his own forgotten.
const REMEMBERED: usize = 2048;
/// So many are remembered in all; the namespace with most of them makes room.
const IN_ALL: usize = 65_536;

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

/// The deliveries whose effect was had, by namespace of the Receiver.
#[derive(Debug, Default)]
pub struct Deliveries(Mutex<HashMap<String, Known>>);

#[derive(Debug, Default)]
struct Known {
    since: HashMap<Delivery, Instant>,
    order: VecDeque<(Instant, Delivery)>,
}

impl Deliveries {
    /// Whether its effect was had already.
    pub fn knows(&self, namespace: &str, delivery: &Delivery, now: Instant) -> bool {
        let mut all = self.lock();
        let Some(known) = all.get_mut(namespace) else {
            return false;
        };
        known.forget(now, REMEMBERED);
        known.since.contains_key(delivery)
    }

    /// Remembers that its effect was had.
    pub fn add(&self, namespace: &str, delivery: Delivery, now: Instant) {
        let mut all = self.lock();
        if !all.contains_key(namespace) {
            all.retain(|_, known| {
                known.forget(now, REMEMBERED);
                !known.order.is_empty()
            });
        }
        let known = all.entry(namespace.to_owned()).or_default();
        known.forget(now, REMEMBERED - 1);
        if known.since.insert(delivery, now).is_none() {
            known.order.push_back((now, delivery));
        }
        let count: usize = all.values().map(|known| known.order.len()).sum();
        if count > IN_ALL
            && let Some(most) = all.values_mut().max_by_key(|known| known.order.len())
        {
            let room = most.order.len() - 1;
            most.forget(now, room);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
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
        deliveries.add("ns", delivery("1", "a"), now);
        assert!(deliveries.knows("ns", &delivery("1", "a"), now));
        assert!(
            !deliveries.knows("ns", &delivery("1", "b"), now),
            "the number alone proves nothing"
        );
        assert!(!deliveries.knows("ns", &delivery("2", "a"), now));
        let (hook, other) = (Key::new("ns", "hook"), Key::new("ns", "other"));
        assert!(!deliveries.knows("ns", &Delivery::new(&other, &version(1), "1", b"a"), now));
        assert!(
            !deliveries.knows("ns", &Delivery::new(&hook, &version(2), "1", b"a"), now),
            "a Receiver that was changed makes something else of it"
        );
        assert!(!deliveries.knows("ns", &delivery("1", "a"), now + WINDOW));
    }

    #[test]
    fn nobody_has_the_deliveries_of_others_forgotten() {
        let (deliveries, now) = (Deliveries::default(), Instant::now());
        deliveries.add("quiet", delivery("1", "a"), now);
        for n in 0..10_000 {
            deliveries.add("loud", delivery(&n.to_string(), ""), now);
        }
        assert!(deliveries.knows("quiet", &delivery("1", "a"), now));
        assert!(!deliveries.knows("loud", &delivery("1", "a"), now));
        assert_eq!(deliveries.lock()["loud"].order.len(), REMEMBERED);
    }

    #[test]
    fn memory_is_bounded() {
        let (deliveries, now) = (Deliveries::default(), Instant::now());
        deliveries.add("quiet", delivery("1", "a"), now);
        for tenant in 0..IN_ALL / REMEMBERED + 2 {
            for n in 0..REMEMBERED {
                deliveries.add(&tenant.to_string(), delivery(&n.to_string(), ""), now);
            }
        }
        let count = |known: &Known| {
            assert_eq!(known.since.len(), known.order.len());
            known.order.len()
        };
        assert_eq!(deliveries.lock().values().map(count).sum::<usize>(), IN_ALL);
        assert!(
            deliveries.knows("quiet", &delivery("1", "a"), now),
            "it has the least"
        );
        deliveries.add("new", delivery("1", "a"), now + WINDOW);
        assert_eq!(deliveries.lock().len(), 1, "what is over is forgotten");
    }
}
