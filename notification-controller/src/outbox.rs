//! What waits to be sent, by Provider: in order, bounded, and put together where an alert asks for it.

mod aside;
mod parts;

use crate::{
    event::{Event, Marks},
    group::{self, excerpt},
};
use aside::Asides;
pub use aside::Refused;
use jiff::Timestamp;
use parts::{PARTS, Parts};
use runtime::Key;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// So many messages may wait for one Provider; the oldest make room.
pub const LANE_ITEMS: usize = 2000;
/// So many bytes of messages may wait for one Provider: whatever their sizes, its parts have room for them.
pub const LANE_BYTES: usize = 3 << 20;
/// So many bytes may wait for all Providers of a namespace, and for all there are; the longest lane makes room.
pub const NAMESPACE_BYTES: usize = 12 << 20;
/// See [`NAMESPACE_BYTES`].
pub const ALL_BYTES: usize = 48 << 20;

/// So large a message may be where it is saved, so that no alert's metadata or object's annotations keep others from being saved.
pub const ITEM_BYTES: usize = 256 << 10;
/// The metadata that says that some was left out.
const LEFT_OUT: &str = "metadataLeftOut";

/// A message of an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The same whenever this is sent.
    pub key: String,
    /// It ends a failure that was told before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends_failure: bool,
    /// What decides whether the service is told of it.
    #[serde(default)]
    pub marks: Marks,
    /// The objects that this is put down to, until it is on its way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// It is held back for others to join it, from `since` on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// The alert's namespace.
    pub alert_namespace: String,
    /// The alert's name.
    pub alert_name: String,
    /// The alert's uid.
    pub alert_uid: String,
    /// What happened, with the alert's metadata.
    pub event: Event,
    /// Since when it waits.
    pub since: Timestamp,
}

impl Item {
    /// The alert.
    pub fn alert(&self) -> Key {
        Key::new(&*self.alert_namespace, &*self.alert_name)
    }

    /// The message without the largest of its metadata, if it is too large with them.
    fn fitting(mut self) -> Self {
        let mut too_much = self.bytes().saturating_sub(ITEM_BYTES);
        if too_much == 0 {
            return self;
        }
        let saved = |key: &String, value: &String| json!({ key: value }).to_string().len();
        let metadata = &mut self.event.metadata;
        let mut largest: Vec<(usize, String)> =
            metadata.iter().map(|(k, v)| (saved(k, v), k.clone())).collect();
        largest.sort();
        let mut left_out = Vec::new();
        while too_much > 0
            && let Some((size, key)) = largest.pop()
        {
            metadata.remove(&key);
            too_much = too_much.saturating_sub(size);
            left_out.push(excerpt(&key));
        }
        if !left_out.is_empty() {
            left_out.truncate(20);
            self.event
                .metadata
                .insert(LEFT_OUT.to_owned(), left_out.join(", "));
        }
        self
    }

    /// How large it is where it is saved.
    fn bytes(&self) -> usize {
        serde_json::to_string(self).map_or(0, |text| text.len())
    }
}

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
    changed: BTreeSet<(Key, u8)>,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Arc<Item>>,
    parts: Parts,
    held: Vec<Held>,
    asides: Asides,
    /// What is being sent.
    under_way: Option<Arc<Item>>,
    /// Rung when something is put in.
    bell: Arc<Notify>,
}

/// Messages that are held back until there are more of their kind, or enough time has passed.
#[derive(Debug)]
struct Held {
    like: group::Like,
    due: Instant,
    items: Vec<Arc<Item>>,
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
            inside.changed.insert((provider.clone(), lane.parts.put(&item)));
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
        let all = (0..PARTS).map(|part| (provider.clone(), part));
        inside.changed.extend(all);
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
                let parts = lane.parts.remove(&item);
                inside
                    .changed
                    .extend(parts.into_iter().map(|part| (provider.clone(), part)));
                lane.asides.forget(&item);
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

    /// The parts of lanes that have changed since this was asked last, with all that is to be saved in them.
    pub fn changed(&self) -> Vec<(Key, u8, Vec<Arc<Item>>)> {
        let mut inside = self.lock();
        let changed = std::mem::take(&mut inside.changed);
        let saved = |provider: &Key, part| {
            let lane = inside.lanes.get(provider);
            lane.map(|lane| lane.parts.saved(lane.all(), part))
                .unwrap_or_default()
        };
        changed
            .into_iter()
            .map(|(provider, part)| {
                let items = saved(&provider, part);
                (provider, part, items)
            })
            .collect()
    }

    /// Says that a part of a lane has yet to be saved as it is.
    pub fn touch(&self, provider: &Key, part: u8) {
        self.lock().changed.insert((provider.clone(), part));
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
            if let Some(of) = self.lanes.get_mut(&lane) {
                let parts = of.parts.remove(&oldest);
                self.changed
                    .extend(parts.into_iter().map(|part| (lane.clone(), part)));
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
        let longest = |most: usize, of: &dyn Fn(&Key) -> bool| {
            let lanes = || self.lanes.iter().filter(|(key, _)| of(key));
            let bytes: usize = lanes().map(|(_, lane)| lane.parts.bytes()).sum();
            let longest = lanes().max_by_key(|(_, lane)| lane.parts.bytes());
            longest.filter(|_| bytes > most).map(|(key, _)| key.clone())
        };
        longest(NAMESPACE_BYTES, &|key| key.namespace == provider.namespace)
            .or_else(|| longest(ALL_BYTES, &|_| true))
    }
}

impl Lane {
    fn all(&self) -> impl Iterator<Item = &Arc<Item>> {
        let held = self.held.iter().flat_map(|held| &held.items);
        self.waiting.iter().chain(held)
    }

    /// Holds a message back with all that it shares something with, which may join what were several groups; the first one's time
    /// counts.
    fn hold(&mut self, new: Held) {
        let shares = |held: &mut Held| held.like.shares(&new.like);
        let mut joined = self.held.extract_if(.., shares).collect::<Vec<_>>().into_iter();
        let Some(mut group) = joined.next() else {
            return self.held.push(new);
        };
        for other in joined.chain([new]) {
            group.due = group.due.min(other.due);
            group.like.absorb(other.like);
            group.items.extend(other.items);
        }
        self.held.push(group);
    }

    /// What was held back long enough goes out, as one.
    fn release(&mut self, now: Instant) {
        let (due, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|held| held.due <= now);
        self.held = held;
        let due: Vec<Held> = due;
        for group in due {
            let Some(mut item) = group::together(&group.items) else {
                continue;
            };
            item.held = false;
            item.causes = Vec::new();
            self.parts.together(&item, group.items);
            self.waiting.push_back(Arc::new(item));
        }
    }

    /// Takes out the oldest that is not under way.
    fn give_up(&mut self) -> Option<Arc<Item>> {
        let under_way = self.under_way.as_ref().or(self.waiting.front());
        let is_other = |item: &Arc<Item>| under_way.is_none_or(|sent| !Arc::ptr_eq(sent, item));
        let oldest = self.waiting.iter().position(is_other);
        let oldest = match oldest.and_then(|at| self.waiting.remove(at)) {
            Some(item) => item,
            None => match self.held.iter_mut().find(|held| !held.items.is_empty()) {
                Some(group) => group.items.remove(0),
                // There are too many lanes with one message each.
                None => self.waiting.pop_front()?,
            },
        };
        self.asides.forget(&oldest);
        Some(oldest)
    }
}

#[cfg(test)]
mod tests;
