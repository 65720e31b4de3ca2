//! PURE: what waits for one Provider: in order, held back where an alert asks for it, put together when its time has come.

use super::{Item, aside::Asides, parts::Parts};
use crate::group;
use std::{collections::VecDeque, sync::Arc};
use tokio::{sync::Notify, time::Instant};

/// The messages of a Provider.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) waiting: VecDeque<Arc<Item>>,
    pub(super) parts: Parts,
    pub(super) held: Vec<Held>,
    pub(super) asides: Asides,
    /// What is being sent.
    pub(super) under_way: Option<Arc<Item>>,
    /// Rung when something is put in.
    pub(super) bell: Arc<Notify>,
}

/// Messages that are held back until there are more of their kind, or enough time has passed.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) like: group::Like,
    pub(super) due: Instant,
    pub(super) items: Vec<Arc<Item>>,
}

impl Lane {
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Item>> {
        let held = self.held.iter().flat_map(|held| &held.items);
        self.waiting.iter().chain(held)
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

    /// What was held back long enough goes out, as one.
    pub(super) fn release(&mut self, now: Instant) {
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
    pub(super) fn give_up(&mut self) -> Option<Arc<Item>> {
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
