//! One at a time, with a limit to one's patience.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::lock::lock;

/// A lock whose waiters give up.
#[derive(Default)]
pub(super) struct Gate {
    busy: Mutex<bool>,
    freed: Condvar,
}

/// Whoever is inside; leaving is dropping it.
pub(super) struct Inside<'a>(&'a Gate);

impl Gate {
    /// Waits until nobody is inside, but not past the given time.
    pub(super) fn enter(&self, until: Instant) -> Option<Inside<'_>> {
        let mut busy = lock(&self.busy);
        while *busy {
            let patience = until.checked_duration_since(Instant::now())?;
            busy = self
                .freed
                .wait_timeout(busy, patience)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *busy = true;
        Some(Inside(self))
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        *lock(&self.0.busy) = false;
        self.0.freed.notify_one();
    }
}
