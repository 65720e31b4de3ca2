//! What waits to be sent, by Provider: in order, bounded, and put together where an alert asks for it.

mod aside;
#[cfg(test)]
pub mod example;
mod item;
mod lane;
mod parts;

use crate::group;
pub use aside::Refused;
pub use item::Item;
use lane::{Held, Lane};
use parts::PARTS;
use runtime::Key;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// So many messages may wait for one Provider; the oldest make room.
pub const LANE_ITEMS: usize = 2000;
/// So many bytes of messages may wait for one Provider: whatever their sizes, its parts have room for them.
pub const LANE_BYTES: usize = 3 << 20;
/// So many bytes may wait for all Providers of a namespace, and for all there are; the longest lane makes room, of the namespace with
/// most.
pub const NAMESPACE_BYTES: usize = 12 << 20;
/// See [`NAMESPACE_BYTES`].
pub const ALL_BYTES: usize = 48 << 20;

/// Messages by Provider.
#[derive(Debug, Default)]
pub struct Outbox {
    inside: Mutex<Inside>,
    /// Wakes whoever saves.
    pub unsaved: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    lanes: HashMap<Key, Lane>,
    /// The parts of lanes that are to be saved, and whether something was put in.
    changed: Changed,
}

type Changed = BTreeMap<(Key, u8), bool>;

/// Notes that a part of a lane is to be saved.
fn note(changed: &mut Changed, provider: &Key, part: u8, has_gained: bool) {
    *changed.entry((provider.clone(), part)).or_default() |= has_gained;
}

/// A part of a lane as it is to be saved.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The Provider.
    pub provider: Key,
    /// Which of its parts.
    pub number: u8,
    /// All that is in it.
    pub items: Vec<Arc<Item>>,
    /// Whether something was put in, which may have been taken from another: that one waits until this is saved.
    pub has_gained: bool,
}

/// What a lane has to do.
#[derive(Debug, Clone)]
pub enum Next {
    /// This is to be sent.
    Send(Arc<Item>),
    /// Nothing before this time, unless the bell rings.
    Wait(Instant, Arc<Notify>),
    /// Nothing is left, and the lane is gone.
    Nothing,
}

/// What became of a message that was put in.
#[derive(Debug, Default)]
pub struct Posted {
    /// Whether nobody works on the lane yet.
    pub new_lane: bool,
    /// What had to make room.
    pub given_up: Vec<(Key, Arc<Item>)>,
}

impl Outbox {
    /// Puts messages in, all of them before any of them leaves. One with a time is held back for so long that others join it.
    pub fn post(
        &self,
        provider: &Key,
        items: impl IntoIterator<Item = (Item, Option<Duration>)>,
        now: Instant,
    ) -> Posted {
        let mut guard = self.lock();
        let inside = &mut *guard;
        let new_lane = !inside.lanes.contains_key(provider);
        let lane = inside.lanes.entry(provider.clone()).or_default();
        for (mut item, hold) in items {
            item.held = hold.is_some();
            if !item.held {
                item.causes = Vec::new();
            }
            let item = Arc::new(item.fitting());
            // What an earlier process saved may be told again by an object's status.
            if lane.parts.hold(&item) {
                continue;
            }
            note(&mut inside.changed, provider, lane.parts.put(&item), true);
            match hold {
                None => lane.waiting.push_back(item),
                Some(hold) => lane.hold(Held {
                    like: group::Like::of(&item),
                    due: now + hold,
                    items: vec![item],
                }),
            }
        }
        lane.bell.notify_one();
        let given_up = inside.make_room(provider);
        self.unsaved.notify_one();
        Posted { new_lane, given_up }
    }

    /// Puts in what an earlier process has saved, in the order of its parts: none moves to a later one. It leaves in the order in
    /// which it came.
    pub fn resume(
        &self,
        provider: &Key,
        items: impl IntoIterator<Item = (Item, Option<Duration>)>,
        now: Instant,
    ) -> Posted {
        let posted = self.post(provider, items, now);
        let mut inside = self.lock();
        // What is where has to be written anew, and what is not there any more.
        for part in 0..PARTS {
            note(&mut inside.changed, provider, part, false);
        }
        if let Some(lane) = inside.lanes.get_mut(provider) {
            lane.waiting.make_contiguous().sort_by_key(|item| item.since);
        }
        posted
    }

    /// What a lane has to do now.
    pub fn next(&self, provider: &Key, now: Instant) -> Next {
        let mut inside = self.lock();
        let Some(lane) = inside.lanes.get_mut(provider) else {
            return Next::Nothing;
        };
        lane.release(now);
        let due = lane.held.iter().map(|held| held.due).min();
        let due = match lane.asides.choose(&lane.waiting, now) {
            Ok(item) => {
                lane.under_way = Some(item.clone());
                return Next::Send(item.clone());
            }
            Err(until) => until.into_iter().chain(due).min(),
        };
        if let Some(due) = due {
            return Next::Wait(due, lane.bell.clone());
        }
        inside.lanes.remove(provider);
        Next::Nothing
    }

    /// Takes out a message that is done with.
    pub fn done(&self, provider: &Key, key: &str, alert_uid: &str) {
        let mut guard = self.lock();
        let inside = &mut *guard;
        if let Some(lane) = inside.lanes.get_mut(provider) {
            let mut waiting = lane.waiting.iter();
            let at = waiting.position(|item| item.key == key && item.alert_uid == alert_uid);
            if let Some(item) = at.and_then(|at| lane.waiting.remove(at)) {
                lane.asides.forget(&item);
                for part in lane.parts.remove(&item) {
                    note(&mut inside.changed, provider, part, false);
                }
            }
            lane.under_way = None;
        }
        self.unsaved.notify_one();
    }

    /// Notes that the service takes messages.
    pub fn arrived(&self, provider: &Key) {
        if let Some(lane) = self.lock().lanes.get_mut(provider) {
            lane.asides.arrived();
        }
    }

    /// Notes that a message was refused, which waits for so long after so many refusals if others can be tried. Statuses of commits
    /// pass those of other commits.
    pub fn refused(
        &self,
        provider: &Key,
        (item, by_commit): (&Item, bool),
        now: Instant,
        pause: impl Fn(u32) -> Duration,
    ) -> Refused {
        let mut inside = self.lock();
        match inside.lanes.get_mut(provider) {
            Some(lane) if lane.waiting.iter().any(|waiting| std::ptr::eq(&**waiting, item)) => {
                lane.asides.refused((item, by_commit), &lane.waiting, now, pause)
            }
            // It had to make room meanwhile.
            _ => Refused {
                failures: 1,
                others: true,
            },
        }
    }

    /// What was refused may be taken now, as the Provider is another.
    pub fn forgive(&self, provider: &Key) {
        if let Some(lane) = self.lock().lanes.get_mut(provider) {
            lane.asides.forgive();
        }
    }

    /// Whether a message waits.
    pub fn holds(&self, provider: &Key, key: &str) -> bool {
        let inside = self.lock();
        let lane = inside.lanes.get(provider);
        lane.is_some_and(|lane| lane.all().any(|item| item.key == key))
    }

    /// How many messages of an alert wait.
    pub fn waiting(&self, provider: &Key, alert: &Key) -> i64 {
        let inside = self.lock();
        let of = |item: &&Arc<Item>| item.alert_name == alert.name && item.alert_namespace == alert.namespace;
        let lane = inside.lanes.get(provider);
        let count = lane.map_or(0, |lane| lane.all().filter(of).count());
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// The parts of lanes that have changed since this was asked last, with all that is to be saved in them; those in which something
    /// was put come first.
    pub fn changed(&self) -> Vec<Part> {
        let mut inside = self.lock();
        let changed = std::mem::take(&mut inside.changed);
        let saved = |provider: &Key, number| {
            let lane = inside.lanes.get(provider);
            lane.map(|lane| lane.parts.saved(lane.all(), number))
                .unwrap_or_default()
        };
        let parts = changed.into_iter().map(|((provider, number), has_gained)| Part {
            items: saved(&provider, number),
            provider,
            number,
            has_gained,
        });
        let mut parts: Vec<Part> = parts.collect();
        parts.sort_by_key(|part| !part.has_gained);
        parts
    }

    /// Says that a part of a lane has yet to be saved as it is.
    pub fn touch(&self, part: &Part) {
        note(
            &mut self.lock().changed,
            &part.provider,
            part.number,
            part.has_gained,
        );
        self.unsaved.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// Gives up the oldest messages of a lane that is too long, and of the longest lanes where a namespace's or all are.
    fn make_room(&mut self, provider: &Key) -> Vec<(Key, Arc<Item>)> {
        let mut given_up = Vec::new();
        while let Some(lane) = self.too_long(provider) {
            let Some(oldest) = self.lanes.get_mut(&lane).and_then(Lane::give_up) else {
                break;
            };
            let parts = self.lanes.get_mut(&lane).map(|of| of.parts.remove(&oldest));
            for part in parts.into_iter().flatten() {
                note(&mut self.changed, &lane, part, false);
            }
            given_up.push((lane, oldest));
        }
        given_up
    }

    /// The lane that has to make room, if one has.
    fn too_long(&self, provider: &Key) -> Option<Key> {
        let own = self.lanes.get(provider)?;
        if own.all().count() > LANE_ITEMS || own.parts.bytes() > LANE_BYTES {
            return Some(provider.clone());
        }
        let mut by_namespace = BTreeMap::<&str, usize>::new();
        for (key, lane) in &self.lanes {
            *by_namespace.entry(&key.namespace).or_default() += lane.parts.bytes();
        }
        let own = by_namespace.get(&*provider.namespace).copied();
        if own.is_some_and(|own| own > NAMESPACE_BYTES) {
            return self.longest(&provider.namespace);
        }
        let all: usize = by_namespace.values().sum();
        let largest = by_namespace.into_iter().max_by_key(|(_, bytes)| *bytes);
        // Who has little is not to make room for who has much, however many lanes that is spread over.
        largest
            .filter(|_| all > ALL_BYTES)
            .and_then(|(namespace, _)| self.longest(namespace))
    }

    fn longest(&self, namespace: &str) -> Option<Key> {
        let lanes = self.lanes.iter().filter(|(key, _)| key.namespace == namespace);
        let longest = lanes.max_by_key(|(_, lane)| lane.parts.bytes());
        longest.map(|(key, _)| key.clone())
    }
}

#[cfg(test)]
mod tests;
