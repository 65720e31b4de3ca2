//! The story of a GitRepository: look on the shelf, ask the remote, fetch what moved, verify, archive, record.

mod archive;
mod includes;
mod record;
mod request;

pub use includes::Includes;

use crate::{
    context::Context,
    git,
    record::{Failure, asked},
    shelf::{self, blocking},
    storage::{Storage, Stored},
};
use crds::source::{GitRepository, GitRepositoryStatus, Source as _};
use record::End;
use runtime::{
    Key,
    reconciler::{Cleanup, Outcome, Reconciler},
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
        self.0.progress.over(&**object);
        let outcome = record::outcome(object, end, runtime::conditions::now(), self.0.requeue_dependency);
        shelf::told(&self.0.storage, &**object, outcome)
    }

    async fn cleanup(&self, object: &Arc<GitRepository>) -> Cleanup {
        shelf::clear(&self.0.storage, KIND, Key::of(&**object)).await
    }

    fn in_progress(&self, object: &GitRepository) -> Option<GitRepositoryStatus> {
        let news = self.0.progress.show(object);
        crate::record::in_progress(object, news, runtime::conditions::now())
    }

    async fn more_in_progress(&self, object: &GitRepository) {
        self.0.progress.more(object).await;
    }
}

impl GitRepositories {
    /// One pass. Each step gives what the next one needs, or a reason to stop.
    async fn pass(&self, object: &Arc<GitRepository>) -> Result<End, Failure> {
        // I/O: is what we said we have still there?
        let shelf = shelf::look(&self.0.storage, object.artifact()).await?;
        // I/O: the Secrets that the spec names. Pure: what to ask for, and how.
        let request = request::run(&self.0, object).await?;
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
}

/// Whether the remote still has what the status names.
fn unmoved(context: &Context, object: &GitRepository, request: &git::Request) -> Result<bool, Failure> {
    let have = object
        .status
        .as_ref()
        .and_then(|s| s.artifact.as_ref())
        .map(|a| a.revision.as_str());
    let resolved = context
        .mirrors
        .look(request, asked(object))
        .map_err(|e| Failure::from(&e))?;
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
