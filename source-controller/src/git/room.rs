//! How much memory packs may take at the same time, while they arrive and while they are put together; and how long one waits for others.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::pack::Most;
use crate::lock::lock;

/// Of what all may take together, whoever needs no more than this part waits for no large one.
const SMALL: u64 = 16;
/// So large a part of it small ones may take besides.
const BESIDES: u64 = 8;
/// Who has waited for so long is passed by no small one any more.
const PATIENCE: Duration = Duration::from_secs(10);

/// The rooms that there are, and what one pack may need.
pub(super) struct Rooms {
    pub(super) most: Most,
    /// For what is known of packs that are arriving.
    pub(super) arriving: Arc<Room>,
    /// For packs that are put together, and for large objects that are read. Whoever has room for what arrives may wait for
    /// this, never the other way round.
    pub(super) making: Arc<Room>,
}

impl Rooms {
    pub(super) fn new(most: Most) -> Arc<Rooms> {
        Arc::new(Rooms {
            arriving: Room::new(most.arriving),
            making: Room::new(most.memory),
            most,
        })
    }
}

/// Memory for several, in bytes.
pub(super) struct Room {
    size: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    taken: u64,
    /// Who waits, in turn: nobody overtakes one that needs more.
    line: VecDeque<(u64, Instant)>,
    next: u64,
}

/// Some of the room, given back by dropping it.
pub(super) struct Taken {
    room: Arc<Room>,
    bytes: u64,
    since: Instant,
}

impl Room {
    fn new(size: u64) -> Arc<Room> {
        Arc::new(Room {
            size,
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Takes so many bytes, of which no more are ever asked for than there are; waits for others, but not past the given time.
    pub(super) fn take(self: &Arc<Self>, bytes: u64, until: Instant) -> Option<Taken> {
        let is_small = bytes <= self.size / SMALL;
        let most = match is_small {
            true => self.size + self.size / BESIDES,
            false => self.size,
        };
        let mut state = lock(&self.state);
        let ticket = state.next;
        state.next += 1;
        if !is_small {
            state.line.push_back((ticket, Instant::now()));
        }
        let goes = |state: &State| {
            let fits = state.taken == 0 || state.taken.saturating_add(bytes) <= most;
            let is_next = match state.line.front() {
                Some((first, since)) => *first == ticket || (is_small && since.elapsed() < PATIENCE),
                None => true,
            };
            fits && is_next
        };
        while !goes(&state) {
            let Some(patience) = until.checked_duration_since(Instant::now()) else {
                self.leave(&mut state, ticket);
                return None;
            };
            state = self
                .changed
                .wait_timeout(state, patience)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        self.leave(&mut state, ticket);
        state.taken += bytes;
        Some(Taken {
            room: Arc::clone(self),
            bytes,
            since: Instant::now(),
        })
    }

    /// Waits no longer; whoever is next may go.
    fn leave(&self, state: &mut State, ticket: u64) {
        state.line.retain(|(waits, _)| *waits != ticket);
        self.changed.notify_all();
    }
}

impl Taken {
    /// Whether this is much, and others have waited while it was held for so long.
    pub(super) fn is_too_long(&self, patience: Duration) -> bool {
        let is_large = self.bytes > self.room.size / SMALL;
        is_large && self.since.elapsed() >= patience && !lock(&self.room.state).line.is_empty()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        lock(&self.room.state).taken -= self.bytes;
        self.room.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(10)
    }

    fn late() -> Instant {
        Instant::now() + Duration::from_secs(300)
    }

    #[test]
    fn large_ones_wait_for_each_other_and_small_ones_for_no_large_one() {
        let room = Room::new(1600);
        let half = room.take(800, soon()).unwrap();
        let other = room.take(800, soon()).unwrap();
        assert!(!half.is_too_long(Duration::ZERO), "nobody waits");
        assert!(room.take(800, soon()).is_none());
        let small = [0; 2].map(|_| room.take(100, soon()).unwrap());
        assert!(room.take(100, soon()).is_none(), "they are not without number");
        drop((half, other));
        assert!(room.take(1600, soon()).is_none(), "there are small ones still");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| room.take(1600, late()).is_some());
            drop(small);
            assert!(waits.join().unwrap());
        });
        assert!(room.take(1600, soon()).is_some(), "all is given back");
    }

    #[test]
    fn nobody_overtakes_who_needs_more() {
        let room = Room::new(1600);
        let first = room.take(1000, soon()).unwrap();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| room.take(1600, late()).unwrap());
            while !first.is_too_long(Duration::ZERO) {
                std::thread::yield_now();
            }
            assert!(room.take(500, soon()).is_none(), "it would fit");
            assert!(!first.is_too_long(Duration::from_secs(300)));
            drop(first);
            drop(waits.join().unwrap());
        });
        assert!(room.take(500, soon()).is_some());
    }
}
