//! The story of an OCIRepository: look on the shelf, ask the registry, pull what moved, archive, record.

mod pull;
mod record;
mod request;
mod verification;

use crate::{
    context::Context,
    oci::{OciError, Reference},
    record::{Failure, asked},
    shelf::{self, blocking},
    storage::Stored,
    verify::Verdict,
};
use crds::source::{OCIRepository, OCIRepositoryStatus, Source as _, reason};
use record::End;
use request::Request;
use runtime::{
    Key,
    reconciler::{Cleanup, Outcome, Reconciler},
    telemetry::chain,
};
use std::sync::Arc;

/// Reconciles OCIRepositories.
#[derive(Debug)]
pub struct OciRepositories(pub Arc<Context>);

/// The kind as it stands in paths and messages.
const KIND: &str = "OCIRepository";

impl Reconciler for OciRepositories {
    type Object = OCIRepository;

    async fn reconcile(&self, object: &Arc<OCIRepository>) -> Outcome<OCIRepositoryStatus> {
        let end = self.pass(object).await;
        self.0.progress.over(&**object);
        let outcome = record::outcome(object, end, runtime::conditions::now(), self.0.requeue_dependency);
        shelf::told(&self.0.storage, &**object, outcome)
    }

    async fn cleanup(&self, object: &Arc<OCIRepository>) -> Cleanup {
        shelf::clear(&self.0.storage, KIND, Key::of(&**object)).await
    }

    fn in_progress(&self, object: &OCIRepository) -> Option<OCIRepositoryStatus> {
        let news = self.0.progress.show(object);
        crate::record::in_progress(object, news, runtime::conditions::now())
    }

    async fn more_in_progress(&self, object: &OCIRepository) {
        self.0.progress.more(object).await;
    }
}

/// What the registry has for us.
enum Answer {
    /// Nothing that is not on the shelf.
    Same { verified: Option<Verdict> },
    /// A layer that is to be archived.
    Pulled {
        pulled: pull::Pulled,
        verified: Option<Verdict>,
        revision: String,
        doing: String,
    },
}

impl OciRepositories {
    /// One pass. Each step gives what the next one needs, or a reason to stop.
    async fn pass(&self, object: &Arc<OCIRepository>) -> Result<End, Failure> {
        // I/O: is what we said we have still there?
        let shelf = shelf::look(&self.0.storage, object.artifact()).await?;
        // I/O: the Secrets that the spec names. Pure: what to ask for, and how.
        let request = request::run(&self.0, object).await?;
        // I/O: the registry, which has as long as the spec's timeout (Flux field).
        let asked = self.ask(object, &request, shelf == Some(Stored::Good));
        let late = |_| timeout(&request);
        let answer = tokio::time::timeout(request.timeout, asked)
            .await
            .map_err(late)??;
        match answer {
            Answer::Same { verified } => Ok(End::UpToDate {
                url: object.artifact().map(|a| self.0.storage.url(&a.path)),
                verified,
            }),
            Answer::Pulled {
                pulled,
                verified,
                revision,
                doing,
            } => {
                let (new, has) = (revision.clone(), object.artifact());
                let outdated = |failure: Failure| failure.on_way_to(&new, has, doing);
                let left_out = pulled.left_out;
                // I/O, blocking: the archive, however long it takes: nothing of it may go on behind the pass.
                let (context, object) = (self.0.clone(), object.clone());
                let archive = move || pull::archive(&context.storage, &object, pulled, revision);
                let published = blocking(archive).await?.map_err(outdated)?;
                Ok(End::Stored {
                    published: Box::new(published),
                    verified,
                    left_out,
                })
            }
        }
    }

    /// I/O: one request where nothing has moved; else the manifest and its layer.
    async fn ask(
        &self,
        object: &Arc<OCIRepository>,
        request: &Request,
        kept: bool,
    ) -> Result<Answer, Failure> {
        let registry = self
            .0
            .registries
            .get(&request.repository, &request.access)
            .map_err(|e| pull_failed("failed to generate transport", &e))?;
        let now = wants_its_own(object);
        let reference = request.reference(&registry, now).await?;
        let digest = registry
            .look(&request.repository, &reference, now)
            .await
            .map_err(|e| pull_failed("failed to determine artifact digest", &e))?;
        let revision = match &reference {
            Reference::Tag(tag) => format!("{tag}@{digest}"),
            Reference::Digest(digest) => digest.clone(),
        };
        let doing = format!(
            "new revision '{revision}' for '{}'",
            reference.with(&request.repository)
        );
        self.0
            .progress
            .newer(&**object, &revision, reason::NEW_REVISION, &doing);
        let outdated = |failure: Failure| failure.on_way_to(&revision, object.artifact(), doing.clone());
        let verified = verification::run(&self.0, object, request, &registry, &digest, &revision).await;
        let verified = verified.map_err(outdated)?;
        if kept && record::same(object, &revision) {
            return Ok(Answer::Same { verified });
        }
        let pulled = pull::run(&registry, request, &digest, &self.0.storage).await;
        let pulled = pulled.map_err(outdated)?;
        Ok(Answer::Pulled {
            pulled,
            verified,
            revision,
            doing,
        })
    }
}

/// Whether no look of others will do: somebody asked for one just now, or the spec is new.
fn wants_its_own(object: &OCIRepository) -> bool {
    let seen = object.status.as_ref().map(|status| status.observed_generation);
    asked(object) || seen != object.metadata.generation
}

/// The registry could not be read.
fn pull_failed(doing: &str, error: &OciError) -> Failure {
    told(reason::OCI_PULL_FAILED, doing, error)
}

fn told(reason: &'static str, doing: &str, error: &OciError) -> Failure {
    Failure::fetch(reason, format!("{doing}: {}", chain(error))).not_before(error.retry_after())
}

fn timeout(request: &Request) -> Failure {
    Failure::fetch(
        reason::OCI_PULL_FAILED,
        format!(
            "failed to pull artifact from 'oci://{}': no answer within the timeout of {}",
            request.repository,
            crds::meta::format_go(request.timeout)
        ),
    )
}
