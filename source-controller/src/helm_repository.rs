//! The story of a HelmRepository: look on the shelf, have its index, store it in its canonical form, record.

mod record;

use crate::{
    context::Context,
    helm_remote::{Access, Failed, Fetched, Id, Remote, is_oci, is_static, normalized},
    record::{Failure, asked},
    shelf::{self, blocking},
    storage::{Offer, Storage, StorageError, Stored},
};
use artifact::Digest;
use crds::{
    meta::reason,
    source::{HelmRepository, HelmRepositoryStatus, Source as _, reason as source},
};
use peer::http::shown;
use record::End;
use runtime::{
    Key,
    reconciler::{Cleanup, Outcome, Reconciler},
    telemetry::chain,
};
use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

/// Reconciles HelmRepositories.
#[derive(Debug)]
pub struct HelmRepositories(pub Arc<Context>);

/// The kind as it stands in paths and messages.
const KIND: &str = "HelmRepository";

/// The link beside the artifacts that always leads to the newest.
const LATEST: &str = "index.yaml";

impl Reconciler for HelmRepositories {
    type Object = HelmRepository;

    async fn reconcile(&self, object: &Arc<HelmRepository>) -> Outcome<HelmRepositoryStatus> {
        let end = self.pass(object).await;
        self.0.progress.over(&**object);
        let outcome = record::outcome(object, end, runtime::conditions::now(), self.0.requeue_dependency);
        shelf::told(&self.0.storage, &**object, outcome)
    }

    async fn cleanup(&self, object: &Arc<HelmRepository>) -> Cleanup {
        shelf::clear(&self.0.storage, KIND, Key::of(&**object)).await
    }

    fn in_progress(&self, object: &HelmRepository) -> Option<HelmRepositoryStatus> {
        let news = self.0.progress.show(object);
        crate::record::in_progress(object, news, runtime::conditions::now())
    }

    async fn more_in_progress(&self, object: &HelmRepository) {
        self.0.progress.more(object).await;
    }

    fn forget(&self, key: &Key) {
        self.0.indexes.forget(key);
    }

    /// A note on a registry is for others to read.
    fn is_static(&self, object: &HelmRepository) -> bool {
        is_static(object)
    }
}

impl HelmRepositories {
    /// One pass. Each step gives what the next one needs, or a reason to stop.
    async fn pass(&self, object: &Arc<HelmRepository>) -> Result<End, Failure> {
        // I/O: is what we said we have still there?
        let shelf = shelf::look(&self.0.storage, object.artifact()).await?;
        // Pure: what to ask for. I/O: the Secrets that the spec names.
        let url = url(&object.spec.url)?;
        let access = Access::read(&self.0.client, object).await;
        let access = access.map_err(|problem| Failure::fetch(reason::AUTHENTICATION_FAILED, problem))?;
        let remote = self.0.remotes.get(&url, &access);
        let remote = remote.map_err(|e| Failure::fetch(reason::FAILED, chain(&e)).stalled())?;
        let good = shelf == Some(Stored::Good);
        let end = self.bring(object, good, &remote, access.timeout).await;
        let end = match end {
            // A newer index has taken its place before it was read.
            Err(stop) if stop.is_replaced => self.bring(object, good, &remote, access.timeout).await,
            end => end,
        };
        end.map_err(|stop| stop.failure)
    }

    /// Has the index, and stores it unless the shelf has it.
    async fn bring(
        &self,
        object: &Arc<HelmRepository>,
        good: bool,
        remote: &(Id, Arc<Remote>),
        timeout: Duration,
    ) -> Result<End, Stop> {
        // I/O: the index, unless the server or a neighbour has it that nothing has changed.
        let fetched = self.0.indexes.fetch(remote, timeout, asked(&**object)).await;
        let fetched = fetched.map_err(|failed| told(&failed))?;
        let revision = fetched.revision.to_string();
        let has = object.artifact().filter(|_| good);
        if let Some(artifact) = has.filter(|artifact| artifact.revision == revision) {
            return Ok(End::UpToDate(self.0.storage.urls(&artifact.path, LATEST)));
        }
        let new = format!("new index revision '{revision}'");
        self.0
            .progress
            .newer(&**object, &revision, source::NEW_REVISION, &new);
        // I/O, blocking: its stored form goes on the shelf.
        let (context, object) = (self.0.clone(), object.clone());
        let work = blocking(move || store(&context.storage, &object, &fetched));
        work.await?.map_err(|error| {
            let failure = Failure::storage(&error);
            Stop {
                failure: failure.outdated(source::NEW_REVISION, new),
                is_replaced: is_replaced(&error),
            }
        })
    }
}

/// Why an index was not stored.
struct Stop {
    failure: Failure,
    /// Whether it is only that a newer one has taken its place.
    is_replaced: bool,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        let is_replaced = false;
        Self { failure, is_replaced }
    }
}

/// Whether what was to be stored was not there any more.
fn is_replaced(error: &StorageError) -> bool {
    let StorageError::Pack(source) = error else {
        return false;
    };
    let source = source.downcast_ref::<io::Error>();
    source.is_some_and(|source| source.kind() == io::ErrorKind::NotFound)
}

/// The repository's URL, if it is one that has an index.
fn url(url: &str) -> Result<::url::Url, Failure> {
    let invalid = |problem: String| {
        let text = format!("invalid Helm repository URL: {problem}");
        Failure::fetch(reason::URL_INVALID, text).stalled()
    };
    if is_oci(url) {
        let text = "'oci' URL scheme cannot be used with 'default' HelmRepository type";
        return Err(invalid(text.to_owned()));
    }
    normalized(url).map_err(|e| invalid(format!("parse {:?}: {e}", shown(url))))
}

fn store(storage: &Storage, object: &HelmRepository, fetched: &Fetched) -> Result<End, StorageError> {
    let revision: &Digest = &fetched.revision;
    let offer = Offer {
        kind: KIND,
        key: Key::of(object),
        file: format!("index-{}.yaml", revision.hex()),
        revision: Some(revision.to_string()),
        metadata: BTreeMap::new(),
        link: Some(LATEST),
    };
    let published = storage.publish(offer, |out| fetched.copy(out))?;
    Ok(End::Stored(Box::new(published)))
}

fn told(failed: &Failed) -> Failure {
    match failed {
        Failed::Remote(error) => {
            let text = format!("failed to fetch Helm repository index: {}", chain(failed));
            Failure::fetch(reason::FAILED, text).not_before(error.retry_after())
        }
        Failed::Index(_) => {
            let text = format!(
                "failed to load Helm repository from index YAML: {}",
                chain(failed)
            );
            Failure::fetch(source::INDEXATION_FAILED, text)
        }
        Failed::Busy(_) => {
            let text = format!("failed to fetch Helm repository index: {}", chain(failed));
            Failure::fetch(reason::FAILED, text)
        }
        Failed::Disk(_) => Failure::storage_text(source::ARCHIVE_OPERATION_FAILED, chain(failed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_went_is_looked_for_again() {
        let error = |kind: io::ErrorKind| StorageError::Pack(Box::new(io::Error::from(kind)));
        assert!(is_replaced(&error(io::ErrorKind::NotFound)));
        assert!(!is_replaced(&error(io::ErrorKind::StorageFull)));
        assert!(!is_replaced(&StorageError::Root("a".into())));
    }
}
