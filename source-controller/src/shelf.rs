//! I/O: what each pass does with the shelf, whatever the kind: look first, and clear at the end of an object.

use crate::{
    record::{Failure, conditions},
    storage::{Storage, Stored},
};
use crds::{
    meta::Artifact,
    source::{OwnSource, condition::ARTIFACT_IN_STORAGE, reason},
};
use runtime::{
    Key,
    events::Event,
    reconciler::{Cleanup, Outcome},
    requeue::Requeue,
    telemetry::chain,
};

/// What is left on the shelf of what a status names; what is no longer kept is cleared away.
pub async fn look(storage: &Storage, artifact: Option<&Artifact>) -> Result<Option<Stored>, Failure> {
    let Some(artifact) = artifact.cloned() else {
        return Ok(None);
    };
    let storage = storage.clone();
    let looked = blocking(move || {
        let found = storage.check(&artifact)?;
        if found == Stored::Damaged {
            let text = format!(
                "failed to verify integrity of artifact: '{}' is not what its digest says, and was removed",
                artifact.path
            );
            let event = Event::warning(reason::ARTIFACT_VERIFICATION_FAILED, text);
            storage.note(&artifact, event);
        }
        if found == Stored::Good {
            // What cannot be cleared away now is cleared away next time.
            match storage.collect(&artifact) {
                Ok(0) => {}
                Ok(number) => {
                    let text = format!("garbage collected {number} artifacts");
                    let event = Event::trace(reason::GARBAGE_COLLECTION_SUCCEEDED, text);
                    storage.note(&artifact, event);
                }
                Err(error) => {
                    let text = format!("garbage collection failed: {}", chain(&error));
                    let event = Event::warning(reason::GARBAGE_COLLECTION_FAILED, text);
                    storage.note(&artifact, event);
                }
            }
        }
        Ok(found)
    });
    looked.await?.map(Some).map_err(|e| Failure::storage(&e))
}

/// The outcome of a pass, and before it what was found of the artifact that there was. One that is lost and could not be made anew
/// is taken back: nobody is sent to what is not there.
pub fn told<O: OwnSource>(
    storage: &Storage,
    object: &O,
    mut outcome: Outcome<O::Status>,
) -> Outcome<O::Status> {
    let Some(artifact) = object.artifact() else {
        return outcome;
    };
    if outcome.error.is_some() && storage.is_lost(artifact) {
        O::take_back(&mut outcome.status);
        conditions(object, &mut outcome.status, &runtime::conditions::now()).remove(ARTIFACT_IN_STORAGE);
    }
    outcome.events.splice(0..0, storage.take_notes(artifact));
    outcome
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
