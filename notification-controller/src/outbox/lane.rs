//! PURE: what waits for one Provider: in order, held back where an alert asks for it, put together when its time has come.

use super::{Item, LANE_BYTES, aside::Asides, parts::Parts};
use crate::group;
use jiff::Timestamp;
use runtime::Key;
use std::{collections::VecDeque, sync::Arc};
use tokio::{sync::Notify, time::Instant};

/// The messages of a Provider.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) waiting: VecDeque<Arc<Item>>,
    pub(super) parts: Parts,
    pub(super) held: Vec<Held>,
    pub(super) asides: Asides,
    /// What has gone to another lane, and is saved here until it is saved there; the oldest first.
    pub(super) left: Vec<Arc<Item>>,
    /// How many bytes those are.
    left_bytes: usize,
    /// Whether somebody sends what waits.
    pub(super) at_work: bool,
    /// What is being sent.
    pub(super) under_way: Option<Arc<Item>>,
    /// Rung when something is put in.
    pub(super) bell: Arc<Notify>,
}

/// Messages that are held back until there are more of their kind, or enough time has passed; at least one.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) like: group::Like,
    pub(super) due: Instant,
    pub(super) items: Vec<Arc<Item>>,
}

impl Lane {
    /// All that waits.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Item>> {
        let held = self.held.iter().flat_map(|held| &held.items);
        self.waiting.iter().chain(held)
    }

    /// What is to be saved in a part.
    pub(super) fn saved(&self, part: u8) -> Vec<Arc<Item>> {
        self.parts.saved(self.all().chain(&self.left), part)
    }

    /// How many bytes wait. What has left waits elsewhere.
    pub(super) fn bytes(&self) -> usize {
        self.parts.bytes().saturating_sub(self.left_bytes)
    }

    /// Takes a message in: it is held back until then, if it is to be.
    pub(super) fn take(&mut self, item: Arc<Item>, due: Option<Instant>) {
        match due {
            None => self.waiting.push_back(item),
            Some(due) => self.hold(Held {
                like: group::Like::of(&item),
                due,
                items: vec![item],
            }),
        }
    }

    /// A message goes to another lane, unless it does not wait any more.
    pub(super) fn leave(&mut self, item: &Arc<Item>) -> bool {
        let at = self.waiting.iter().position(|waiting| Arc::ptr_eq(waiting, item));
        if let Some(left) = at.and_then(|at| self.waiting.remove(at)) {
            self.left_bytes += self.parts.bytes_of(&left);
            self.left.push(left);
        }
        self.under_way = None;
        self.asides.forget(item);
        at.is_some()
    }

    /// A message that had left, and is back before it was forgotten: another one to whoever saves.
    pub(super) fn come_back(&mut self, item: &Item) -> Option<Arc<Item>> {
        let had_left = |left: &Arc<Item>| left.is(&item.key, &item.alert_uid);
        let at = self.left.iter().position(had_left)?;
        Some(Arc::new(Item::clone(&self.take_left(at))))
    }

    /// Whether this had left, which is forgotten now.
    pub(super) fn forget_left(&mut self, item: &Arc<Item>) -> bool {
        let at = self.left.iter().position(|left| Arc::ptr_eq(left, item));
        at.map(|at| self.take_left(at)).is_some()
    }

    fn take_left(&mut self, at: usize) -> Arc<Item> {
        let item = self.left.remove(at);
        self.left_bytes = self.left_bytes.saturating_sub(self.parts.bytes_of(&item));
        item
    }

    /// What left first, if more has left than there is room for.
    pub(super) fn left_too_long(&self) -> Option<Arc<Item>> {
        let oldest = self.left.first();
        oldest.filter(|_| self.left_bytes > LANE_BYTES).cloned()
    }

    /// A message is not saved any more; the parts that are others now.
    pub(super) fn lose(
        &mut self,
        provider: &Key,
        item: &Arc<Item>,
    ) -> impl Iterator<Item = (Key, u8)> + use<> {
        let (parts, provider) = (self.parts.remove(item), provider.clone());
        parts.into_iter().map(move |part| (provider.clone(), part))
    }

    /// Takes their places away from all that is here, as it is saved.
    pub(super) fn clear_places(&mut self) -> Vec<Arc<Item>> {
        let held = self.held.iter().flat_map(|held| &held.items);
        let all = self.waiting.iter().chain(held).chain(&self.left);
        self.parts.clear(all)
    }

    /// Holds a message back with all that it shares something with, which may join what were several groups; the first one's time
    /// counts.
    pub(super) fn hold(&mut self, new: Held) {
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

    /// What was held back long enough goes out, as one, which waits from now on.
    pub(super) fn release(&mut self, now: Instant, since: Timestamp) {
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
            item.since = since;
            item.causes = Vec::new();
            self.parts.together(&item, group.items);
            self.waiting.push_back(Arc::new(item));
        }
    }

    /// Takes out the oldest that is not under way.
    pub(super) fn give_up(&mut self) -> Option<Arc<Item>> {
        let under_way = self.under_way.as_ref().or(self.waiting.front());
        let is_other = |item: &Arc<Item>| under_way.is_none_or(|sent| !Arc::ptr_eq(sent, item));
        let oldest = self.waiting.iter().position(is_other);
        let oldest = match oldest.and_then(|at| self.waiting.remove(at)) {
            Some(item) => item,
            None => match self.let_go() {
                Some(held) => held,
                // There are too many lanes with one message each.
                None => self.waiting.pop_front()?,
            },
        };
        self.asides.forget(&oldest);
        Some(oldest)
    }

    /// Takes out the first message of the group that is due first, and all that is known of it.
    fn let_go(&mut self) -> Option<Arc<Item>> {
        let groups = self.held.iter().enumerate();
        let (at, _) = groups.min_by_key(|(_, group)| group.due)?;
        let group = &mut self.held[at];
        let item = group.items.remove(0);
        group.like.shed(&group::Like::of(&item));
        if group.items.is_empty() {
            self.held.remove(at);
        }
        Some(item)
    }
}
