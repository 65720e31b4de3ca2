//! PURE: what a pass came to → the status, what to tell, and when to look again. The only place that writes status.

use super::{
    apply::told,
    resolve,
    step::{Again, Applied, Done, Failure, Health, Resolved, Step, Stop},
};
use crate::context::Settings;
use ::apply::apply::Change;
use crds::{
    kustomize::{GROUP, Kustomization, KustomizationStatus, Snapshot, condition::HEALTHY, reason as ks},
    meta::{COMMIT_STATUS, Duration as GoDuration, READY, RECONCILING, STALLED, format_go, reason},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use runtime::{conditions::Conditions, events::Event, reconciler::Outcome, requeue::Requeue};
use std::time::Duration;

/// How many entries history keeps.
const HISTORY: usize = 5;
const IN_PROGRESS: &str = "Reconciliation in progress";

/// The status while a pass lasts.
pub fn in_progress(object: &Kustomization, now: Time) -> KustomizationStatus {
    let mut status = object.status.clone().unwrap_or_default();
    let mut conditions = Conditions::new(&mut status.conditions, generation(object), now);
    conditions.reconciling(reason::PROGRESSING, IN_PROGRESS);
    conditions.mark_unknown(READY, reason::PROGRESSING, IN_PROGRESS);
    status
}

/// The status, events and requeue after a pass that took `took` and ended at `now`.
pub fn outcome(
    object: &Kustomization,
    end: Result<Done, Stop>,
    took: Duration,
    now: Time,
    settings: &Settings,
) -> Outcome<KustomizationStatus> {
    let record = Record {
        object,
        status: object.status.clone().unwrap_or_default(),
        now,
        took,
        settings,
        events: Vec::new(),
    };
    match end {
        Ok(done) => record.done(done),
        Err(Stop::NoSource { message, again }) => record.no_source(message, again),
        Err(Stop::Dependency { message, revision }) => record.dependency(message, &revision),
        Err(Stop::Terminal { reason, message }) => record.terminal(reason, message),
        Err(Stop::Waiting {
            message,
            resolved,
            left,
        }) => record.waiting(message, &resolved, left),
        Err(Stop::Failed(failure)) => record.failed(failure),
    }
}

struct Record<'a> {
    object: &'a Kustomization,
    status: KustomizationStatus,
    now: Time,
    took: Duration,
    settings: &'a Settings,
    events: Vec<Event>,
}

impl Record<'_> {
    fn done(mut self, done: Done) -> Outcome<KustomizationStatus> {
        let (resolved, applied) = (&done.resolved, &done.applied);
        let revision = resolved.artifact.revision.clone();
        let wrote = applied
            .changes
            .iter()
            .any(|(_, c)| matches!(c, Change::Created | Change::Configured))
            || !applied.pruned.is_empty();
        self.tell_changes(applied, &revision);
        self.status.inventory = Some(applied.inventory.clone());
        self.status.last_attempted_revision = Some(revision.clone());
        let calm = !resolved.attentive && !wrote;
        match done.health {
            Health::StillFailed => {
                let retry = resolve::retry_interval(self.object);
                return self.end(Requeue::After(retry), None);
            }
            Health::Awaited { left } if calm => return self.end(Requeue::After(left), None),
            Health::Awaited { left } => {
                let message = Step::Health.progress(&revision, resolved.timeout);
                let mut conditions = self.conditions();
                conditions.reconciling(reason::PROGRESSING, message.clone());
                conditions.mark_unknown(READY, reason::PROGRESSING, IN_PROGRESS);
                conditions.mark_unknown(HEALTHY, reason::PROGRESSING, message);
                return self.end(Requeue::After(left), None);
            }
            Health::Passed { after: Some(after) } => {
                let message = format!("Health check passed in {}", format_go(rounded(after)));
                self.conditions()
                    .mark_true(HEALTHY, reason::SUCCEEDED, message.clone());
                self.events
                    .push(self.about(Event::normal(reason::PROGRESSING, message), &revision));
            }
            Health::Passed { after: None } => {}
            Health::NotAsked => self.conditions().remove(HEALTHY),
        }
        self.status.last_applied_revision = Some(revision.clone());
        self.status.last_applied_origin_revision = resolved.origin().map(str::to_owned);
        self.status.observed_generation = generation(self.object);
        let mut conditions = self.conditions();
        conditions.remove(STALLED);
        conditions.remove(RECONCILING);
        conditions.mark_true(
            READY,
            ks::RECONCILIATION_SUCCEEDED,
            format!("Applied revision: {revision}"),
        );
        let interval = resolve::interval(self.object);
        if !calm {
            self.remember(
                &done.built.digest,
                ks::RECONCILIATION_SUCCEEDED,
                &revision,
                resolved.origin(),
            );
            let finished = finished(self.took, interval);
            self.events
                .push(self.about(finished, &revision).with(COMMIT_STATUS, "update"));
        }
        self.end(Requeue::Interval(interval), None)
    }

    fn no_source(mut self, message: String, again: Again) -> Outcome<KustomizationStatus> {
        let mut conditions = self.conditions();
        conditions.remove(RECONCILING);
        conditions.mark_false(READY, ks::ARTIFACT_FAILED, message);
        let delay = match again {
            Again::Retry => resolve::retry_interval(self.object),
            Again::Dependency => self.settings.requeue_dependency,
        };
        self.end(Requeue::After(delay), None)
    }

    fn dependency(mut self, message: String, revision: &str) -> Outcome<KustomizationStatus> {
        let delay = self.settings.requeue_dependency;
        let known = self
            .status
            .conditions
            .iter()
            .any(|c| c.type_ == READY && c.reason == reason::DEPENDENCY_NOT_READY);
        let mut conditions = self.conditions();
        conditions.remove(RECONCILING);
        conditions.mark_false(READY, reason::DEPENDENCY_NOT_READY, message);
        if !known {
            let text = format!(
                "Dependencies do not meet ready condition, retrying in {}",
                format_go(delay)
            );
            self.events
                .push(self.about(Event::normal(reason::DEPENDENCY_NOT_READY, text), revision));
        }
        self.end(Requeue::After(delay), None)
    }

    fn terminal(mut self, reason: &'static str, message: String) -> Outcome<KustomizationStatus> {
        let known = self
            .status
            .conditions
            .iter()
            .any(|c| c.type_ == READY && c.reason == reason && c.message == message);
        let mut conditions = self.conditions();
        conditions.stalled(reason, message.clone());
        conditions.mark_false(READY, reason, message.clone());
        if reason == reason::INVALID_CEL_EXPRESSION {
            self.status.observed_generation = generation(self.object);
        }
        if !known {
            self.events.push(Event::warning(reason, message.clone()));
        }
        self.end(Requeue::Never, Some(message))
    }

    fn waiting(
        mut self,
        message: String,
        resolved: &Resolved,
        left: Duration,
    ) -> Outcome<KustomizationStatus> {
        self.status.last_attempted_revision = Some(resolved.artifact.revision.clone());
        let mut conditions = self.conditions();
        conditions.reconciling(reason::PROGRESSING, message);
        conditions.mark_unknown(READY, reason::PROGRESSING, IN_PROGRESS);
        self.end(Requeue::After(left.min(Duration::from_secs(5))), None)
    }

    fn failed(mut self, failure: Failure) -> Outcome<KustomizationStatus> {
        let retry = resolve::retry_interval(self.object);
        let timeout = resolve::timeout(self.object);
        let revision = failure.revision.clone().unwrap_or_default();
        let known = self
            .status
            .conditions
            .iter()
            .any(|c| c.type_ == READY && c.reason == failure.reason && c.message == failure.message);
        let message = match failure.elapsed {
            Some(elapsed) => format!(
                "health check failed after {}: {}",
                format_go(rounded(elapsed)),
                failure.message
            ),
            None => failure.message.clone(),
        };
        let unhealthy = failure.step == Step::Health;
        let mut conditions = self.conditions();
        conditions.reconciling(
            reason::PROGRESSING_WITH_RETRY,
            failure.step.progress(&revision, timeout),
        );
        conditions.mark_false(READY, failure.reason, message.clone());
        if unhealthy {
            conditions.mark_false(HEALTHY, ks::HEALTH_CHECK_FAILED, failure.message.clone());
        }
        if failure.step != Step::Fetch {
            self.status.last_attempted_revision = failure.revision.clone();
        }
        if let Some(applied) = &failure.applied {
            self.tell_changes(applied, &revision);
            self.status.inventory = Some(applied.inventory.clone());
        }
        if let Some(digest) = &failure.digest {
            self.remember(digest, failure.reason, &revision, failure.origin.as_deref());
        }
        if !known && !failure.quiet {
            self.events
                .push(self.about(Event::warning(failure.reason, message.clone()), &revision));
        }
        let requeue = match (failure.away, failure.step) {
            // Nobody asks before that.
            (Some(pause), _) => Requeue::After(pause),
            // What decides is watched: an artifact, a spec, a live object.
            (None, Step::Health) => Requeue::After(retry),
            // What was refused may be accepted soon: a namespace comes, a webhook, a right.
            (None, Step::Fetch | Step::Build | Step::Apply | Step::Prune) => Requeue::BackoffUpTo(retry),
        };
        self.end(requeue, Some(message))
    }

    fn tell_changes(&mut self, applied: &Applied, revision: &str) {
        let changed = told(&applied.changes);
        if !changed.is_empty() {
            self.events
                .push(self.about(Event::normal(reason::PROGRESSING, changed), revision));
        }
        if !applied.pruned.is_empty() {
            self.events.push(self.about(
                Event::normal(reason::PROGRESSING, pruned(&applied.pruned)),
                revision,
            ));
        }
        if !applied.fights.is_empty() {
            let fights = applied.fights.join("\n");
            self.events
                .push(self.about(Event::warning(CONTESTED, fights), revision));
        }
    }

    /// Notes the pass in the history: passes with the same manifests and outcome are counted together.
    fn remember(&mut self, digest: &str, outcome: &str, revision: &str, origin: Option<&str>) {
        let history = &mut self.status.history;
        let known = history
            .iter()
            .position(|s| s.digest == digest && s.last_reconciled_status == outcome);
        let mut snapshot = match known {
            Some(at) => history.remove(at),
            None => Snapshot {
                digest: digest.to_owned(),
                first_reconciled: self.now.clone(),
                last_reconciled: self.now.clone(),
                last_reconciled_duration: GoDuration::default(),
                last_reconciled_status: outcome.to_owned(),
                metadata: Default::default(),
                total_reconciliations: 0,
            },
        };
        snapshot.last_reconciled = self.now.clone();
        snapshot.last_reconciled_duration = GoDuration::new(rounded(self.took));
        snapshot.total_reconciliations += 1;
        snapshot.metadata = [("revision".to_owned(), revision.to_owned())].into();
        if let Some(origin) = origin {
            snapshot
                .metadata
                .insert("originRevision".into(), origin.to_owned());
        }
        history.insert(0, snapshot);
        history.truncate(HISTORY);
    }

    fn about(&self, event: Event, revision: &str) -> Event {
        about(event, revision)
    }

    fn conditions(&mut self) -> Conditions<'_> {
        Conditions::new(
            &mut self.status.conditions,
            generation(self.object),
            self.now.clone(),
        )
    }

    fn end(self, requeue: Requeue, error: Option<String>) -> Outcome<KustomizationStatus> {
        Outcome {
            status: self.status,
            events: self.events,
            requeue,
            error,
        }
    }
}

/// The reason of the event about an object that somebody else keeps changing.
const CONTESTED: &str = "DriftContested";

/// The event at the end of a pass that came through.
pub fn finished(took: Duration, interval: Duration) -> Event {
    let text = format!(
        "Reconciliation finished in {}, next run in {}",
        format_go(rounded(took)),
        format_go(interval)
    );
    Event::normal(ks::RECONCILIATION_SUCCEEDED, text)
}

/// An event about a revision.
pub fn about(event: Event, revision: &str) -> Event {
    if revision.is_empty() {
        event
    } else {
        event.with(format!("{GROUP}/revision"), revision)
    }
}

/// One line for each object that was to be deleted.
pub fn pruned(changes: &[(::apply::id::ObjectRef, Change)]) -> String {
    changes
        .iter()
        .map(|(object, change)| format!("{object} {}", change.word()))
        .collect::<Vec<_>>()
        .join("\n")
}

fn generation(object: &Kustomization) -> i64 {
    object.metadata.generation.unwrap_or_default()
}

/// Durations are for people: whole milliseconds.
fn rounded(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
