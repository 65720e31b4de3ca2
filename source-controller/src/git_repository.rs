//! The story of a GitRepository: look on the shelf, ask the remote, fetch what moved, verify, archive, record.

mod archive;
mod includes;
mod record;
mod request;

pub use includes::Includes;

use crate::{
    context::Context,
    git,
    storage::{Storage, Stored},
};
use crds::source::{GitRepository, GitRepositoryStatus};
use record::{End, Failure};
use runtime::{
    Key,
    reconciler::{Cleanup, Outcome, Reconciler},
    requeue::Requeue,
    telemetry::chain,
};
use std::sync::Arc;

/// Reconciles GitRepositories.
#[derive(Debug)]
pub struct GitRepositories(pub Arc<Context>);

/// The kind as it stands in paths and messages.
const KIND: &str = "GitRepository";

impl Reconciler for GitRepositories {
    type Object = GitRepository;

    async fn reconcile(&self, object: &Arc<GitRepository>) -> Outcome<GitRepositoryStatus> {
        let end = self.pass(object).await;
        record::outcome(object, end, runtime::reconciler::now(), self.0.requeue_dependency)
    }

    async fn cleanup(&self, object: &Arc<GitRepository>) -> Cleanup {
        let (context, key) = (self.0.clone(), Key::of(&**object));
        match blocking(move || context.storage.remove(KIND, &key)).await {
            Ok(Ok(())) => Cleanup::Done(Vec::new()),
            Ok(Err(error)) => Cleanup::Later {
                events: Vec::new(),
                error: Some(chain(&error)),
                requeue: Requeue::Backoff,
            },
            Err(failure) => Cleanup::Later {
                events: Vec::new(),
                error: Some(failure.message),
                requeue: Requeue::Backoff,
            },
        }
    }

    fn in_progress(&self, object: &GitRepository) -> Option<GitRepositoryStatus> {
        Some(record::in_progress(object, runtime::reconciler::now()))
    }
}

impl GitRepositories {
    /// One pass. Each step gives what the next one needs, or a reason to stop.
    async fn pass(&self, object: &Arc<GitRepository>) -> Result<End, Failure> {
        // I/O: is what we said we have still there?
        let shelf = self.look(object).await?;
        // I/O: the Secrets that the spec names. Pure: what to ask for, and how.
        let request = request::run(&self.0.client, object).await?;
        let verification = request::verification(&self.0.client, object).await?;
        let includes = includes::resolve(&self.0, object)?;
        let settled = shelf == Some(Stored::Good) && record::same_content(object, &includes);
        // I/O, blocking: one listing where nothing may have moved; else the commit, its files and their archive.
        let (context, job) = (self.0.clone(), object.clone());
        blocking(move || {
            if settled && unmoved(&context, &job, &request)? {
                return Ok(End::UpToDate {
                    url: job_url(&context.storage, &job),
                });
            }
            let archived = archive::run(&context, &job, &request, verification.as_ref(), includes)?;
            Ok(End::Stored(Box::new(archived)))
        })
        .await?
    }

    /// What is left on the shelf of what the status names; the rest is cleared away.
    async fn look(&self, object: &Arc<GitRepository>) -> Result<Option<Stored>, Failure> {
        let Some(artifact) = object.status.as_ref().and_then(|s| s.artifact.clone()) else {
            return Ok(None);
        };
        let context = self.0.clone();
        let looked = blocking(move || {
            let found = context.storage.check(&artifact)?;
            if found == Stored::Good {
                // What cannot be cleared away now is cleared away next time.
                let _ = context.storage.collect(&artifact);
            }
            Ok(found)
        });
        looked
            .await?
            .map(Some)
            .map_err(|e| Failure::storage(crds::source::reason::STAT_OPERATION_FAILED, &e))
    }
}

/// Whether the remote still has what the status names.
fn unmoved(context: &Context, object: &GitRepository, request: &git::Request) -> Result<bool, Failure> {
    let have = object
        .status
        .as_ref()
        .and_then(|s| s.artifact.as_ref())
        .map(|a| a.revision.as_str());
    let resolved = context.mirrors.resolve(request).map_err(|e| Failure::fetch(&e))?;
    Ok(resolved
        .zip(have)
        .is_some_and(|(now, have)| git::same_revision(&now.revision, have)))
}

fn job_url(storage: &Storage, object: &GitRepository) -> Option<String> {
    object
        .status
        .as_ref()?
        .artifact
        .as_ref()
        .map(|a| storage.url(&a.path))
}

/// Runs blocking work; a panic there is a failure of this object alone.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|panic| Failure::broken(&panic))
}
