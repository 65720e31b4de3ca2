//! What was got for an identity, kept until shortly before it ends.

use crate::lock::lock;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

/// Grants by what they were asked for.
#[derive(Debug)]
pub(super) struct Kept<T> {
    most: usize,
    life: Duration,
    grants: Mutex<HashMap<[u8; 32], (T, Instant)>>,
}

impl<T: Clone> Kept<T> {
    /// Room for so many grants, none longer than `life`.
    pub(super) fn new(most: usize, life: Duration) -> Self {
        Self {
            most,
            life,
            grants: Mutex::default(),
        }
    }

    /// The grant for a question, asked anew if there is none that lasts. A grant counts for four fifths of its life.
    pub(super) async fn get<E>(
        &self,
        question: &[&str],
        ask: impl Future<Output = Result<(T, Duration), E>>,
    ) -> Result<T, E> {
        let mut hash = Sha256::new();
        for part in question {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let key: [u8; 32] = hash.finalize().into();
        if let Some((grant, until)) = lock(&self.grants).get(&key)
            && Instant::now() < *until
        {
            return Ok(grant.clone());
        }
        let (grant, life) = ask.await?;
        let life = life.mul_f64(0.8).min(self.life);
        let (mut grants, now) = (lock(&self.grants), Instant::now());
        grants.retain(|_, (_, until)| now < *until);
        if grants.len() < self.most {
            grants.insert(key, (grant.clone(), now + life));
        }
        Ok(grant)
    }
}
