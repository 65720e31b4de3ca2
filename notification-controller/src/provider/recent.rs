//! What is costly to make and kept for the next message.

use std::sync::{Mutex, PoisonError};

/// So many are kept; the one that was not used for longest makes room.
pub(super) const KEPT: usize = 64;

/// Things by a fingerprint of what they are made of.
#[derive(Debug)]
pub(super) struct Recent<T>(Mutex<Vec<([u8; 32], T)>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Recent<T> {
    /// The one that is kept, or else a new one.
    pub(super) fn get<E>(&self, key: [u8; 32], make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        if let Some(thing) = self.used(&key) {
            return Ok(thing);
        }
        let thing = make()?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(other, _)| *other != key);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((key, thing.clone()));
        Ok(thing)
    }

    fn used(&self, key: &[u8; 32]) -> Option<T> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(other, _)| other == key)?;
        let entry = kept.remove(at);
        let thing = entry.1.clone();
        kept.push(entry);
        Some(thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn what_was_used_last_is_kept() {
        let recent = Recent::default();
        let get = |n: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&(n as u64).to_be_bytes());
            let mut made = false;
            let make = || {
                made = true;
                Ok::<_, Infallible>(n)
            };
            assert_eq!(recent.get(key, make), Ok(n));
            made
        };
        assert!((0..KEPT).all(get));
        assert!(!get(0), "it is kept, and used now");
        assert!(get(KEPT), "a new one makes the oldest go");
        assert!(!get(0) && get(1));
        assert_eq!(recent.0.lock().unwrap().len(), KEPT);
    }
}
