//! What one kind's controller knows to do, and what it says of it; everything round it is the shell's.

use crate::{Key, events::Event, requeue::Requeue};
use crds::meta::FluxObject;
use std::{future::Future, sync::Arc};

/// What one kind's controller knows to do; everything round it is [`crate::shell::Shell`]'s.
pub trait Reconciler: Send + Sync + 'static {
    /// The kind.
    type Object: FluxObject;

    /// One pass over an object: what its status shall be, what to tell, and when to look again.
    fn reconcile(&self, object: &Arc<Self::Object>) -> impl Future<Output = Outcome<Status<Self>>> + Send;

    /// Undoes what the object caused, because it is being deleted.
    fn cleanup(&self, object: &Arc<Self::Object>) -> impl Future<Output = Cleanup> + Send;

    /// The status to show while a pass takes longer than a moment; `None` shows nothing.
    fn in_progress(&self, object: &Self::Object) -> Option<Status<Self>> {
        let _ = object;
        None
    }

    /// Ends when a pass that is under way has more to show than [`Reconciler::in_progress`] gave before.
    fn more_in_progress(&self, object: &Self::Object) -> impl Future<Output = ()> + Send {
        let _ = object;
        std::future::pending()
    }

    /// Whether there is nothing to do about an object but to read it: it gets no finalizer, no status and no passes, and
    /// loses what it has of them.
    fn is_static(&self, object: &Self::Object) -> bool {
        let _ = object;
        false
    }

    /// What to tell of an object that is left alone because it is suspended.
    fn suspended(&self, object: &Self::Object) -> Vec<Event> {
        let _ = object;
        Vec::new()
    }

    /// Called when the status of a pass is written: what a pass has only prepared may begin, its intent is on record.
    fn recorded(&self, key: &Key) {
        let _ = key;
    }

    /// Forgets what is remembered of an object that is gone.
    fn forget(&self, key: &Key) {
        let _ = key;
    }
}

/// The status type of a reconciler's kind.
pub type Status<R> = <<R as Reconciler>::Object as FluxObject>::Status;

/// What a pass came to.
#[derive(Debug)]
pub struct Outcome<S> {
    /// The status as it shall be.
    pub status: S,
    /// What to tell, in order.
    pub events: Vec<Event>,
    /// When to look again.
    pub requeue: Requeue,
    /// What failed, for the log; `None` when nothing did.
    pub error: Option<String>,
}

/// What cleaning up came to.
#[derive(Debug)]
pub enum Cleanup {
    /// Nothing is left; the object may go.
    Done(Vec<Event>),
    /// Something is left, or could not be removed yet.
    Later {
        /// What to tell.
        events: Vec<Event>,
        /// What failed, if anything did.
        error: Option<String>,
        /// When to try again.
        requeue: Requeue,
    },
}
