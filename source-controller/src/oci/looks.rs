//! What a tag points to: asked once for all objects that want to know it at about the same time, by the same login.

use super::{OciError, Reference, Registry, Repository};
use crate::{
    lock::lock,
    shared::{self, Id},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// So long an answer counts as current for those who did not ask for a look just now.
const CURRENT: Duration = Duration::from_secs(5);
/// So many tags are remembered between looks.
const MOST: usize = 4096;
/// So many lists of tags are remembered between looks.
const MOST_LISTS: usize = 64;
/// A list that is longer is not remembered, in bytes: its registry is asked for each object.
const LONGEST: usize = 256 << 10;

/// The looks of a moment ago: what a tag points to, and which tags there are. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Looks {
    digests: Kept<String>,
    lists: Kept<Arc<[String]>>,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            digests: Kept::new(MOST),
            lists: Kept::new(MOST_LISTS),
        }
    }
}

/// Looks of one kind.
#[derive(Debug, Clone)]
struct Kept<T> {
    slots: Arc<Mutex<HashMap<Id, Arc<Slot<T>>>>>,
    most: usize,
}

/// The last look. Whoever makes one holds the lock, and the others wait.
type Slot<T> = tokio::sync::Mutex<Option<Look<T>>>;

/// A look at the registry, and what it came to.
#[derive(Debug)]
struct Look<T> {
    began: Instant,
    ended: Instant,
    answer: Result<T, Arc<OciError>>,
}

impl Registry {
    /// As [`Registry::resolve`]; objects that want to know the same at about the same time ask once, except those that want
    /// their own look `now`.
    ///
    /// # Errors
    /// See [`OciError`].
    pub async fn look(
        &self,
        repository: &Repository,
        reference: &Reference,
        now: bool,
    ) -> Result<String, OciError> {
        if let Reference::Digest(digest) = reference {
            return Ok(digest.clone());
        }
        let id = self.look_id(repository, reference.as_str());
        self.looks
            .digests
            .get(id, now, self.resolve(repository, reference))
            .await
    }

    /// As [`Registry::tags`], asked once as [`Registry::look`] does.
    ///
    /// # Errors
    /// See [`OciError`].
    pub async fn list(&self, repository: &Repository, now: bool) -> Result<Arc<[String]>, OciError> {
        let id = self.look_id(repository, "");
        let ask = async { self.tags(repository).await.map(Arc::from) };
        let tags: Arc<[String]> = self.looks.lists.get(id, now, ask).await?;
        if tags.iter().map(String::len).sum::<usize>() > LONGEST {
            self.looks.lists.forget(id);
        }
        Ok(tags)
    }

    fn look_id(&self, repository: &Repository, what: &str) -> Id {
        shared::id(&[&self.id, repository.path.as_bytes(), what.as_bytes()])
    }
}

impl<T: Clone> Kept<T> {
    fn new(most: usize) -> Self {
        Self {
            slots: Arc::default(),
            most,
        }
    }

    /// The answer that `ask` gives, or gave somebody else a moment ago; `now` is for those who want no look that began before
    /// they came.
    async fn get(
        &self,
        id: Id,
        now: bool,
        ask: impl Future<Output = Result<T, OciError>>,
    ) -> Result<T, OciError> {
        let arrived = Instant::now();
        let slot = self.slot(id);
        let mut last = slot.lock().await;
        let answer = match &*last {
            Some(look) if look.answers(arrived, now) => look.answer.clone(),
            _ => {
                let began = Instant::now();
                let answer = ask.await.map_err(Arc::new);
                *last = Some(Look {
                    began,
                    ended: Instant::now(),
                    answer: answer.clone(),
                });
                answer
            }
        };
        answer.map_err(OciError::Shared)
    }

    /// Keeps nothing of this look but for those who wait for it.
    fn forget(&self, id: Id) {
        lock(&self.slots).remove(&id);
    }

    fn slot(&self, id: Id) -> Arc<Slot<T>> {
        let mut slots = lock(&self.slots);
        if slots.len() >= self.most {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry(id).or_default().clone()
    }
}

impl<T> Look<T> {
    /// Whether whoever arrived then may have what this look came to: who waited for it, or came a little later if there is an
    /// answer.
    fn answers(&self, arrived: Instant, now: bool) -> bool {
        if now {
            return self.began >= arrived;
        }
        self.ended >= arrived || (self.answer.is_ok() && self.began + CURRENT >= arrived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn one_question_for_all_who_ask_at_once_and_each_its_own_who_wants_it() {
        let (looks, asked) = (Kept::new(MOST), AtomicUsize::new(0));
        let get = |id: u8, now: bool, good: bool| {
            let (looks, asked) = (looks.clone(), &asked);
            async move {
                let ask = async {
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    let no = || OciError::Reference("no".into());
                    good.then(|| "digest".to_owned()).ok_or_else(no)
                };
                looks.get([id; 32], now, ask).await.map_err(|e| e.to_string())
            }
        };
        let count = || asked.swap(0, Ordering::Relaxed);
        let (a, b, other) = tokio::join!(get(1, false, true), get(1, false, true), get(2, false, true));
        assert_eq!(
            (a.is_ok(), b.is_ok(), other.is_ok(), count()),
            (true, true, true, 2)
        );
        // A moment later the answer is still good, but not for who wants a new one.
        assert!(get(1, false, false).await.is_ok() && count() == 0);
        assert!(get(1, true, false).await.is_err() && count() == 1);
        // Nobody is told of a failure that was over before; who waited is.
        assert!(get(1, false, true).await.is_ok() && count() == 1);
        let (failed, waited) = tokio::join!(get(3, false, false), get(3, false, true));
        assert_eq!(
            (failed.clone(), waited, count()),
            (failed, Err("'no' is no tag or digest".into()), 1)
        );
        // Of many who each want a new one, those who wait for their turn have the one that began meanwhile.
        tokio::join!(
            get(4, true, true),
            get(4, true, true),
            get(4, true, true),
            get(4, true, true)
        )
        .0
        .unwrap();
        assert_eq!(count(), 2);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let looks = Kept::<String>::new(MOST);
        let held = looks.slot([255; 32]);
        for number in 0..3 * MOST as u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_be_bytes());
            looks.slot(id);
        }
        assert!(lock(&looks.slots).len() <= MOST);
        assert!(Arc::ptr_eq(&held, &looks.slot([255; 32])), "somebody is at it");
    }
}
