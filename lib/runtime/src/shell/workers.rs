//! Who works on objects: so many workers for all, and a few more for those whom the others leave none.

use super::Shell;
use crate::{Key, reconciler::Reconciler, requeue::Requeue};
use crds::meta::FluxObject as _;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::error;

/// For so long the objects of a namespace wait for a worker while others have them all; then there is one for them.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many of those there are at the most.
const RELIEF: u16 = 16;
/// How long passes may go on when the process is told to end.
const GRACE: Duration = Duration::from_secs(20);

impl<R: Reconciler> Shell<R> {
    /// Works on what the queue hands out, `concurrency` objects at a time, until `stop`; then waits for passes to end.
    ///
    /// Whoever waits for slow peers has a worker as long as that takes. So that it is at no other tenant's cost, there is a
    /// further worker for a namespace of which nothing is worked on and that has waited for some seconds.
    pub async fn run(self: Arc<Self>, concurrency: u16, stop: impl Future<Output = ()>) {
        self.tools.metrics.workers(R::Object::KIND, concurrency);
        self.store.synced().await;
        let (workers, relief) = (places(concurrency), places(RELIEF));
        let mut stop = std::pin::pin!(stop);
        loop {
            let free = tokio::select! {
                biased;
                free = workers.clone().acquire_owned() => free,
                (further, key) = self.overlooked(&relief) => {
                    self.clone().work(further, key);
                    continue;
                }
                () = &mut stop => break,
            };
            // They are never closed.
            let Ok(free) = free else { return };
            tokio::select! {
                key = self.queue.next() => self.clone().work(free, key),
                () = &mut stop => break,
            }
        }
        let ended = async {
            let _workers = workers.acquire_many(concurrency.into()).await;
            let _relief = relief.acquire_many(RELIEF.into()).await;
        };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            error!(kind = R::Object::KIND, "passes did not end in time");
        }
    }

    /// A further worker, and an object of a namespace that needs it: looked for only while all workers are busy.
    async fn overlooked(&self, relief: &Arc<Semaphore>) -> (OwnedSemaphorePermit, Key) {
        loop {
            tokio::time::sleep(PATIENCE / 5).await;
            if let Ok(further) = relief.clone().try_acquire_owned()
                && let Some(key) = self.queue.overlooked(PATIENCE)
            {
                return (further, key);
            }
        }
    }

    fn work(self: Arc<Self>, place: OwnedSemaphorePermit, key: Key) {
        tokio::spawn(async move {
            let _place = place;
            self.guarded_pass(&key).await;
            self.queue.done(&key);
        });
    }

    /// A pass that panics is a failed pass of that object, and nothing else.
    async fn guarded_pass(self: &Arc<Self>, key: &Key) {
        let (shell, task_key) = (self.clone(), key.clone());
        let pass = tokio::spawn(async move { shell.pass(&task_key).await });
        if let Err(panic) = pass.await {
            error!(kind = R::Object::KIND, namespace = key.namespace, name = key.name, error = %panic, "the pass panicked");
            self.tools.metrics.panicked(R::Object::KIND);
            self.again(key, Requeue::Backoff, false);
        }
    }
}

fn places(number: u16) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(number.into()))
}
