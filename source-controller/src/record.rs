//! PURE: what the ends of passes have in common for all kinds of sources: conditions, events, when to look again.

use crate::{ignore::RulesError, progress::News, storage::StorageError};
use crds::meta::{Condition, ConditionStatus, ObjectStatus as _};
use crds::{
    meta::{Artifact, FluxObject, READY, RECONCILING, REQUESTED_AT, STALLED, reason},
    source::{
        GROUP, Source,
        condition::{
            ARTIFACT_IN_STORAGE, ARTIFACT_OUTDATED, BUILD_FAILED, FETCH_FAILED, INCLUDE_UNAVAILABLE,
            SOURCE_VERIFIED, STORAGE_OPERATION_FAILED,
        },
        reason as source,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use runtime::{
    conditions::{Conditions, find, is_true},
    events::Event,
    reconciler::Outcome,
    requeue::Requeue,
    telemetry::chain,
};
use std::time::Duration;

const BUILDING: &str = "building artifact";

/// Conditions that are there while something is wrong; at most one of them is.
const PROBLEMS: [&str; 4] = [
    FETCH_FAILED,
    INCLUDE_UNAVAILABLE,
    STORAGE_OPERATION_FAILED,
    BUILD_FAILED,
];

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    /// The condition it is told on.
    condition: &'static str,
    /// Its reason.
    reason: &'static str,
    /// What went wrong, in full.
    pub message: String,
    /// What was going on, beyond that an artifact was being made.
    doing: Option<Box<str>>,
    /// What upstream has that the artifact is not, with the reason to tell it under.
    outdated: Option<Box<(&'static str, String)>>,
    /// What it means for the signature, with the reason.
    unverified: Option<&'static str>,
    /// What can help.
    help: Help,
}

/// `spec.timeout` where it is not given, as the CRDs have it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nobody waits for longer, whatever the spec says: others wait for the worker.
const MOST_PATIENCE: Duration = Duration::from_secs(3600);

/// How long a step may take, by what the spec says.
pub fn patience(given: Option<Duration>) -> Duration {
    given
        .filter(|given| !given.is_zero())
        .unwrap_or(PATIENCE)
        .min(MOST_PATIENCE)
}

/// Whether somebody asked for a look just now, so that what was seen a moment ago will not do.
pub fn asked<K: FluxObject>(object: &K) -> bool {
    let wanted = object.annotations().get(REQUESTED_AT).map(String::as_str);
    let handled = object
        .status()
        .and_then(|status| status.last_handled_reconcile_at());
    wanted.is_some() && wanted != handled
}

/// What can help after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Help {
    /// Trying again, ever more slowly, but not before so long.
    Retry { not_before: Duration },
    /// Only a change of the spec.
    Change,
    /// Something else that comes or not: no fault of this object.
    Other,
}

impl Failure {
    /// A failure told on a condition; it is tried again.
    pub fn new(condition: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            condition,
            reason,
            message: message.into(),
            doing: None,
            outdated: None,
            unverified: None,
            help: Help::Retry {
                not_before: Duration::ZERO,
            },
        }
    }

    /// Upstream cannot be read, or what is needed to ask it is not there.
    pub fn fetch(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(FETCH_FAILED, reason, message)
    }

    /// Something that this source is made of is not there.
    pub fn awaits(condition: &'static str, reason: &'static str, message: String) -> Self {
        Self {
            help: Help::Other,
            ..Self::new(condition, reason, message)
        }
    }

    /// The shelf failed.
    pub fn storage(error: &StorageError) -> Self {
        Self::new(STORAGE_OPERATION_FAILED, error.reason(), chain(error))
    }

    /// What was to be put on the shelf is not right.
    pub fn storage_text(reason: &'static str, message: String) -> Self {
        Self::new(STORAGE_OPERATION_FAILED, reason, message)
    }

    /// The ignore rules of what was fetched cannot be heeded.
    pub fn rules(error: &RulesError) -> Self {
        let text = format!("failed to load source ignore patterns: {error}");
        Self::storage_text(source::SOURCE_IGNORE_ERROR, text)
    }

    /// A signature is missing, wrong or nobody's.
    pub fn unverified(reason: &'static str, message: String) -> Self {
        Self::new(SOURCE_VERIFIED, reason, message)
    }

    /// A step broke off.
    pub fn broken(panic: &tokio::task::JoinError) -> Self {
        Self::new(
            STORAGE_OPERATION_FAILED,
            source::UNKNOWN,
            format!("the pass broke off: {panic}"),
        )
    }

    /// The failure, of a kind that only a change of the spec can help.
    #[must_use]
    pub fn stalled(mut self) -> Self {
        self.help = Help::Change;
        self
    }

    /// The failure, which upstream asks not to be tried again before so long, if it asks for anything.
    #[must_use]
    pub fn not_before(mut self, delay: Option<Duration>) -> Self {
        if let (Help::Retry { not_before }, Some(delay)) = (&mut self.help, delay) {
            *not_before = delay;
        }
        self
    }

    /// The failure, which came while something newer than the artifact was had.
    #[must_use]
    pub fn outdated(mut self, reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        self.doing = Some(message.as_str().into());
        self.outdated = Some(Box::new((reason, message)));
        self
    }

    /// The failure, which came on the way to a revision that upstream has. The artifact is outdated, unless it is that one.
    #[must_use]
    pub fn on_way_to(self, revision: &str, has: Option<&Artifact>, message: String) -> Self {
        if has.is_some_and(|artifact| artifact.revision != revision) {
            self.outdated(source::NEW_REVISION, message)
        } else {
            self.during(message)
        }
    }

    /// The failure, which also says that the signature was not found to be right.
    #[must_use]
    pub fn and_unverified(mut self, reason: &'static str) -> Self {
        self.unverified = Some(reason);
        self
    }

    /// The failure, and what was going on when it came.
    #[must_use]
    pub fn during(mut self, doing: impl Into<String>) -> Self {
        self.doing = Some(doing.into().into());
        self
    }
}

/// The status while a pass lasts, and what it has found out so far. Nothing while it may yet find that all is as it was: who is
/// ready, or is not, stays so until there is news (Flux).
pub fn in_progress<O: FluxObject>(object: &O, news: Option<News>, now: Time) -> Option<O::Status> {
    let mut status = object.status().cloned().unwrap_or_default();
    let ready = find(status.conditions(), READY);
    let has_verdict = ready.is_some_and(|ready| ready.status != ConditionStatus::Unknown);
    let is_old = ready.is_some_and(|r| r.observed_generation == object.meta().generation) && !asked(object);
    if news.is_none() && has_verdict && is_old {
        return None;
    }
    let mut conditions = conditions(object, &mut status, &now);
    let doing = match &news {
        Some((_, text)) => format!("{BUILDING}: {text}"),
        None => BUILDING.to_owned(),
    };
    conditions.reconciling(reason::PROGRESSING, doing.clone());
    if news.is_some() || !has_verdict {
        conditions.mark_unknown(READY, reason::PROGRESSING, doing);
    }
    if let Some((reason, text)) = news {
        conditions.mark_true(ARTIFACT_OUTDATED, reason, text);
    }
    Some(status)
}

/// The status, event and requeue after a failed pass.
pub fn failed<O: FluxObject + Source>(
    object: &O,
    mut status: O::Status,
    failure: Failure,
    now: &Time,
    requeue_dependency: Duration,
) -> Outcome<O::Status> {
    let Failure {
        condition,
        reason,
        message,
        doing,
        outdated,
        unverified,
        help,
    } = failure;
    let has_artifact = object.artifact().is_some();
    let mut conditions = conditions(object, &mut status, now);
    for other in PROBLEMS.into_iter().filter(|other| *other != condition) {
        conditions.remove(other);
    }
    if condition == SOURCE_VERIFIED {
        conditions.mark_false(condition, reason, message.clone());
    } else {
        conditions.mark_true(condition, reason, message.clone());
    }
    if let Some(outdated) = outdated.filter(|_| has_artifact) {
        conditions.mark_true(ARTIFACT_OUTDATED, outdated.0, outdated.1);
    }
    conditions.mark_false(READY, reason, message.clone());
    if let Some(reason) = unverified {
        conditions.mark_false(SOURCE_VERIFIED, reason, message.clone());
        conditions.mark_false(READY, reason, message.clone());
    }
    if help == Help::Change {
        conditions.stalled(reason, message.clone());
        status.set_observed_generation(generation(object));
    } else {
        let doing = doing.map_or_else(|| BUILDING.to_owned(), |doing| format!("{BUILDING}: {doing}"));
        conditions.reconciling(reason::PROGRESSING_WITH_RETRY, doing);
    }
    let event = match help {
        Help::Other => Event::trace(reason, message.clone()),
        Help::Retry { .. } | Help::Change => Event::warning(reason, message.clone()),
    };
    let requeue = match help {
        Help::Change => Requeue::Never,
        Help::Other => Requeue::After(requeue_dependency),
        Help::Retry { not_before } if not_before.is_zero() => Requeue::Backoff,
        Help::Retry { not_before } => Requeue::BackoffFrom(not_before),
    };
    Outcome {
        status,
        events: vec![event],
        requeue,
        error: Some(message),
    }
}

/// The conditions of all good ends: Ready, with the artifact in storage.
pub fn succeed<O: FluxObject>(object: &O, status: &mut O::Status, message: &str, now: &Time) {
    succeed_as(object, status, reason::SUCCEEDED, message, now);
}

/// As [`succeed`], for a kind with reasons of its own.
pub fn succeed_as<O: FluxObject>(
    object: &O,
    status: &mut O::Status,
    reason: &'static str,
    message: &str,
    now: &Time,
) {
    status.set_observed_generation(generation(object));
    let mut conditions = conditions(object, status, now);
    for gone in [RECONCILING, STALLED, ARTIFACT_OUTDATED]
        .into_iter()
        .chain(PROBLEMS)
    {
        conditions.remove(gone);
    }
    conditions.mark_true(ARTIFACT_IN_STORAGE, reason, message);
    conditions.mark_true(READY, reason, message);
}

/// The outcome of a good end: told if it is new, or if it ends a failure.
pub fn good<O: FluxObject>(
    object: &O,
    status: O::Status,
    artifact: Option<&Artifact>,
    event: Option<Event>,
) -> Outcome<O::Status> {
    let told = |event: Event| match artifact {
        Some(artifact) => event
            .with(format!("{GROUP}/revision"), &*artifact.revision)
            .with(format!("{GROUP}/digest"), &*artifact.digest),
        None => event,
    };
    Outcome {
        status,
        events: event.into_iter().map(told).collect(),
        requeue: interval(object),
        error: None,
    }
}

/// The conditions of a status, to be changed.
pub fn conditions<'a, O: FluxObject>(object: &O, status: &'a mut O::Status, now: &Time) -> Conditions<'a> {
    Conditions::new(status.conditions_mut(), generation(object), now.clone())
}

/// Whether the last pass failed.
pub fn had_failed(conditions: &[Condition]) -> bool {
    PROBLEMS.iter().any(|problem| is_true(conditions, problem))
}

fn interval<O: FluxObject>(object: &O) -> Requeue {
    let given = object.interval().and_then(|interval| interval.get().ok());
    Requeue::Interval(
        given
            .filter(|interval| !interval.is_zero())
            .unwrap_or(Duration::from_secs(3600)),
    )
}

fn generation<O: FluxObject>(object: &O) -> i64 {
    object.meta().generation.unwrap_or_default()
}

#[cfg(test)]
mod tests;
