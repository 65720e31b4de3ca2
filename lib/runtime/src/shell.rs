//! The shell round every reconcile: guard, finalizer, suspend, the pass itself, one status patch, events, requeue.

mod ending;
mod unreadable;
mod workers;
mod write;

use crate::{
    Key,
    client::{Clients, Identity},
    events::{Event, Recorder, Severity, subject},
    metrics::Metrics,
    queue::Queue,
    reconciler::{Outcome, Reconciler, Status},
    requeue::{Backoff, Requeue, jitter},
    status,
    telemetry::chain,
    watch::{Change, Store},
};
use crds::meta::{FluxObject, ObjectStatus as _, REQUESTED_AT};
use kube::{Resource as _, ResourceExt as _};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tracing::{error, info};
use write::Words;

/// What every shell needs; shared by the kinds of a controller.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Clients by identity.
    pub clients: Clients,
    /// Events of this controller.
    pub recorder: Recorder,
    /// Metrics of this process.
    pub metrics: Metrics,
    /// The field manager of status and finalizer patches.
    pub manager: &'static str,
    /// Back-off after failures.
    pub backoff: Backoff,
    /// Spread of intervals, in percent.
    pub jitter: u8,
}

/// Runs the passes of one kind.
#[derive(Debug)]
pub struct Shell<R: Reconciler> {
    reconciler: R,
    store: Arc<Store<R::Object>>,
    queue: Arc<Queue>,
    tools: Tools,
    /// Objects, by uid, whose last pass is over and whose end the watch has not shown yet.
    finished: Mutex<HashSet<String>>,
}

/// A pass that takes longer than this shows that it is under way.
const MOMENT: Duration = Duration::from_secs(1);

impl<R: Reconciler> Shell<R> {
    /// A shell for the objects in `store`, fed by `queue`.
    pub fn new(reconciler: R, store: Arc<Store<R::Object>>, queue: Arc<Queue>, tools: Tools) -> Arc<Self> {
        tools.metrics.watch_queue(R::Object::KIND, queue.clone());
        Arc::new(Self {
            reconciler,
            store,
            queue,
            tools,
            finished: Mutex::default(),
        })
    }

    /// The reconciler inside.
    pub fn reconciler(&self) -> &R {
        &self.reconciler
    }

    /// Takes in a change of the kind's own objects: asks for a pass where Flux would.
    ///
    /// A pass follows a new generation, a new value of `reconcile.fluxcd.io/requestedAt`, the begin and the end of a
    /// suspension, a deletion, and the first sight of an object; other changes of metadata and status do not cause one.
    pub fn changed(&self, change: &Change<R::Object>) {
        match (&change.old, &change.new) {
            (Some(old), Some(new)) => {
                let cause = |o: &R::Object| {
                    (
                        o.meta().generation,
                        o.meta().deletion_timestamp.is_some(),
                        o.annotations().get(REQUESTED_AT).cloned(),
                        // Some kinds have an annotation for it, which is no new generation.
                        o.suspended(),
                        o.uid(),
                    )
                };
                if let Some(uid) = old.uid().filter(|uid| new.uid().as_ref() != Some(uid)) {
                    // A watch that had to begin again has not told of the end of the old one.
                    self.queue.forget(&change.key);
                    self.finished().remove(&uid);
                }
                if cause(old) != cause(new) {
                    self.queue.add(change.key.clone());
                }
            }
            (None, Some(_)) => self.queue.add(change.key.clone()),
            (old, None) => {
                self.queue.forget(&change.key);
                if let Some(uid) = old.as_ref().and_then(|o| o.uid()) {
                    self.finished().remove(&uid);
                }
                self.tools.metrics.forget(R::Object::KIND, &change.key);
                self.reconciler.forget(&change.key);
            }
        }
    }

    async fn pass(&self, key: &Key) {
        let Some(object) = self.store.get(key) else { return };
        let _busy = self.tools.metrics.busy(R::Object::KIND);
        let begin = Instant::now();
        let done = if object.meta().deletion_timestamp.is_some() {
            self.clean_up(key, &object).await
        } else if self.reconciler.is_static(&object) {
            self.leave(key, &object).await
        } else {
            self.reconcile(key, object).await
        };
        self.tools
            .metrics
            .reconciled(R::Object::KIND, key, begin.elapsed(), done);
    }

    async fn reconcile(&self, key: &Key, object: Arc<R::Object>) -> bool {
        let object = match self.with_finalizer(object).await {
            Ok(object) => object,
            Err(error) => return self.failed(key, "cannot add the finalizer", &error),
        };
        if object.suspended() {
            self.queue.succeeded(key);
            self.tell(&object, &self.reconciler.suspended(&object));
            return self.note_request(key, &object).await;
        }
        let begin = Instant::now();
        let outcome = self.with_progress(&object).await;
        let took = begin.elapsed();
        match &outcome.error {
            Some(error) => error!(
                kind = R::Object::KIND,
                namespace = key.namespace,
                name = key.name,
                error,
                "Reconciler error"
            ),
            None => tracing::debug!(
                kind = R::Object::KIND,
                namespace = key.namespace,
                name = key.name,
                milliseconds = took.as_secs_f64() * 1e3,
                "pass ended"
            ),
        }
        let end = Words::End(&outcome.events);
        if let Err(error) = self.write(&object, outcome.status, end).await {
            // Without the record of it, the pass has not happened: it is repeated, and is idempotent.
            return self.failed(key, "cannot write the status", &error);
        }
        self.reconciler.recorded(key);
        self.tell(&object, &outcome.events);
        let success = outcome.error.is_none();
        self.again(key, outcome.requeue, success);
        success
    }

    async fn with_finalizer(&self, object: Arc<R::Object>) -> kube::Result<Arc<R::Object>> {
        if object.finalizers().iter().any(|f| f == R::Object::FINALIZER) {
            return Ok(object);
        }
        let client = self.tools.clients.of(&Identity::Controller);
        let mut updated =
            status::set_finalizer(client, &*object, R::Object::FINALIZER, true, self.tools.manager).await?;
        updated.meta_mut().managed_fields = None;
        self.store.put(updated.clone());
        Ok(Arc::new(updated))
    }

    /// Runs the pass; when it lasts, writes that it is under way, and again when it has more to show.
    async fn with_progress(&self, object: &Arc<R::Object>) -> Outcome<Status<R>> {
        let mut pass = std::pin::pin!(self.reconciler.reconcile(object));
        tokio::select! {
            outcome = &mut pass => return outcome,
            () = tokio::time::sleep(MOMENT) => {}
        }
        loop {
            let status = self.reconciler.in_progress(object);
            let show = async {
                if let Some(status) = status
                    && let Err(error) = self.write(object, status, Words::None).await
                {
                    info!(
                        kind = R::Object::KIND,
                        error = chain(&error),
                        "cannot show the progress"
                    );
                }
            };
            let next = async {
                tokio::select! {
                    outcome = &mut pass => Some(outcome),
                    () = self.reconciler.more_in_progress(object) => None,
                }
            };
            // What is being written comes to its end before anything else is.
            if let ((), Some(outcome)) = tokio::join!(show, next) {
                return outcome;
            }
        }
    }

    /// A suspended object is left alone, but a request to reconcile it counts as handled.
    async fn note_request(&self, key: &Key, object: &Arc<R::Object>) -> bool {
        let Some(requested) = object.annotations().get(REQUESTED_AT) else {
            return true;
        };
        let status = object.status().cloned().unwrap_or_default();
        if status.last_handled_reconcile_at() == Some(requested) {
            return true;
        }
        match self.write(object, status, Words::None).await {
            Ok(()) => true,
            Err(error) => self.failed(key, "cannot write the status", &error),
        }
    }

    fn tell(&self, object: &R::Object, events: &[Event]) {
        for event in events {
            let key = Key::of(object);
            let level_error = event.severity == Severity::Warning;
            if !level_error {
                info!(
                    kind = R::Object::KIND,
                    namespace = key.namespace,
                    name = key.name,
                    reason = event.reason,
                    "{}",
                    event.message
                );
            }
            self.tools
                .recorder
                .publish(subject::<R::Object>(object.meta()), event.clone());
        }
    }

    fn finished(&self) -> MutexGuard<'_, HashSet<String>> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, key: &Key, what: &str, error: &kube::Error) -> bool {
        error!(
            kind = R::Object::KIND,
            namespace = key.namespace,
            name = key.name,
            error = chain(error),
            "{what}"
        );
        self.again(key, Requeue::Backoff, false);
        false
    }

    fn again(&self, key: &Key, requeue: Requeue, success: bool) {
        let failures = if let Requeue::Await(limit) = requeue {
            return self.queue.add_after(key.clone(), limit);
        } else if success {
            self.queue.succeeded(key);
            1
        } else {
            self.queue.failed(key)
        };
        let delay = match requeue {
            Requeue::Interval(interval) => jitter(interval, self.tools.jitter, rand::random()),
            Requeue::After(delay) | Requeue::Await(delay) => delay,
            Requeue::Backoff => self.tools.backoff.delay(failures),
            Requeue::BackoffUpTo(limit) => self.tools.backoff.delay(failures).min(limit),
            Requeue::BackoffFrom(least) => self.tools.backoff.not_before(least, failures),
            Requeue::Never => return,
        };
        self.queue.add_after(key.clone(), delay);
    }
}
