//! PURE: what a pass came to → the status, what to tell, and when to look again. The only place that writes status.

use super::{archive::Archived, includes};
use crate::{
    git::GitError,
    record::{self, Failure},
};
use crds::{
    meta::reason,
    source::{
        GitRepository, GitRepositoryStatus,
        condition::{ARTIFACT_IN_STORAGE, SOURCE_VERIFIED},
        reason as source,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use runtime::{conditions::is_true, events::Event, reconciler::Outcome, telemetry::chain};
use std::time::Duration;

/// A pass that came through.
#[derive(Debug)]
pub enum End {
    /// The remote has what is on the shelf.
    UpToDate {
        /// Where it is served now.
        url: Option<String>,
    },
    /// An artifact was stored.
    Stored(Box<Archived>),
}

impl From<&GitError> for Failure {
    fn from(error: &GitError) -> Self {
        let failure = Failure::fetch(error.reason(), chain(error));
        let failure = if error.stalls() {
            failure.stalled()
        } else {
            failure
        };
        failure.not_before(error.retry_after())
    }
}

/// Whether everything beside the commit that makes up the artifact is as it was.
pub fn same_content(object: &GitRepository, includes: &includes::Resolved) -> bool {
    let Some(status) = &object.status else {
        return false;
    };
    let spec = &object.spec;
    let covered = match (&spec.verify, status.source_verification_mode.as_deref()) {
        (None, _) => true,
        (Some(verify), Some(done)) => {
            let wanted = verify.mode.unwrap_or_default().as_str();
            is_true(&status.conditions, SOURCE_VERIFIED) && (wanted == done || done == "TagAndHEAD")
        }
        (Some(_), None) => false,
    };
    covered
        && is_true(&status.conditions, ARTIFACT_IN_STORAGE)
        && spec.ignore == status.observed_ignore
        && spec.recurse_submodules == status.observed_recurse_submodules
        && spec.sparse_checkout == status.observed_sparse_checkout
        && spec.include == status.observed_include
        && same_includes(object, includes)
}

/// Whether what is to be put into the repository is what was.
pub fn same_includes(object: &GitRepository, includes: &includes::Resolved) -> bool {
    let content = |a: &crds::meta::Artifact| (a.revision.clone(), a.digest.clone());
    let had = object.status.iter().flat_map(|status| &status.included_artifacts);
    includes.iter().map(|(_, a)| content(a)).eq(had.map(content))
}

/// The status, events and requeue after a pass that ended at `now`.
pub fn outcome(
    object: &GitRepository,
    end: Result<End, Failure>,
    now: Time,
    requeue_dependency: Duration,
) -> Outcome<GitRepositoryStatus> {
    let status = object.status.clone().unwrap_or_default();
    match end {
        Ok(End::UpToDate { url }) => up_to_date(object, status, url, &now),
        Ok(End::Stored(archived)) => stored(object, status, *archived, &now),
        Err(failure) => record::failed(object, status, failure, &now, requeue_dependency),
    }
}

fn up_to_date(
    object: &GitRepository,
    mut status: GitRepositoryStatus,
    url: Option<String>,
    now: &Time,
) -> Outcome<GitRepositoryStatus> {
    let recovered = record::had_failed(&status.conditions);
    if let (Some(artifact), Some(url)) = (&mut status.artifact, url) {
        artifact.url = url;
    }
    let message = succeed(object, &mut status, now);
    let event = recovered.then(|| Event::normal(reason::SUCCEEDED, message));
    good(object, status, event)
}

fn stored(
    object: &GitRepository,
    mut status: GitRepositoryStatus,
    archived: Archived,
    now: &Time,
) -> Outcome<GitRepositoryStatus> {
    let recovered = record::had_failed(&status.conditions);
    let new = status.artifact.as_ref().map(|a| &a.digest) != Some(&archived.artifact.digest);
    let spec = &object.spec;
    status.artifact = Some(archived.artifact);
    status.included_artifacts = archived.included;
    status.observed_ignore.clone_from(&spec.ignore);
    status.observed_include.clone_from(&spec.include);
    status.observed_recurse_submodules = spec.recurse_submodules;
    status.observed_sparse_checkout.clone_from(&spec.sparse_checkout);
    if let Some((mode, message)) = archived.verified {
        status.source_verification_mode = Some(mode);
        record::conditions(object, &mut status, now).mark_true(SOURCE_VERIFIED, reason::SUCCEEDED, message);
    }
    let message = succeed(object, &mut status, now);
    let event = if new {
        let text = format!("stored artifact for commit '{}'", archived.message);
        Some(Event::normal(source::NEW_ARTIFACT, text))
    } else {
        recovered.then(|| Event::normal(reason::SUCCEEDED, message))
    };
    good(object, status, event)
}

/// What all good ends have in common; gives the message.
fn succeed(object: &GitRepository, status: &mut GitRepositoryStatus, now: &Time) -> String {
    let revision = status.artifact.as_ref().map(|a| a.revision.as_str());
    let message = format!("stored artifact for revision '{}'", revision.unwrap_or_default());
    if object.spec.verify.is_none() {
        status.source_verification_mode = None;
        record::conditions(object, status, now).remove(SOURCE_VERIFIED);
    }
    record::succeed(object, status, &message, now);
    message
}

/// The good outcome, with what the artifact is.
fn good(
    object: &GitRepository,
    status: GitRepositoryStatus,
    event: Option<Event>,
) -> Outcome<GitRepositoryStatus> {
    let artifact = status.artifact.clone();
    record::good(object, status, artifact.as_ref(), event)
}
