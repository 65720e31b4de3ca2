//! PURE: what a pass came to → the status, what to tell, and when to look again. The only place that writes status.

mod attempt;
mod ended;
pub mod pass;
mod summary;
#[cfg(test)]
mod tests;

use crate::{
    context::Settings,
    history,
    next::{Action, Kind},
    spec,
};
use crds::{
    helm::{
        HelmRelease, HelmReleaseStatus, Snapshot,
        condition::{DRIFTED, RELEASED, REMEDIATED},
        reason as hr,
    },
    meta::{READY, format_go, reason},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use runtime::{
    conditions::{self, Conditions},
    events::Event,
};

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
