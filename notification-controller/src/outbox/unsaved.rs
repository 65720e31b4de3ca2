//! What of the outbox is to be saved, and when it may be forgotten where it was: each part is written by itself, and a kill may come
//! between any two.

use super::{Item, Outbox};
use runtime::Key;
use std::sync::Arc;

/// What is to be saved.
#[derive(Debug, Default)]
pub struct Unsaved {
    /// The parts that have changed.
    pub parts: Vec<Part>,
    /// What has left a lane for another, and is still saved in the one as well.
    left: Vec<(Key, Arc<Item>)>,
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
}

impl Outbox {
    /// The parts of lanes that have changed since this was asked last.
    pub fn changed(&self) -> Unsaved {
        let mut inside = self.lock();
        let changed = std::mem::take(&mut inside.changed);
        let parts = changed.into_iter().map(|(provider, number)| {
            let lane = inside.lanes.get(&provider);
            Part {
                items: lane.map(|lane| lane.saved(number)).unwrap_or_default(),
                provider,
                number,
            }
        });
        let left = inside.lanes.iter().flat_map(|(provider, lane)| {
            let left = lane.left.iter();
            left.map(|item| (provider.clone(), item.clone()))
        });
        Unsaved {
            parts: parts.collect(),
            left: left.collect(),
        }
    }

    /// Says that a part of a lane has yet to be saved as it is.
    pub fn touch(&self, part: &Part) {
        self.lock().changed.insert((part.provider.clone(), part.number));
        self.unsaved.notify_one();
    }

    /// Says that all of this is saved: what had left a lane by then is saved where it went, and goes from where it was.
    pub fn settled(&self, saved: Unsaved) {
        let mut inside = self.lock();
        for (provider, item) in saved.left {
            inside.forget_left(&provider, &item);
            self.unsaved.notify_one();
        }
    }
}
