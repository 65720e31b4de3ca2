//! Locks that are only ever held for a moment, and outlive a panic of whoever held one.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; what a panic left behind is whole, because nothing that can panic is done with a lock in hand.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
