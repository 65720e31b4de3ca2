//! How a pass ends, and when the next one is due.

use super::Draft;
use crate::{reconcile::step::Stop, spec};
use crds::{
    helm::{HelmReleaseStatus, reason as hr},
    meta::{READY, RECONCILING, format_go, reason},
};
use runtime::{conditions, events::Event, reconciler::Outcome, requeue::Requeue};
use std::time::Duration;

/// Where nothing else will call, a pass looks whether an action under way has been lost.
const LOST: Duration = Duration::from_secs(60);

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

impl Draft<'_> {
    /// The pass ended.
    pub fn end(mut self, end: End) -> Outcome<HelmReleaseStatus> {
        match end {
            End::Done => {
                self.conditions().remove(RECONCILING);
                self.summarize();
                let object = self.object;
                self.made_for(&object.spec);
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
}
