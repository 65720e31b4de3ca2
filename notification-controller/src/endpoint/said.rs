//! What was said a while ago, to know it again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// So many events are remembered.
const REMEMBERED: usize = 100_000;

/// Events by what makes two the same.
#[derive(Debug)]
pub struct Said {
    interval: Duration,
    since: Mutex<HashMap<[u8; 16], Instant>>,
}

/// An event that is being told; it was not said unless that comes to its end.
struct Telling<'a> {
    said: &'a Said,
    fingerprint: [u8; 16],
    told: bool,
}

impl Said {
    /// What was said within so long a time is said.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            since: Mutex::default(),
        }
    }

    /// Tells what was not said yet; whether it did. If telling is dropped before its end, its repetition is as good as new: whoever
    /// was told nothing, or that it took too long, is heard when he says it again.
    pub async fn once(&self, fingerprint: [u8; 16], telling: impl Future<Output = ()>) -> bool {
        if !self.begin(fingerprint) {
            return false;
        }
        let mut this = Telling {
            said: self,
            fingerprint,
            told: false,
        };
        telling.await;
        this.told = true;
        true
    }

    fn begin(&self, fingerprint: [u8; 16]) -> bool {
        let mut since = self.lock();
        if since.len() >= REMEMBERED {
            since.retain(|_, since| since.elapsed() < self.interval);
            if since.len() >= REMEMBERED {
                since.clear();
            }
        }
        match since.get(&fingerprint) {
            Some(since) if since.elapsed() < self.interval => false,
            _ => {
                since.insert(fingerprint, Instant::now());
                true
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 16], Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.said.lock().remove(&self.fingerprint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn only_what_was_told_to_its_end_was_said() {
        let said = Said::new(Duration::from_secs(300));
        let mut slow = Box::pin(said.once([1; 16], pending()));
        assert!(slow.as_mut().now_or_never().is_none(), "it is being told");
        assert!(!said.once([1; 16], ready(())).await, "once at a time");
        assert!(said.once([2; 16], ready(())).await, "others are others");
        drop(slow);
        assert!(
            said.once([1; 16], ready(())).await,
            "nobody was told the first time"
        );
        assert!(!said.once([1; 16], pending()).await);

        let crashed = std::panic::AssertUnwindSafe(said.once([3; 16], async { panic!("on purpose") }));
        assert!(crashed.catch_unwind().await.is_err());
        assert!(said.once([3; 16], ready(())).await);
    }

    #[tokio::test]
    async fn after_the_interval_it_is_new() {
        let said = Said::new(Duration::ZERO);
        assert!(said.once([1; 16], ready(())).await && said.once([1; 16], ready(())).await);
    }
}
