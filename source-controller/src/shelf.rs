//! I/O: what each pass does with the shelf, whatever the kind: look first, and clear at the end of an object.

use crate::{
    record::Failure,
    storage::{Storage, Stored},
};
use crds::meta::Artifact;
use runtime::{Key, reconciler::Cleanup, requeue::Requeue, telemetry::chain};

/// What is left on the shelf of what a status names; what is no longer kept is cleared away.
pub async fn look(storage: &Storage, artifact: Option<&Artifact>) -> Result<Option<Stored>, Failure> {
    let Some(artifact) = artifact.cloned() else {
        return Ok(None);
    };
    let storage = storage.clone();
    let looked = blocking(move || {
        let found = storage.check(&artifact)?;
        if found == Stored::Good {
            // What cannot be cleared away now is cleared away next time.
            let _ = storage.collect(&artifact);
        }
        Ok(found)
    });
    looked
        .await?
        .map(Some)
        .map_err(|e| Failure::storage(crds::source::reason::STAT_OPERATION_FAILED, &e))
}

/// Removes all that an object had on the shelf.
pub async fn clear(storage: &Storage, kind: &'static str, key: Key) -> Cleanup {
    let storage = storage.clone();
    let later = |error| Cleanup::Later {
        events: Vec::new(),
        error: Some(error),
        requeue: Requeue::Backoff,
    };
    match blocking(move || storage.remove(kind, &key)).await {
        Ok(Ok(())) => Cleanup::Done(Vec::new()),
        Ok(Err(error)) => later(chain(&error)),
        Err(failure) => later(failure.message),
    }
}

/// Runs blocking work; a panic there is a failure of this object alone.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| Failure::broken(&panic))
}
