//! PURE: what a pass over an OCIRepository came to → the status, what to tell, and when to look again.

use crate::{
    record::{self, Failure},
    storage::Published,
    verify::Verdict,
};
use crds::{
    meta::{Artifact, OCI_REVISION, reason},
    source::{
        OCIRepository, OCIRepositoryStatus,
        condition::{ARTIFACT_IN_STORAGE, SOURCE_VERIFIED},
        reason as source,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use runtime::{conditions::is_true, events::Event, reconciler::Outcome};
use std::time::Duration;

/// The annotation that names where an artifact was made from.
const OCI_SOURCE: &str = "org.opencontainers.image.source";

/// A pass that came through.
#[derive(Debug)]
pub enum End {
    /// The registry has what is on the shelf.
    UpToDate {
        /// Where it is served now.
        url: Option<String>,
        /// What was found of its signature, if that was looked at.
        verified: Option<Verdict>,
    },
    /// An artifact was stored.
    Stored {
        /// The artifact.
        published: Box<Published>,
        /// What was found of its signature, if that was looked at.
        verified: Option<Verdict>,
        /// How many annotations the status has no room for.
        left_out: usize,
    },
}

/// Whether an artifact of this revision would be made of the same as the one that is there.
pub fn same(object: &OCIRepository, revision: &str) -> bool {
    let Some(status) = &object.status else {
        return false;
    };
    let has = status.artifact.as_ref().map(|a| a.revision.as_str());
    has == Some(revision)
        && is_true(&status.conditions, ARTIFACT_IN_STORAGE)
        && object.spec.ignore == status.observed_ignore
        && object.spec.layer_selector == status.observed_layer_selector
}

/// The status, events and requeue after a pass that ended at `now`.
pub fn outcome(
    object: &OCIRepository,
    end: Result<End, Failure>,
    now: Time,
    requeue_dependency: Duration,
) -> Outcome<OCIRepositoryStatus> {
    let mut status = object.status.clone().unwrap_or_default();
    let recovered = record::had_failed(&status.conditions);
    let (mut new, mut left_out) = (false, 0);
    let verified = match end {
        Err(failure) => return record::failed(object, status, failure, &now, requeue_dependency),
        Ok(End::UpToDate { url, verified }) => {
            if let (Some(artifact), Some(url)) = (&mut status.artifact, url) {
                artifact.url = url;
            }
            verified
        }
        Ok(End::Stored {
            published,
            verified,
            left_out: not_told,
        }) => {
            left_out = not_told;
            let Published { artifact, latest } = *published;
            new = status.artifact.as_ref().map(|a| &a.digest) != Some(&artifact.digest);
            status.artifact = Some(artifact);
            status.url = latest;
            status.observed_ignore.clone_from(&object.spec.ignore);
            status
                .observed_layer_selector
                .clone_from(&object.spec.layer_selector);
            verified
        }
    };
    let artifact = status.artifact.clone();
    let revision = artifact.as_ref().map(|a| a.revision.as_str());
    let message = format!("stored artifact for digest '{}'", revision.unwrap_or_default());
    let text = format!("verified signature of revision {}", revision.unwrap_or_default());
    let mut conditions = record::conditions(object, &mut status, &now);
    match (&object.spec.verify, verified) {
        (None, _) | (Some(_), Some(Verdict::Ignored)) => conditions.remove(SOURCE_VERIFIED),
        (Some(_), Some(Verdict::Verified)) => conditions.mark_true(SOURCE_VERIFIED, reason::SUCCEEDED, text),
        // It was found to be right before, and nothing of it has changed.
        (Some(_), None) => {}
    }
    record::succeed(object, &mut status, &message, &now);
    let event = match &artifact {
        Some(artifact) if new => Some(Event::normal(
            source::NEW_ARTIFACT,
            news(object, artifact, left_out),
        )),
        _ => recovered.then(|| Event::normal(reason::SUCCEEDED, message)),
    };
    record::good(object, status, artifact.as_ref(), event)
}

/// What is told of a new artifact: which one it is, and where it was made from if it says so.
fn news(object: &OCIRepository, artifact: &Artifact, left_out: usize) -> String {
    let mut text = format!(
        "stored artifact with revision '{}' from '{}'",
        artifact.revision, object.spec.url
    );
    let note = |key: &str| artifact.metadata.as_ref().and_then(|notes| notes.get(key));
    if let (Some(from), Some(revision)) = (note(OCI_SOURCE), note(OCI_REVISION)) {
        text += &format!(", origin source '{from}', origin revision '{revision}'");
    }
    if left_out > 0 {
        text += &format!(", without {left_out} annotations that the status has no room for");
    }
    text
}
