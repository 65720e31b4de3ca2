//! PURE: what a pass came to → the status, what to tell, and when to look again. The only place that writes status.

mod ended;
mod summary;
#[cfg(test)]
mod tests;

use super::step::Stop;
use crate::{
    context::Settings,
    digests, history,
    next::{Action, Kind},
    spec,
    state::Desired,
};
use crds::{
    helm::{
        HelmRelease, HelmReleaseStatus, Snapshot,
        condition::{DRIFTED, RELEASED, REMEDIATED},
        reason as hr,
    },
    meta::{FORCE_AT, READY, RECONCILING, REQUESTED_AT, RESET_AT, format_go, reason},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use runtime::{
    conditions::{self, Conditions},
    events::Event,
    reconciler::Outcome,
    requeue::Requeue,
};
use std::time::Duration;

/// Where nothing else will call, a pass looks whether an action under way has been lost.
const LOST: Duration = Duration::from_secs(60);
const GROUP: &str = crds::helm::GROUP;

/// The status of an object while a pass makes it.
#[derive(Debug)]
pub struct Draft<'a> {
    object: &'a HelmRelease,
    settings: &'a Settings,
    now: Time,
    /// The generation that conditions are set for.
    generation: i64,
    /// The status as far as it is made.
    pub status: HelmReleaseStatus,
    /// What to tell.
    pub events: Vec<Event>,
}

/// How a pass ended that was not stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The release is as asked for.
    Done,
    /// An action is under way, or begins now.
    Acting,
    /// Something was undone, and is tried again after the pause that failures have.
    Retry(String),
    /// Something failed before it changed anything, and is tried again after that pause.
    Failed(String),
    /// Again at once.
    Again,
    /// Again after the pause of the strategy.
    RetryAfter(Duration, Option<String>),
    /// Only a change can help.
    Stalled(String),
    /// Nothing was done that would tell of success.
    Idle,
}

impl<'a> Draft<'a> {
    /// The status as it was.
    pub fn new(object: &'a HelmRelease, settings: &'a Settings, now: Time) -> Self {
        Self {
            object,
            settings,
            now,
            generation: generation(object),
            status: object.status.clone().unwrap_or_default(),
            events: Vec::new(),
        }
    }

    /// The object is looked at.
    pub fn progressing(&mut self) {
        self.conditions()
            .reconciling(reason::PROGRESSING, "Fulfilling prerequisites");
    }

    /// What was in the way is no longer.
    pub fn passed(&mut self, reasons: &[&str]) {
        let stale = conditions::find(&self.status.conditions, READY)
            .is_some_and(|c| reasons.contains(&c.reason.as_str()));
        if stale {
            self.conditions()
                .mark_unknown(READY, reason::PROGRESSING, "reconciliation in progress");
        }
    }

    /// An attempt begins: what it is for; failures of another attempt no longer count.
    pub fn attempt(&mut self, desired: &Desired, oci_digest: Option<&str>) {
        let reset = self.take_request(RESET_AT);
        let status = &mut self.status;
        status.storage_namespace = Some(spec::storage_namespace(self.object));
        let known = status.last_attempted_config_digest.clone();
        let differs = status.last_attempted_generation != self.generation
            || status.last_attempted_revision.as_deref() != Some(&desired.chart_version)
            || known.is_some_and(|known| !digests::are_values(&known, &desired.values));
        if differs || reset {
            self.clear_failures();
        }
        let status = &mut self.status;
        status.last_attempted_generation = self.generation;
        status.last_attempted_revision = Some(desired.chart_version.clone());
        status.last_attempted_revision_digest = oci_digest.map(str::to_owned);
        status.last_attempted_config_digest =
            Some(digests::of_values(self.settings.algorithm, &desired.values));
        status.last_attempted_values_checksum = None;
        status.last_release_revision = 0;
    }

    /// Whether the user asks, by annotation, for a release whatever the state; counts as handled from now on.
    pub fn forced(&mut self) -> bool {
        self.take_request(FORCE_AT)
    }

    /// A request counts when it comes with a request to reconcile of the same value, and was not handled before.
    fn take_request(&mut self, key: &str) -> bool {
        let annotations = self.object.annotations();
        let Some(value) = annotations.get(key) else {
            return false;
        };
        let handled = match key {
            FORCE_AT => &mut self.status.last_handled_force_at,
            _ => &mut self.status.last_handled_reset_at,
        };
        let fresh = handled.as_ref() != Some(value);
        *handled = Some(value.clone());
        let requested = annotations.get(REQUESTED_AT);
        fresh && requested == Some(value) && self.status.last_handled_reconcile_at.as_ref() != requested
    }

    /// An action begins when this status is written.
    pub fn starting(&mut self, action: &Action) {
        let timeout = format_go(action.timeout(self.object));
        let message = format!("Running '{}' action with timeout of {timeout}", action.name());
        let mut conditions = self.conditions();
        conditions.reconciling(reason::PROGRESSING, message.clone());
        if action.kind() == Kind::Release {
            conditions.mark_unknown(READY, reason::PROGRESSING, message);
        }
    }

    /// The release was found as asked for.
    pub fn in_sync(&mut self) {
        self.undone_is_done();
        let released = |status: &HelmReleaseStatus| conditions::is_true(&status.conditions, RELEASED);
        if !conditions::is_true(&self.status.conditions, READY) || !released(&self.status) {
            let reason = conditions::find(&self.status.conditions, RELEASED).map(|c| c.reason.clone());
            let words = match reason.as_deref() {
                Some(hr::INSTALL_FAILED) => Some((hr::INSTALL_SUCCEEDED, "install")),
                Some(hr::UPGRADE_FAILED) => Some((hr::UPGRADE_SUCCEEDED, "upgrade")),
                _ => None,
            };
            if let (Some((reason, word)), Some(latest)) = (words, self.latest()) {
                let message = succeeded(word, &latest);
                self.conditions().mark_true(RELEASED, reason, message);
            }
        }
        if spec::drift_mode(self.object) != crds::helm::DriftMode::Disabled {
            self.conditions().mark_false(
                DRIFTED,
                hr::NO_DRIFT_DETECTED,
                "No drift detected against the cluster state",
            );
        }
    }

    /// A release that is as asked for is no remediation, even if it came about as one.
    pub fn undone_is_done(&mut self) {
        if !conditions::is_true(&self.status.conditions, REMEDIATED) {
            return;
        }
        let Some(latest) = self.latest() else { return };
        let since =
            conditions::find(&self.status.conditions, REMEDIATED).map(|c| c.last_transition_time.clone());
        let mut conditions = self.conditions();
        conditions.remove(REMEDIATED);
        conditions.mark_true(RELEASED, hr::UPGRADE_SUCCEEDED, succeeded("upgrade", &latest));
        let released = self.status.conditions.iter_mut().find(|c| c.type_ == RELEASED);
        if let (Some(released), Some(since)) = (released, since) {
            released.last_transition_time = since;
        }
    }

    /// The cluster was found to differ from the release.
    pub fn drifted(&mut self, summary: &str) {
        let name = self.latest().map(|s| history::full_name(&s)).unwrap_or_default();
        let message =
            format!("Cluster state of release {name} has drifted from the desired state:\n{summary}");
        self.events
            .push(Event::warning(hr::DRIFT_DETECTED, message.clone()));
        self.conditions().mark_true(DRIFTED, hr::DRIFT_DETECTED, message);
    }

    /// The cluster was brought back, or not quite.
    pub fn corrected(&mut self, corrected: &[String], failures: &[String]) {
        let Some(latest) = self.latest() else { return };
        let name = history::full_name(&latest);
        let event = match failures.is_empty() {
            true => Event::normal(
                hr::DRIFT_CORRECTED,
                format!(
                    "Cluster state of release {name} has been corrected:\n{}",
                    corrected.join("\n")
                ),
            ),
            false => {
                let partly = if corrected.is_empty() { "" } else { "partially " };
                let mut text = format!(
                    "Failed to {partly}correct cluster state of release {name}:\n{}",
                    failures.join("\n")
                );
                if !corrected.is_empty() {
                    text.push_str(&format!("\n\nSuccessful corrections:\n{}", corrected.join("\n")));
                }
                Event::warning(hr::DRIFT_CORRECTION_FAILED, text)
            }
        };
        self.events.push(about(event, &latest));
    }

    /// The mark of an interrupted action was taken off a release.
    pub fn unlocked(&mut self, release: &helm::release::Release, was: &str) {
        let algorithm = self.settings.algorithm;
        let known = self
            .status
            .history
            .iter_mut()
            .find(|s| history::is_of(s, release));
        let oci = known.as_ref().and_then(|s| s.oci_digest.clone());
        let mut snapshot = history::snapshot(algorithm, release, oci.as_deref(), None);
        if let Some(known) = known {
            snapshot.action = known.action.clone();
            *known = snapshot.clone();
        }
        let message = format!(
            "Unlocked Helm release {} with chart {} in {was} state",
            history::full_name(&snapshot),
            history::versioned_chart(&snapshot)
        );
        self.conditions()
            .mark_false(RELEASED, hr::PENDING_RELEASE, message.clone());
        self.events
            .push(about(Event::normal(hr::PENDING_RELEASE, message), &snapshot));
        self.summarize();
    }

    /// The release is elsewhere from now on: what was known of the old one no longer counts.
    pub fn moved(&mut self) {
        self.status.history.clear();
        self.status.storage_namespace = None;
        self.clear_failures();
    }

    /// The pass ended.
    pub fn end(mut self, end: End) -> Outcome<HelmReleaseStatus> {
        match end {
            End::Done => {
                self.conditions().remove(RECONCILING);
                self.summarize();
                self.status.observed_generation = self.generation;
                let interval = spec::interval(self.object);
                self.outcome(Requeue::Interval(interval), None)
            }
            End::Idle => {
                self.conditions().remove(RECONCILING);
                self.status.observed_generation = self.generation;
                let interval = spec::interval(self.object);
                self.outcome(Requeue::Interval(interval), None)
            }
            End::Acting => self.outcome(Requeue::Await(LOST), None),
            End::Again => self.outcome(Requeue::After(Duration::ZERO), None),
            End::Retry(error) => {
                if let Some(ready) =
                    conditions::find(&self.status.conditions, READY).map(|c| c.message.clone())
                {
                    self.conditions()
                        .reconciling(reason::PROGRESSING_WITH_RETRY, ready);
                }
                self.outcome(Requeue::Backoff, Some(error))
            }
            End::Failed(error) => self.outcome(Requeue::Backoff, Some(error)),
            End::RetryAfter(pause, error) => {
                let message = format!("retrying after {}", format_go(pause));
                self.conditions()
                    .reconciling(reason::PROGRESSING_WITH_RETRY, message);
                self.status.observed_generation = self.generation;
                self.outcome(Requeue::Interval(pause), error)
            }
            End::Stalled(message) => {
                self.status.observed_generation = self.generation;
                self.outcome(Requeue::Never, Some(message))
            }
        }
    }

    /// No attempt is left.
    pub fn retries_exceeded(&mut self) -> End {
        let status = &self.status;
        let action = status.last_attempted_release_action;
        let count = spec::Remediation::active(self.object, status).map_or(0, |r| r.failures(status));
        let message = format!(
            "Failed to {} after {count} attempt(s)",
            action.map_or("", spec::word)
        );
        self.conditions().stalled(hr::RETRIES_EXCEEDED, message.clone());
        End::Stalled(message)
    }

    /// There is nothing to go back to.
    pub fn missing_rollback_target(&mut self) -> End {
        let message = "Failed to perform remediation: missing target release for rollback: cannot remediate failed release";
        self.conditions().stalled(hr::MISSING_ROLLBACK_TARGET, message);
        End::Stalled(message.to_owned())
    }

    /// The pass was stopped before it came to the release.
    pub fn stop(mut self, stop: Stop) -> Outcome<HelmReleaseStatus> {
        match stop {
            Stop::Terminal {
                reason,
                message,
                observed,
            } => {
                let known = self.says(reason, &message);
                let mut conditions = self.conditions();
                conditions.stalled(reason, message.clone());
                conditions.mark_false(READY, reason, message.clone());
                if observed {
                    self.status.observed_generation = self.generation;
                }
                if !known {
                    self.events.push(Event::warning(reason, message.clone()));
                }
                self.outcome(Requeue::Never, Some(message))
            }
            Stop::Waiting {
                reason,
                message,
                tells,
            } => {
                let known = self.says(reason, &message);
                self.conditions().mark_false(READY, reason, message.clone());
                if tells && !known {
                    self.events.push(Event::normal(reason, message));
                }
                let pause = self.settings.requeue_dependency;
                self.outcome(Requeue::After(pause), None)
            }
            Stop::Failed {
                reason,
                message,
                tells,
            } => {
                self.conditions().mark_false(READY, reason, message.clone());
                if tells {
                    self.events.push(Event::warning(reason, message.clone()));
                }
                self.outcome(Requeue::Backoff, Some(message))
            }
        }
    }

    /// The status, events and requeue as they are now.
    pub fn outcome(mut self, requeue: Requeue, error: Option<String>) -> Outcome<HelmReleaseStatus> {
        self.conditions().sort();
        Outcome {
            status: self.status,
            events: self.events,
            requeue,
            error,
        }
    }

    fn says(&self, reason: &str, message: &str) -> bool {
        conditions::find(&self.status.conditions, READY)
            .is_some_and(|c| c.reason == reason && c.message == message)
    }

    fn latest(&self) -> Option<Snapshot> {
        self.status.history.iter().max_by_key(|s| s.version).cloned()
    }

    fn clear_failures(&mut self) {
        self.status.failures = 0;
        self.status.install_failures = 0;
        self.status.upgrade_failures = 0;
    }

    fn conditions(&mut self) -> Conditions<'_> {
        Conditions::new(&mut self.status.conditions, self.generation, self.now.clone())
    }
}

/// The message about a release that was made.
fn succeeded(word: &str, snapshot: &Snapshot) -> String {
    format!(
        "Helm {word} succeeded for release {} with chart {}",
        history::full_name(snapshot),
        history::versioned_chart(snapshot)
    )
}

/// An event with what it is about, as Flux's consumers read it.
fn about(event: Event, snapshot: &Snapshot) -> Event {
    with_facts(
        event,
        &snapshot.chart_version,
        &snapshot.config_digest,
        snapshot.app_version.as_deref(),
        snapshot.oci_digest.as_deref(),
    )
}

fn with_facts(
    mut event: Event,
    revision: &str,
    token: &str,
    app_version: Option<&str>,
    oci_digest: Option<&str>,
) -> Event {
    for (key, value) in [
        ("revision", Some(revision)),
        ("token", Some(token)),
        ("app-version", app_version),
        ("oci-digest", oci_digest),
    ] {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            event = event.with(format!("{GROUP}/{key}"), value);
        }
    }
    event
}

/// The object's generation.
pub fn generation(object: &HelmRelease) -> i64 {
    object.metadata.generation.unwrap_or_default()
}
