//! PURE: what a pass over a Bucket came to → the status, what to tell, and when to look again.

use super::{index::Index, pull::Archived};
use crate::{
    record::{self, Failure},
    storage::Published,
};
use artifact::Digest;
use crds::{
    meta::reason,
    source::{Bucket, BucketStatus, Source as _, condition::ARTIFACT_IN_STORAGE, reason as source},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use runtime::{conditions::is_true, events::Event, reconciler::Outcome};
use std::time::Duration;

/// A pass that came through.
#[derive(Debug)]
pub enum End {
    /// The bucket has what is on the shelf.
    UpToDate {
        /// Where it is served now.
        url: Option<String>,
        /// The bucket's revision.
        revision: String,
        /// How many objects it has.
        files: usize,
    },
    /// An artifact was stored.
    Stored(Box<Archived>),
}

/// Whether the artifact was made of these objects; its revision says by which algorithm to compare.
pub fn same(object: &Bucket, index: &Index) -> bool {
    let revision = object.artifact().map(|artifact| artifact.revision.as_str());
    let Some(Ok(revision)) = revision.map(str::parse::<Digest>) else {
        return false;
    };
    let status = object.status.as_ref();
    status.is_some_and(|status| is_true(&status.conditions, ARTIFACT_IN_STORAGE))
        && index.digest(revision.algorithm()) == revision
}

/// The status, events and requeue after a pass that ended at `now`.
pub fn outcome(
    object: &Bucket,
    end: Result<End, Failure>,
    now: Time,
    requeue_dependency: Duration,
) -> Outcome<BucketStatus> {
    let mut status = object.status.clone().unwrap_or_default();
    let recovered = record::had_failed(&status.conditions);
    let (revision, files, is_new) = match end {
        Err(failure) => return record::failed(object, status, failure, &now, requeue_dependency),
        Ok(End::UpToDate { url, revision, files }) => {
            if let (Some(artifact), Some(url)) = (&mut status.artifact, url) {
                artifact.url = url;
            }
            (revision, files, false)
        }
        Ok(End::Stored(archived)) => {
            let (Published { artifact, latest }, files) = (archived.published, archived.index.len());
            let is_new = status.artifact.as_ref().map(|a| &a.digest) != Some(&artifact.digest);
            let revision = artifact.revision.clone();
            status.artifact = Some(artifact);
            status.url = latest.or(status.url);
            status.observed_ignore.clone_from(&object.spec.ignore);
            (revision, files, is_new)
        }
    };
    let artifact = status.artifact.clone();
    record::succeed(
        object,
        &mut status,
        &format!("stored artifact: revision '{revision}'"),
        &now,
    );
    let news = format!(
        "stored artifact with {files} fetched files from '{}' bucket",
        object.spec.bucket_name
    );
    let event = if is_new {
        Some(Event::normal(source::NEW_ARTIFACT, news))
    } else {
        recovered.then(|| Event::normal(reason::SUCCEEDED, news))
    };
    record::good(object, status, artifact.as_ref(), event)
}
