//! Whoever evaluates the expressions of tenants: two at once, and one of a namespace, as each may take all of its budget of time and
//! memory.

use crate::fair::Fair;
use std::sync::Arc;

/// So many expressions are evaluated at once: each makes what it is told its own.
const JUDGES: usize = 2;
/// So many of them are of one namespace.
const OF_ONE: usize = 1;

/// Whoever judges.
#[derive(Debug, Clone)]
pub struct Judges(Arc<Fair>);

impl Default for Judges {
    fn default() -> Self {
        Self(Arc::new(Fair::new(JUDGES, OF_ONE)))
    }
}

impl Judges {
    /// Does work that takes the processor as long as it may, when a namespace's turn has come; nothing if it crashed. The place belongs
    /// to the work, not to who waits for it.
    pub async fn at_work<T: Send + 'static>(
        &self,
        namespace: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let place = self.0.take(namespace).await;
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await.ok()
    }
}

#[cfg(test)]
impl Judges {
    /// Has one at work for a namespace until what this gives is dropped.
    pub async fn engage(&self, namespace: &'static str) -> std::sync::mpsc::Sender<()> {
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (end, ended) = std::sync::mpsc::channel();
        let work = move || {
            let _ = begin.send(());
            let _ = ended.recv();
        };
        let judges = self.clone();
        tokio::spawn(async move { judges.at_work(namespace, work).await });
        begun.await.unwrap();
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn a_place_is_held_until_the_work_has_ended() {
        let judges = Judges::default();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let work = move || {
            let _ = begin.send(());
            let _ = ended.recv();
        };
        let theirs = judges.clone();
        let waiter = tokio::spawn(async move { theirs.at_work("team", work).await });
        begun.await.unwrap();
        waiter.abort();
        assert!(waiter.await.is_err(), "nobody waits any more");
        assert!(judges.0.take("team").now_or_never().is_none(), "the work goes on");
        assert_eq!(
            judges.at_work("other", || 1).await,
            Some(1),
            "others are at work meanwhile"
        );
        end.send(()).unwrap();
        assert_eq!(judges.at_work("team", || 1).await, Some(1));
        assert_eq!(judges.at_work("team", || panic!("on purpose")).await, None::<()>);
    }
}
