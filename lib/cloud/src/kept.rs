//! What was got for an identity, kept until shortly before it ends, and asked for once however many wait for it.

use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// No grant is believed to last longer.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Grants by what they were asked for.
#[derive(Debug)]
pub(super) struct Kept<T> {
    most: usize,
    life: Duration,
    places: Mutex<HashMap<[u8; 32], Arc<Place<T>>>>,
}

/// What was granted. Who asks for it holds the lock, and the others wait for the answer.
type Place<T> = tokio::sync::Mutex<Option<Grant<T>>>;

/// What was granted, until when it counts here, and when it ends.
#[derive(Debug)]
struct Grant<T> {
    value: T,
    until: Instant,
    end: Instant,
}

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
        self.lasting(question, false, ask).await.map(|(value, _)| value)
    }

    /// As [`Self::get`], with how long the grant lasts; with `anew` it is asked for even if there is one.
    pub(super) async fn lasting<E>(
        &self,
        question: &[&str],
        anew: bool,
        ask: impl Future<Output = Result<(T, Duration), E>>,
    ) -> Result<(T, Duration), E> {
        let place = self.place(question);
        let mut grant = place.lock().await;
        let now = Instant::now();
        if let Some(grant) = grant.as_ref()
            && !anew
            && now < grant.until
        {
            return Ok((grant.value.clone(), grant.end - now));
        }
        let (value, life) = ask.await?;
        let now = Instant::now();
        // Nothing lasts for years; a sum beyond what a clock can say would be no time at all.
        let life = life.min(LONGEST);
        *grant = Some(Grant {
            value: value.clone(),
            until: now + life.mul_f64(0.8).min(self.life),
            end: now + life,
        });
        Ok((value, life))
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
                    grant.as_ref().is_some_and(|grant| now < grant.until)
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
        let (_, left) = kept.lasting(&["a"], false, ask(60)).await.unwrap();
        assert!(left > Duration::from_secs(50), "{left:?}");
        let anew = kept.lasting(&["a"], true, ask(90)).await.unwrap();
        assert_eq!(
            anew,
            ("grant", Duration::from_secs(90)),
            "it is told how long it lasts"
        );
        assert_eq!(
            asked.load(Ordering::Relaxed),
            6,
            "what was refused is asked for anew"
        );
        let nothing = Kept::new(0, Duration::from_secs(60));
        let _ = (
            nothing.get(&["a"], ask(60)).await,
            nothing.get(&["a"], ask(60)).await,
        );
        assert_eq!(
            asked.load(Ordering::Relaxed),
            8,
            "a cache of no size keeps nothing"
        );
    }
}
