//! Places that namespaces share: so many in all, and so many of one namespace, so that none keeps the others out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places.
#[derive(Debug)]
pub struct Fair {
    all: Arc<Semaphore>,
    of: Mutex<HashMap<String, Arc<Semaphore>>>,
    of_one: usize,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held")] [OwnedSemaphorePermit; 2]);

impl Fair {
    /// So many in all, and so many of one namespace.
    pub fn new(all: usize, of_one: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all)),
            of: Mutex::default(),
            of_one,
        }
    }

    /// Waits for a place: first for one of those of the namespace, so that in the queue for all a namespace has no more than these.
    /// None is to be had only if the places were closed, which they never are.
    pub async fn take(&self, namespace: &str) -> Option<Place> {
        let own = {
            let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody waits for or holds are as good as new.
            of.retain(|_, places| Arc::strong_count(places) > 1 || places.available_permits() < self.of_one);
            of.entry(namespace.to_owned())
                .or_insert_with(|| Arc::new(Semaphore::new(self.of_one)))
                .clone()
        };
        Some(Place([
            own.acquire_owned().await.ok()?,
            self.all.clone().acquire_owned().await.ok()?,
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn one_namespace_does_not_keep_the_others_out() {
        let places = Fair::new(3, 2);
        let take = |namespace: &'static str| places.take(namespace).now_or_never().flatten();
        let mut held = vec![take("busy").unwrap(), take("busy").unwrap()];
        assert!(take("busy").is_none(), "it has all that are its own");
        // However many of it wait, the next free place is another's.
        let mut waiting: Vec<_> = (0..50).map(|_| Box::pin(places.take("busy"))).collect();
        assert!(waiting.iter_mut().all(|take| take.now_or_never().is_none()));
        held.extend(take("other"));
        assert_eq!(held.len(), 3);
        assert!(take("third").is_none(), "there are three in all");
        drop(waiting);
        held.clear();
        assert!(take("third").is_some() && places.of.lock().unwrap().len() <= 2);
    }
}
