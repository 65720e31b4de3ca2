//! When a pass stops while it writes: something is going, a stage is not ready, an object was refused.

use super::{
    super::step::{Failure, Step, Stop},
    Target, Writer, key, told,
};
use crate::ledger;
use ::apply::{
    apply::Change, discovery::DiscoveryError, error::ApplyError, health::Health, id::ObjectRef, order::Stage,
    plan::Action, view::State,
};
use runtime::telemetry::chain;
use std::time::Duration;
use tokio::time::Instant;

/// How long the objects of a stage may take to become ready, as Flux has it.
const STAGE_LIMIT: Duration = Duration::from_secs(60);

/// How soon to look again whether a new kind is served; nothing can be watched for that.
const SERVED: Duration = Duration::from_millis(250);

impl Writer<'_> {
    /// Stops the pass while objects are going, or while this stage is not ready and the next one needs it.
    pub(super) fn await_stage(&self, stage: Stage, targets: &[Target<'_>]) -> Result<(), Stop> {
        if let Some(going) = targets.iter().find(|t| t.action == Action::AwaitDeletion) {
            let left = self.stage_left().unwrap_or(STAGE_LIMIT);
            return Err(self.waiting(
                format!(
                    "{} is being deleted, waiting for it to be gone",
                    going.planned.object
                ),
                left,
            ));
        }
        if !stage.gates() {
            return Ok(());
        }
        for target in targets
            .iter()
            .filter(|t| t.action != Action::Skip && t.watch.state() == State::Synced)
        {
            let object = &target.planned.object;
            let health = target
                .watch
                .get(&key(object))
                .map_or(Health::NotFound, |l| l.health.clone());
            match health {
                Health::Current | Health::NotFound => {}
                Health::Failed(text) | Health::Unknown(text) => {
                    return Err(self.failure(format!("{object} is not ready: {text}")));
                }
                Health::InProgress(_) | Health::Terminating => match self.stage_left() {
                    Some(left) => return Err(self.waiting(format!("waiting for {object} to be ready"), left)),
                    None => {
                        ledger::lock(self.memory).staging = None;
                        return Err(self.failure(format!(
                            "timeout waiting for: [{object} status: '{}']",
                            health.word()
                        )));
                    }
                },
            }
        }
        Ok(())
    }

    /// What stops the pass when objects cannot be addressed: a kind that this very set defines is served soon, as the API
    /// server lists a new kind a moment after it has called it established.
    pub(super) fn unknown(&self, error: ApplyError) -> Stop {
        let ApplyError::Kind {
            object,
            source: DiscoveryError::NoMatch { .. },
        } = &error
        else {
            return self.failed(&error);
        };
        let definition = format!(".{}", object.group);
        let mut planned = self.built.objects.iter().map(|p| &p.object);
        let defined = planned.any(|o| o.kind == "CustomResourceDefinition" && o.name.ends_with(&definition));
        match self.stage_left().filter(|_| defined && !object.group.is_empty()) {
            Some(left) => self.waiting(
                format!("waiting for {} to be served", object.kind),
                left.min(SERVED),
            ),
            None => self.failed(&error),
        }
    }

    /// How long the present stage may still take; `None` when it has taken too long.
    fn stage_left(&self) -> Option<Duration> {
        let now = Instant::now();
        let since = *ledger::lock(self.memory).staging.get_or_insert(now);
        STAGE_LIMIT
            .checked_sub(now.duration_since(since))
            .filter(|left| !left.is_zero())
    }

    /// What to say of an object that is corrected again and again.
    pub(super) fn fight(&self, target: &Target<'_>) -> Option<String> {
        let Action::Correct { by } = &target.action else {
            return None;
        };
        let rounds = ledger::lock(self.memory).fight(&target.planned.object.id())?;
        let by = by.as_deref().unwrap_or("somebody");
        Some(format!(
            "{} is changed back and forth by {by}: corrected {rounds} times in a row, now less often",
            target.planned.object
        ))
    }

    pub(super) fn failed(&self, error: &ApplyError) -> Stop {
        if let ApplyError::StillThere { .. } = error {
            // The live view calls when it is gone; no worker waits for that.
            let left = self.stage_left().unwrap_or(STAGE_LIMIT);
            return self.waiting(chain(error), left);
        }
        let quiet = error.awaits_namespace() && !self.resolved.attentive;
        let failure =
            Failure::new(Step::Apply, with_changes(chain(error), &self.applied.changes)).quiet(quiet);
        Stop::Failed(failure.of(self.resolved, self.built))
    }

    fn failure(&self, message: String) -> Stop {
        let failure = Failure::new(Step::Apply, with_changes(message, &self.applied.changes));
        Stop::Failed(failure.of(self.resolved, self.built))
    }

    fn waiting(&self, message: String, left: Duration) -> Stop {
        Stop::Waiting {
            message,
            resolved: Box::new(self.resolved.clone()),
            left,
        }
    }
}

/// What was written before the failure is told with it.
fn with_changes(message: String, changes: &[(ObjectRef, Change)]) -> String {
    format!("{message}\n{}", told(changes))
}
