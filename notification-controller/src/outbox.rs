//! What waits to be sent, by Provider: in order, bounded, and put together where an alert asks for it.

mod aside;
#[cfg(test)]
pub mod example;
mod item;
mod lane;
mod parts;
mod unsaved;

pub use aside::Refused;
pub use item::Item;
use jiff::Timestamp;
use lane::Lane;
pub use parts::PARTS;
use runtime::Key;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};
pub use unsaved::Part;

/// So many messages may wait for one Provider; the oldest make room.
pub const LANE_ITEMS: usize = 2000;
/// So many bytes of messages may wait for one Provider: whatever their sizes, its parts have room for them. So many bytes of what has
/// left for another may still be saved with it.
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
    /// The parts of lanes that are to be saved.
    changed: BTreeSet<(Key, u8)>,
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
        let items = items.into_iter().map(|(mut item, hold)| {
            item.held = hold.is_some();
            if !item.held {
                item.causes = Vec::new();
            }
            (Arc::new(item.fitting()), hold)
        });
        let posted = self.lock().post(provider, items, now);
        self.unsaved.notify_one();
        posted
    }

    /// Puts in what an earlier process has saved in these parts. It leaves in the order in which it came, and stays saved where it is:
    /// what came before it in this process, and was saved nowhere, has its place beside it.
    pub fn resume(
        &self,
        provider: &Key,
        items: impl IntoIterator<Item = (u8, Item, Option<Duration>)>,
        now: Instant,
    ) -> Posted {
        let mut guard = self.lock();
        let inside = &mut *guard;
        let lane = inside.lanes.entry(provider.clone()).or_default();
        let before = lane.clear_places();
        let mut new = Vec::new();
        for (part, item, hold) in items {
            let is_new = !before.iter().any(|known| known.is(&item.key, &item.alert_uid));
            let item = Arc::new(item);
            lane.parts.pin(&item, part);
            new.extend(is_new.then_some((item, hold)));
        }
        for item in before {
            let part = lane.parts.put(&item);
            inside.changed.insert((provider.clone(), part));
        }
        for (item, hold) in new {
            lane.take(item, hold.map(|hold| now + hold));
        }
        lane.waiting.make_contiguous().sort_by_key(|item| item.since);
        let posted = inside.begin(provider);
        drop(guard);
        self.unsaved.notify_one();
        posted
    }

    /// A message goes to another Provider. It stays saved where it was, too, until it is saved there.
    pub fn moved(&self, from: &Key, to: &Key, item: &Arc<Item>, now: Instant) -> Posted {
        let mut inside = self.lock();
        let Some(lane) = inside.lanes.get_mut(from) else {
            return Posted::default();
        };
        // Unless it had to make room meanwhile.
        if !lane.leave(item) {
            return Posted::default();
        }
        while let Some(oldest) = inside.lanes.get(from).and_then(Lane::left_too_long) {
            inside.forget_left(from, &oldest);
        }
        let posted = inside.post(to, [(item.clone(), None)], now);
        self.unsaved.notify_one();
        posted
    }

    /// What a lane has to do now.
    pub fn next(&self, provider: &Key, now: Instant) -> Next {
        let mut inside = self.lock();
        let Some(lane) = inside.lanes.get_mut(provider) else {
            return Next::Nothing;
        };
        lane.release(now, Timestamp::now());
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
        lane.at_work = false;
        inside.drop_empty(provider);
        Next::Nothing
    }

    /// Takes out a message that is done with; not one like it that has come back meanwhile.
    pub fn done(&self, provider: &Key, item: &Arc<Item>) {
        let mut guard = self.lock();
        let inside = &mut *guard;
        if let Some(lane) = inside.lanes.get_mut(provider) {
            let at = lane.waiting.iter().position(|waiting| Arc::ptr_eq(waiting, item));
            if at.and_then(|at| lane.waiting.remove(at)).is_some() {
                lane.asides.forget(item);
                inside.changed.extend(lane.lose(provider, item));
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

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// Puts messages in, and sees to it that there is room for them.
    fn post(
        &mut self,
        provider: &Key,
        items: impl IntoIterator<Item = (Arc<Item>, Option<Duration>)>,
        now: Instant,
    ) -> Posted {
        let lane = self.lanes.entry(provider.clone()).or_default();
        for (item, hold) in items {
            if let Some(back) = lane.come_back(&item) {
                lane.waiting.push_back(back);
                continue;
            }
            // What an earlier process saved may be told again by an object's status.
            if lane.parts.hold(&item) {
                continue;
            }
            self.changed.insert((provider.clone(), lane.parts.put(&item)));
            lane.take(item, hold.map(|hold| now + hold));
        }
        self.begin(provider)
    }

    /// What there is to do for whoever has put something into a lane.
    fn begin(&mut self, provider: &Key) -> Posted {
        let lane = self.lanes.entry(provider.clone()).or_default();
        lane.bell.notify_one();
        let new_lane = !std::mem::replace(&mut lane.at_work, true);
        let given_up = self.make_room(provider);
        Posted { new_lane, given_up }
    }

    /// Gives up the oldest messages of a lane that is too long, and of the longest lanes where a namespace's or all are.
    fn make_room(&mut self, provider: &Key) -> Vec<(Key, Arc<Item>)> {
        let mut given_up = Vec::new();
        while let Some(key) = self.too_long(provider) {
            let Some(lane) = self.lanes.get_mut(&key) else {
                break;
            };
            let Some(oldest) = lane.give_up() else { break };
            self.changed.extend(lane.lose(&key, &oldest));
            given_up.push((key, oldest));
        }
        given_up
    }

    /// Forgets what has left a lane, unless it has come back.
    fn forget_left(&mut self, provider: &Key, item: &Arc<Item>) {
        let Some(lane) = self.lanes.get_mut(provider) else {
            return;
        };
        if lane.forget_left(item) {
            self.changed.extend(lane.lose(provider, item));
        }
        self.drop_empty(provider);
    }

    /// Forgets a lane that nobody works on and of which nothing is saved.
    fn drop_empty(&mut self, provider: &Key) {
        let is_over = |lane: &Lane| !lane.at_work && lane.left.is_empty();
        if self.lanes.get(provider).is_some_and(is_over) {
            self.lanes.remove(provider);
        }
    }

    /// The lane that has to make room, if one has.
    fn too_long(&self, provider: &Key) -> Option<Key> {
        let own = self.lanes.get(provider)?;
        if own.all().count() > LANE_ITEMS || own.bytes() > LANE_BYTES {
            return Some(provider.clone());
        }
        let mut by_namespace = BTreeMap::<&str, usize>::new();
        for (key, lane) in &self.lanes {
            *by_namespace.entry(&key.namespace).or_default() += lane.bytes();
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
        let longest = lanes.max_by_key(|(_, lane)| lane.bytes());
        longest.map(|(key, _)| key.clone())
    }
}

#[cfg(test)]
mod tests;
