//! What all artifacts of one generator may cost in a pass.

use super::error::CopyError;
use std::sync::atomic::{AtomicU64, Ordering};

/// The work of comparing names with patterns, about a character each: some twenty seconds at the most.
const WORK: u64 = 10_000_000_000;
/// Bytes of all artifacts.
const BYTES: u64 = 4 << 30;

/// What is left for the artifacts of a generator.
#[derive(Debug)]
pub struct Allowance {
    work: AtomicU64,
    bytes: AtomicU64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self::of(WORK, BYTES)
    }
}

impl Allowance {
    pub(super) fn of(work: u64, bytes: u64) -> Self {
        Self {
            work: AtomicU64::new(work),
            bytes: AtomicU64::new(bytes),
        }
    }

    /// Takes the work of a comparison. None is left for those that come after one that is too much.
    pub(super) fn compare(&self, cost: usize) -> Result<(), CopyError> {
        let take = |left: u64| Some(left.saturating_sub(cost as u64));
        // Of the same pass: one thread at a time.
        let left = self.work.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        match left.unwrap_or_default() > cost as u64 {
            true => Ok(()),
            false => Err(CopyError::TooMuchWork),
        }
    }

    /// Takes the bytes of an artifact.
    pub(super) fn store(&self, bytes: u64) -> Result<(), CopyError> {
        let take = |left: u64| left.checked_sub(bytes);
        let left = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        left.map(drop).map_err(|_| CopyError::TooLargeTogether(BYTES))
    }
}
