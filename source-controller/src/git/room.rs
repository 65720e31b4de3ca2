//! How much memory packs may take that are put together at the same time, and how long one waits for others.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::pack::Most;
use crate::lock::lock;

/// Of what all may take together, whoever needs no more than this part waits for nobody.
const SMALL: u64 = 16;

/// Room for the packs of all fetches.
pub(super) struct Room {
    /// What one pack may need; all together need no more than that, besides small ones.
    pub(super) most: Most,
    taken: Mutex<u64>,
    freed: Condvar,
}

/// Some of the room, given back by dropping it.
pub(super) struct Taken {
    room: Arc<Room>,
    bytes: u64,
}

impl Room {
    /// Room for packs of which each needs so much at the most.
    pub(super) fn new(most: Most) -> Arc<Room> {
        Arc::new(Room {
            most,
            taken: Mutex::default(),
            freed: Condvar::new(),
        })
    }

    /// Takes so many bytes, which no pack may need more of; waits for those of others, but not past the given time.
    pub(super) fn take(self: &Arc<Self>, bytes: u64, until: Instant) -> Option<Taken> {
        let most = self.most.memory;
        let mut taken = lock(&self.taken);
        while bytes > most / SMALL && *taken > 0 && taken.saturating_add(bytes) > most {
            let patience = until.checked_duration_since(Instant::now())?;
            taken = self
                .freed
                .wait_timeout(taken, patience)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *taken += bytes;
        let room = Arc::clone(self);
        Some(Taken { room, bytes })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        *lock(&self.room.taken) -= self.bytes;
        self.room.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn large_packs_wait_for_each_other_and_small_ones_for_nobody() {
        let room = Room::new(Most::within(None));
        let all = room.most.memory;
        let now = || Instant::now() + Duration::from_millis(10);
        let half = room.take(all / 2, now()).unwrap();
        let other = room.take(all / 2, now()).unwrap();
        assert!(room.take(all / 2, now()).is_none());
        let small = room.take(all / SMALL, now()).unwrap();
        drop((half, other));
        assert!(room.take(all, now()).is_none(), "there is a small one still");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| room.take(all, Instant::now() + Duration::from_secs(60)).is_some());
            drop(small);
            assert!(waits.join().unwrap());
        });
        assert!(room.take(all, now()).is_some(), "all is given back");
    }
}
