//! PURE: from the end of a pass to status, events and the next pass.

use crds::{
    extensions::{self, ArtifactGenerator, ArtifactGeneratorStatus, ExternalArtifactReference},
    meta::{READY, RECONCILING, STALLED, reason},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use runtime::{conditions::Conditions, events::Event, reconciler::Outcome, requeue::Requeue};
use std::time::Duration;

/// How often a generator is looked at when nothing happens (Flux's source-watcher).
const INTERVAL: Duration = Duration::from_secs(3600);
const DISABLED: &str = "Reconciliation is disabled";
const IN_PROGRESS: &str = "Reconciliation in progress";

/// A good end of a pass.
#[derive(Debug)]
pub enum End {
    /// Everything is as it was left.
    UpToDate,
    /// Artifacts were made.
    Made {
        /// All of them, also those that did not change.
        inventory: Vec<ExternalArtifactReference>,
        /// The checksum of what they were made of.
        digest: String,
    },
}

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    reason: &'static str,
    /// What went wrong, in full.
    pub message: String,
    help: Help,
}

/// What can help after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Help {
    Retry,
    Change,
    Other,
}

impl Failure {
    /// Trying again can help.
    pub fn retry(reason: &'static str, message: String) -> Self {
        let help = Help::Retry;
        Self {
            reason,
            message,
            help,
        }
    }

    /// Only a change of the spec, or of a source, can help.
    pub fn stalled(reason: &'static str, message: String) -> Self {
        let help = Help::Change;
        Self {
            reason,
            message,
            help,
        }
    }

    /// Something else has to come first.
    pub fn awaits(reason: &'static str, message: String) -> Self {
        let help = Help::Other;
        Self {
            reason,
            message,
            help,
        }
    }
}

/// The status while a pass lasts.
pub fn in_progress(object: &ArtifactGenerator, now: &Time) -> ArtifactGeneratorStatus {
    let mut status = object.status.clone().unwrap_or_default();
    let mut conditions = conditions(object, &mut status, now);
    conditions.reconciling(reason::PROGRESSING, IN_PROGRESS);
    conditions.mark_unknown(READY, reason::PROGRESSING, IN_PROGRESS);
    status
}

/// What is told of a generator that is left alone; its status stays as it is.
pub fn suspended() -> Event {
    Event::warning(extensions::reason::RECONCILIATION_DISABLED, DISABLED)
}

/// The status, events and next pass.
pub fn outcome(
    object: &ArtifactGenerator,
    end: Result<End, Failure>,
    now: &Time,
    requeue_dependency: Duration,
) -> Outcome<ArtifactGeneratorStatus> {
    let status = object.status.clone().unwrap_or_default();
    match end {
        Ok(End::UpToDate) => Outcome {
            status,
            events: Vec::new(),
            requeue: Requeue::Interval(INTERVAL),
            error: None,
        },
        Ok(End::Made { inventory, digest }) => made(object, status, inventory, digest, now),
        Err(failure) => failed(object, status, failure, now, requeue_dependency),
    }
}

fn made(
    object: &ArtifactGenerator,
    mut status: ArtifactGeneratorStatus,
    inventory: Vec<ExternalArtifactReference>,
    digest: String,
    now: &Time,
) -> Outcome<ArtifactGeneratorStatus> {
    let news: Vec<String> = inventory
        .iter()
        .filter(|made| {
            let same = |old: &&ExternalArtifactReference| old.name == made.name && old.digest == made.digest;
            status.inventory.iter().find(same).is_none()
        })
        .map(|made| format!("{}/{} ({})", made.namespace, made.name, made.digest))
        .collect();
    let text = format!(
        "reconciliation succeeded, generated {} artifact(s)",
        inventory.len()
    );
    status.inventory = inventory;
    status.observed_sources_digest = Some(digest);
    let mut conditions = conditions(object, &mut status, now);
    conditions.remove(RECONCILING);
    conditions.remove(STALLED);
    conditions.mark_true(READY, reason::SUCCEEDED, text.clone());
    let mut events = vec![Event::trace(READY, text)];
    if !news.is_empty() {
        let text = format!("external artifacts reconciled: {}", news.join("\n"));
        events.push(Event::normal(READY, text));
    }
    Outcome {
        status,
        events,
        requeue: Requeue::Interval(INTERVAL),
        error: None,
    }
}

fn failed(
    object: &ArtifactGenerator,
    mut status: ArtifactGeneratorStatus,
    failure: Failure,
    now: &Time,
    requeue_dependency: Duration,
) -> Outcome<ArtifactGeneratorStatus> {
    let Failure {
        reason,
        message,
        help,
    } = failure;
    let mut conditions = conditions(object, &mut status, now);
    conditions.mark_false(READY, reason, message.clone());
    if help == Help::Change {
        conditions.stalled(reason, message.clone());
    } else {
        conditions.reconciling(crds::meta::reason::PROGRESSING_WITH_RETRY, IN_PROGRESS);
    }
    Outcome {
        status,
        events: vec![Event::warning(reason, message.clone())],
        requeue: match help {
            Help::Change => Requeue::Never,
            Help::Other => Requeue::After(requeue_dependency),
            Help::Retry => Requeue::Backoff,
        },
        error: Some(message),
    }
}

fn conditions<'a>(
    object: &ArtifactGenerator,
    status: &'a mut ArtifactGeneratorStatus,
    now: &Time,
) -> Conditions<'a> {
    let generation = object.metadata.generation.unwrap_or_default();
    Conditions::new(&mut status.conditions, generation, now.clone())
}
