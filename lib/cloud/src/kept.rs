//! What was got for an identity, kept until shortly before it ends, and asked for once however many wait for it.

use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Grants by what they were asked for.
#[derive(Debug)]
pub(super) struct Kept<T> {
    most: usize,
    life: Duration,
    places: Mutex<HashMap<[u8; 32], Arc<Place<T>>>>,
}

/// A grant, and until when it counts. Who asks for it holds the lock, and the others wait for the answer.
type Place<T> = tokio::sync::Mutex<Option<(T, Instant)>>;

impl<T: Clone> Kept<T> {
    /// Room for so many grants, none longer than `life`.
    pub(super) fn new(most: usize, life: Duration) -> Self {
        Self {
            most,
            life,
            places: Mutex::default(),
        }
    }

    /// The grant for a question, asked anew if there is none that lasts. A grant counts for four fifths of its life.
    pub(super) async fn get<E>(
        &self,
        question: &[&str],
        ask: impl Future<Output = Result<(T, Duration), E>>,
    ) -> Result<T, E> {
        let place = self.place(question);
        let mut grant = place.lock().await;
        if let Some((grant, until)) = grant.as_ref()
            && Instant::now() < *until
        {
            return Ok(grant.clone());
        }
        let (new, life) = ask.await?;
        let life = life.mul_f64(0.8).min(self.life);
        *grant = Some((new.clone(), Instant::now() + life));
        Ok(new)
    }

    /// The place of a question; one of its own, which nobody finds again, where there is no room.
    fn place(&self, question: &[&str]) -> Arc<Place<T>> {
        let mut hash = Sha256::new();
        for part in question {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let key: [u8; 32] = hash.finalize().into();
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(place) = places.get(&key) {
            return place.clone();
        }
        if places.len() >= self.most {
            // Whoever is asking now has the lock, and so stays.
            let lasts = |place: &Place<T>| {
                let grant = place.try_lock();
                grant.map_or(true, |grant| {
                    grant.as_ref().is_some_and(|(_, until)| now < *until)
                })
            };
            places.retain(|_, place| lasts(place));
        }
        let place = Arc::new(Place::default());
        if places.len() < self.most {
            places.insert(key, place.clone());
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
    };

    #[tokio::test]
    async fn a_grant_is_asked_for_once_and_again_when_it_ends() {
        let asked = AtomicUsize::new(0);
        let ask = async |life: u64| {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(("grant", Duration::from_secs(life)))
        };
        let kept = Kept::new(2, Duration::from_secs(60));
        let (first, second) = tokio::join!(kept.get(&["a"], ask(60)), kept.get(&["a"], ask(60)));
        assert_eq!((first, second), (Ok("grant"), Ok("grant")));
        assert_eq!(
            asked.load(Ordering::Relaxed),
            1,
            "two who ask at once share the answer"
        );
        let _ = (
            kept.get(&["a", "b"], ask(0)).await,
            kept.get(&["a", "b"], ask(60)).await,
        );
        assert_eq!(
            asked.load(Ordering::Relaxed),
            3,
            "what has ended is asked for anew"
        );
        // There is room for two: the third is not kept.
        let _ = (kept.get(&["c"], ask(60)).await, kept.get(&["c"], ask(60)).await);
        assert_eq!(asked.load(Ordering::Relaxed), 5);
        let nothing = Kept::new(0, Duration::from_secs(60));
        let _ = (
            nothing.get(&["a"], ask(60)).await,
            nothing.get(&["a"], ask(60)).await,
        );
        assert_eq!(
            asked.load(Ordering::Relaxed),
            7,
            "a cache of no size keeps nothing"
        );
    }
}
