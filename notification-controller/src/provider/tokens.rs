//! Tokens that are asked for with something more lasting, and kept until shortly before they end.

use super::Secret;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// So many are kept; the one that ends soonest makes room.
const KEPT: usize = 256;
/// None is kept for longer (Flux flag `--token-cache-max-duration`).
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// A token, and what came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// What to send.
    pub token: Secret,
    /// The user that one is by it, if that is known.
    pub user: Option<String>,
}

/// Tokens by a fingerprint of what they were asked for with.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<[u8; 32], (Access, Instant)>>);

impl Tokens {
    pub(super) fn get(&self, key: &[u8; 32]) -> Option<Access> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key)
            .filter(|(_, until)| Instant::now() < *until)
            .map(|(access, _)| access.clone())
    }

    /// Keeps a token for four fifths of its life.
    pub(super) fn keep(&self, key: [u8; 32], access: &Access, life: Duration) {
        let now = Instant::now();
        let until = now + (life * 4 / 5).min(LONGEST);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (_, until)| now < *until);
        kept.insert(key, (access.clone(), until));
        while kept.len() > KEPT {
            let soonest = kept
                .iter()
                .min_by_key(|(_, (_, until))| *until)
                .map(|(key, _)| *key);
            kept.retain(|key, _| Some(*key) != soonest);
        }
    }

    /// Forgets a token that a peer has refused, whole or as a part of what it was sent.
    pub(super) fn forget(&self, sent: &[u8]) {
        let is_part = |token: &[u8]| !token.is_empty() && sent.windows(token.len()).any(|part| part == token);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (access, _)| !is_part(access.token.expose()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_end_and_are_bounded() {
        let tokens = Tokens::default();
        let access = Access {
            token: Secret::new("t"),
            user: None,
        };
        tokens.keep([1; 32], &access, LONGEST);
        tokens.forget(b"Bearer other");
        assert_eq!(tokens.get(&[1; 32]), None, "'other' has a t in it");
        tokens.keep([1; 32], &access, LONGEST);
        tokens.forget(b"Bearer x");
        assert_eq!(tokens.get(&[1; 32]), Some(access.clone()));
        tokens.forget(b"");
        tokens.keep([0; 32], &access, Duration::ZERO);
        assert_eq!(tokens.get(&[0; 32]), None);
        for n in 0..KEPT as u64 + 9 {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            tokens.keep(key, &access, Duration::from_secs(100 + n));
            assert_eq!(tokens.get(&key), Some(access.clone()));
        }
        assert_eq!(tokens.0.lock().unwrap().len(), KEPT);
    }
}
