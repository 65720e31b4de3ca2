//! PURE: what a pass came to → the status, what to tell, and when to look again. The only place that writes status.

use super::{archive::Archived, includes};
use crate::{git::GitError, storage::StorageError};
use crds::{
    meta::{READY, RECONCILING, STALLED, reason},
    source::{
        GROUP, GitRepository, GitRepositoryStatus,
        condition::{
            ARTIFACT_IN_STORAGE, ARTIFACT_OUTDATED, FETCH_FAILED, INCLUDE_UNAVAILABLE, SOURCE_VERIFIED,
            STORAGE_OPERATION_FAILED,
        },
        reason as source,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use runtime::{
    conditions::{Conditions, is_true},
    events::Event,
    reconciler::Outcome,
    requeue::Requeue,
    telemetry::chain,
};
use std::time::Duration;

const BUILDING: &str = "building artifact";

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

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    /// The condition it is told on.
    condition: &'static str,
    /// Its reason.
    reason: &'static str,
    /// What went wrong, in full.
    pub message: String,
    /// Only a change of the spec can help.
    stalled: bool,
}

impl Failure {
    /// The remote could not be read.
    pub fn fetch(error: &GitError) -> Self {
        Self {
            condition: FETCH_FAILED,
            reason: error.reason(),
            message: chain(error),
            stalled: error.stalls(),
        }
    }

    /// What is needed to ask the remote is not there.
    pub fn refused(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            condition: FETCH_FAILED,
            reason,
            message: message.into(),
            stalled: false,
        }
    }

    /// An included repository is not there.
    pub fn include(reason: &'static str, message: String) -> Self {
        Self {
            condition: INCLUDE_UNAVAILABLE,
            reason,
            message,
            stalled: false,
        }
    }

    /// The shelf failed.
    pub fn storage(reason: &'static str, error: &StorageError) -> Self {
        Self::storage_text(reason, chain(error))
    }

    /// What was to be put on the shelf is not right.
    pub fn storage_text(reason: &'static str, message: String) -> Self {
        Self {
            condition: STORAGE_OPERATION_FAILED,
            reason,
            message,
            stalled: false,
        }
    }

    /// A signature is missing, wrong or nobody's.
    pub fn unverified(reason: &'static str, message: String) -> Self {
        Self {
            condition: SOURCE_VERIFIED,
            reason,
            message,
            stalled: false,
        }
    }

    /// A step broke off.
    pub fn broken(panic: &tokio::task::JoinError) -> Self {
        Self {
            condition: FETCH_FAILED,
            reason: source::GIT_OPERATION_FAILED,
            message: format!("the pass broke off: {panic}"),
            stalled: false,
        }
    }

    /// The failure, of a kind that only a change of the spec can help.
    #[must_use]
    pub fn stalled(self) -> Self {
        Self {
            stalled: true,
            ..self
        }
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
    let content = |a: &crds::meta::Artifact| (a.revision.clone(), a.digest.clone());
    covered
        && is_true(&status.conditions, ARTIFACT_IN_STORAGE)
        && spec.ignore == status.observed_ignore
        && spec.recurse_submodules == status.observed_recurse_submodules
        && spec.sparse_checkout == status.observed_sparse_checkout
        && spec.include == status.observed_include
        && includes
            .iter()
            .map(|(_, a)| content(a))
            .eq(status.included_artifacts.iter().map(content))
}

/// The status while a pass lasts.
pub fn in_progress(object: &GitRepository, now: Time) -> GitRepositoryStatus {
    let mut status = object.status.clone().unwrap_or_default();
    let mut conditions = Conditions::new(&mut status.conditions, generation(object), now);
    conditions.reconciling(reason::PROGRESSING, BUILDING);
    conditions.mark_unknown(READY, reason::PROGRESSING, BUILDING);
    status
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
        Ok(End::UpToDate { url }) => up_to_date(object, status, url, now),
        Ok(End::Stored(archived)) => stored(object, status, *archived, now),
        Err(failure) => failed(object, status, failure, now, requeue_dependency),
    }
}

fn up_to_date(
    object: &GitRepository,
    mut status: GitRepositoryStatus,
    url: Option<String>,
    now: Time,
) -> Outcome<GitRepositoryStatus> {
    let recovered = had_failed(&status);
    if let (Some(artifact), Some(url)) = (&mut status.artifact, url) {
        artifact.url = url;
    }
    let message = succeed(object, &mut status, now);
    let events = if recovered {
        vec![told(Event::normal(reason::SUCCEEDED, message), &status)]
    } else {
        Vec::new()
    };
    Outcome {
        status,
        events,
        requeue: interval(object),
        error: None,
    }
}

fn stored(
    object: &GitRepository,
    mut status: GitRepositoryStatus,
    archived: Archived,
    now: Time,
) -> Outcome<GitRepositoryStatus> {
    let recovered = had_failed(&status);
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
        conditions(object, &mut status, &now).mark_true(SOURCE_VERIFIED, reason::SUCCEEDED, message);
    }
    let message = succeed(object, &mut status, now);
    let event = if new {
        Some(Event::normal(
            source::NEW_ARTIFACT,
            format!("stored artifact for commit '{}'", archived.message),
        ))
    } else {
        recovered.then(|| Event::normal(reason::SUCCEEDED, message))
    };
    let events = event.into_iter().map(|e| told(e, &status)).collect();
    Outcome {
        status,
        events,
        requeue: interval(object),
        error: None,
    }
}

fn failed(
    object: &GitRepository,
    mut status: GitRepositoryStatus,
    failure: Failure,
    now: Time,
    requeue_dependency: Duration,
) -> Outcome<GitRepositoryStatus> {
    let Failure {
        condition,
        reason,
        message,
        stalled,
    } = failure;
    let mut conditions = Conditions::new(&mut status.conditions, generation(object), now);
    for other in [FETCH_FAILED, INCLUDE_UNAVAILABLE, STORAGE_OPERATION_FAILED] {
        if other != condition {
            conditions.remove(other);
        }
    }
    if condition == SOURCE_VERIFIED {
        conditions.mark_false(condition, reason, message.clone());
    } else {
        conditions.mark_true(condition, reason, message.clone());
    }
    conditions.mark_false(READY, reason, message.clone());
    if stalled {
        conditions.stalled(reason, message.clone());
        status.observed_generation = generation(object);
    } else {
        conditions.reconciling(reason::PROGRESSING_WITH_RETRY, BUILDING);
    }
    // A missing include comes or not: that is no fault of this object.
    let waits = condition == INCLUDE_UNAVAILABLE;
    let event = if waits {
        Event::normal(reason, message.clone())
    } else {
        Event::warning(reason, message.clone())
    };
    let requeue = match (stalled, waits) {
        (true, _) => Requeue::Never,
        (false, true) => Requeue::After(requeue_dependency),
        (false, false) => Requeue::Backoff,
    };
    Outcome {
        status,
        events: vec![event],
        requeue,
        error: Some(message),
    }
}

/// What all good ends have in common; gives the message.
fn succeed(object: &GitRepository, status: &mut GitRepositoryStatus, now: Time) -> String {
    let revision = status
        .artifact
        .as_ref()
        .map(|a| a.revision.clone())
        .unwrap_or_default();
    let message = format!("stored artifact for revision '{revision}'");
    status.observed_generation = generation(object);
    if object.spec.verify.is_none() {
        status.source_verification_mode = None;
    }
    let mut conditions = conditions(object, status, &now);
    for gone in [
        RECONCILING,
        STALLED,
        FETCH_FAILED,
        INCLUDE_UNAVAILABLE,
        STORAGE_OPERATION_FAILED,
        ARTIFACT_OUTDATED,
    ] {
        conditions.remove(gone);
    }
    if object.spec.verify.is_none() {
        conditions.remove(SOURCE_VERIFIED);
    }
    conditions.mark_true(ARTIFACT_IN_STORAGE, reason::SUCCEEDED, message.clone());
    conditions.mark_true(READY, reason::SUCCEEDED, message.clone());
    message
}

fn conditions<'a>(object: &GitRepository, status: &'a mut GitRepositoryStatus, now: &Time) -> Conditions<'a> {
    Conditions::new(&mut status.conditions, generation(object), now.clone())
}

fn had_failed(status: &GitRepositoryStatus) -> bool {
    [FETCH_FAILED, INCLUDE_UNAVAILABLE, STORAGE_OPERATION_FAILED]
        .iter()
        .any(|c| is_true(&status.conditions, c))
}

/// An event with what it is about, as Flux annotates it.
fn told(event: Event, status: &GitRepositoryStatus) -> Event {
    match &status.artifact {
        Some(artifact) => event
            .with(format!("{GROUP}/revision"), &*artifact.revision)
            .with(format!("{GROUP}/digest"), &*artifact.digest),
        None => event,
    }
}

fn interval(object: &GitRepository) -> Requeue {
    Requeue::Interval(
        object
            .spec
            .interval
            .get()
            .ok()
            .filter(|i| !i.is_zero())
            .unwrap_or(Duration::from_secs(3600)),
    )
}

fn generation(object: &GitRepository) -> i64 {
    object.metadata.generation.unwrap_or_default()
}
