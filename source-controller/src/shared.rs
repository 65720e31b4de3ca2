//! What several objects want at about the same time: brought once for all of them, and kept for a moment, within bounds.

use crate::lock::lock;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// What nobody wants any longer stays for so long.
const STAYS: Duration = Duration::from_secs(60);
/// So many that nobody has in hand stay at the most.
const MOST: usize = 256;

/// What it is, from where, and by whose login it was had: nobody gets what only another may read.
pub type Id = [u8; 32];

/// The id that these parts make, and no others.
pub fn id(parts: &[&[u8]]) -> Id {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// What can be shared. Cheap to clone.
pub trait Shareable: Clone {
    /// All that nobody has in hand together is never larger, in bytes.
    const MOST_BYTES: u64;

    /// How many bytes it has.
    fn size(&self) -> u64;

    /// Whether somebody has it in hand, besides whoever asks: then it is there whether it is kept or not.
    fn is_in_hand(&self) -> bool;
}

/// What is at hand. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shared<T>(Arc<Mutex<HashMap<Id, Arc<Place<T>>>>>);

/// Where one of them is. Whoever brings it holds the lock, and the others wait.
#[derive(Debug)]
struct Place<T> {
    content: tokio::sync::Mutex<Option<T>>,
    used: Mutex<Instant>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Shareable> Shared<T> {
    /// What is at hand, or else what `bring` brings.
    ///
    /// # Errors
    /// Those of `bring`; whoever waits for it then tries on its own.
    pub async fn get<E>(&self, id: Id, bring: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let place = self.place(id);
        let mut at_hand = place.content.lock().await;
        *lock(&place.used) = Instant::now();
        if let Some(content) = &*at_hand {
            return Ok(content.clone());
        }
        let content = bring.await?;
        *lock(&place.used) = Instant::now();
        *at_hand = Some(content.clone());
        Ok(content)
    }

    /// Lets go of what nobody wanted for a while, and of the oldest where they are too many.
    pub fn purge(&self) {
        tidy(&mut lock(&self.0));
    }

    fn place(&self, id: Id) -> Arc<Place<T>> {
        let mut places = lock(&self.0);
        tidy(&mut places);
        let fresh = || {
            Arc::new(Place {
                content: tokio::sync::Mutex::default(),
                used: Mutex::new(Instant::now()),
            })
        };
        places.entry(id).or_insert_with(fresh).clone()
    }
}

/// Removes places that nobody is at: those that are empty or past their time, and the longest unused beyond what may stay.
fn tidy<T: Shareable>(places: &mut HashMap<Id, Arc<Place<T>>>) {
    let (mut idle, mut empty) = (Vec::new(), Vec::new());
    for (id, place) in &*places {
        // Whoever is at a place holds it besides the table.
        if Arc::strong_count(place) > 1 {
            continue;
        }
        match place.content.try_lock().as_deref() {
            Ok(Some(content)) if !content.is_in_hand() => {
                idle.push((*lock(&place.used), *id, content.size()));
            }
            Ok(Some(_)) | Err(_) => {}
            Ok(None) => empty.push(*id),
        }
    }
    idle.sort_unstable_by_key(|(used, ..)| std::cmp::Reverse(*used));
    let mut bytes = 0;
    for (number, (used, id, size)) in idle.into_iter().enumerate() {
        bytes += size;
        if used.elapsed() >= STAYS || number >= MOST || bytes > T::MOST_BYTES {
            places.remove(&id);
        }
    }
    for id in empty {
        places.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Clone)]
    struct Piece(Arc<(&'static str, u64)>);

    impl Shareable for Piece {
        const MOST_BYTES: u64 = 100;

        fn size(&self) -> u64 {
            self.0.1
        }

        fn is_in_hand(&self) -> bool {
            Arc::strong_count(&self.0) > 1
        }
    }

    fn piece(text: &'static str, size: u64) -> Piece {
        Piece(Arc::new((text, size)))
    }

    fn numbers(shared: &Shared<Piece>) -> Vec<u8> {
        let mut left: Vec<u8> = lock(&shared.0).keys().map(|id| id[0]).collect();
        left.sort_unstable();
        left
    }

    #[tokio::test]
    async fn one_for_all_who_want_it_and_none_for_others() {
        let (shared, asked) = (Shared::default(), AtomicUsize::new(0));
        let get = |id: u8, answer: Result<&'static str, ()>| {
            let (shared, asked) = (shared.clone(), &asked);
            async move {
                let bring = async {
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    answer.map(|text| piece(text, 1))
                };
                shared.get([id; 32], bring).await.map(|piece| piece.0.0).ok()
            }
        };
        let found = tokio::join!(get(1, Ok("one")), get(1, Ok("one")), get(2, Ok("two")));
        assert_eq!(found, (Some("one"), Some("one"), Some("two")));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        assert_eq!(get(1, Err(())).await, Some("one"), "it is still at hand");
        // What failed is tried by the next one.
        let found = tokio::join!(get(3, Err(())), get(3, Ok("three")));
        assert_eq!(found, (None, Some("three")));
    }

    #[tokio::test]
    async fn what_is_at_hand_is_bounded() {
        let shared = Shared::default();
        for number in 0..4_u8 {
            let bring = async { Ok::<_, ()>(piece("", 50)) };
            shared.get([number; 32], bring).await.unwrap();
        }
        shared.purge();
        assert_eq!(numbers(&shared), [2, 3], "the newest stay");
        assert!(shared.get([4; 32], async { Err(()) }).await.is_err());
        shared.purge();
        assert_eq!(numbers(&shared), [2, 3], "nothing stays of what failed");
        let in_hand = shared.get([2; 32], async { Err(()) }).await.unwrap();
        let place = shared.place([3; 32]);
        for old in [&place, &shared.place([2; 32])] {
            *lock(&old.used) = Instant::now() - STAYS;
        }
        shared.purge();
        assert_eq!(numbers(&shared), [2, 3], "somebody is at one and has the other");
        drop((place, in_hand));
        shared.purge();
        assert!(numbers(&shared).is_empty());
    }

    #[test]
    fn no_other_parts_make_the_same_id() {
        assert_ne!(id(&[b"ab", b"c"]), id(&[b"a", b"bc"]));
        assert_ne!(id(&[b"ab"]), id(&[b"a", b"b"]));
        assert_eq!(id(&[b"a"]), id(&[b"a"]));
    }
}
