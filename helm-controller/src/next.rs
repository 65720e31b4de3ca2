//! PURE: the state of a release → what to do next. History is cut here as Flux cuts it on the way.

use crate::{
    history,
    spec::{self, Remediation},
    state::State,
};
use crds::helm::{AttemptedAction, HelmRelease, HelmReleaseStatus, RemediationStrategy, Snapshot};
use std::time::Duration;

/// What is done to a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The chart is installed.
    Install,
    /// The release is upgraded.
    Upgrade,
    /// The chart's tests are run.
    Test,
    /// A failed upgrade is rolled back to this revision.
    Rollback(i64),
    /// A failed release is uninstalled.
    UninstallRemediation,
    /// The release is uninstalled because it is no longer wanted here.
    Uninstall,
    /// The mark of an interrupted action is taken off.
    Unlock,
}

/// Of each kind, one action is done in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Makes a release.
    Release,
    /// Undoes one.
    Remediate,
    /// Tests one.
    Test,
    /// Takes off a mark.
    Unlock,
}

impl Action {
    /// The name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Test => "test",
            Self::Rollback(_) => "rollback",
            Self::UninstallRemediation | Self::Uninstall => "uninstall",
            Self::Unlock => "unlock",
        }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Install | Self::Upgrade | Self::Uninstall => Kind::Release,
            Self::Rollback(_) | Self::UninstallRemediation => Kind::Remediate,
            Self::Test => Kind::Test,
            Self::Unlock => Kind::Unlock,
        }
    }

    /// How long it may take.
    pub fn timeout(&self, object: &HelmRelease) -> Duration {
        let spec = &object.spec;
        let own = match self {
            Self::Install => spec.install.as_ref().and_then(|a| a.timeout.as_ref()),
            Self::Upgrade => spec.upgrade.as_ref().and_then(|a| a.timeout.as_ref()),
            Self::Test => spec.test.as_ref().and_then(|a| a.timeout.as_ref()),
            Self::Rollback(_) => spec.rollback.as_ref().and_then(|a| a.timeout.as_ref()),
            Self::UninstallRemediation | Self::Uninstall => {
                spec.uninstall.as_ref().and_then(|a| a.timeout.as_ref())
            }
            Self::Unlock => None,
        };
        spec::timeout(object, own)
    }
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing; the release is as asked for.
    Done,
    /// An action.
    Act(Action),
    /// A rollback to this release, if it is still in storage as it was.
    RollBackTo(Box<Snapshot>),
    /// Nothing: no attempt is left.
    RetriesExceeded,
    /// Nothing: there is no release to go back to.
    MissingRollbackTarget,
}

/// Decides what comes next. `forced`: the user asked for a release whatever the state.
pub fn of(
    object: &HelmRelease,
    status: &mut HelmReleaseStatus,
    state: &State,
    forced: bool,
    retry_by_default: bool,
) -> Next {
    history::latest(&mut status.history);
    let exhausted = |of, status: &HelmReleaseStatus| Remediation::of(object, of).exhausted(status) && !forced;
    match state {
        State::InSync => {
            if spec::active_retry(object, status, retry_by_default).is_some() {
                history::truncate_plainly(&mut status.history);
            } else {
                let ignored = Remediation::active(object, status)
                    .map_or(spec::ignores_test_failures(object), |r| r.ignores_tests);
                history::truncate(&mut status.history, ignored);
            }
            match forced {
                true => Next::Act(Action::Upgrade),
                false => Next::Done,
            }
        }
        State::Locked => Next::Act(Action::Unlock),
        State::HalfGone => Next::Act(Action::UninstallRemediation),
        State::Absent if exhausted(AttemptedAction::Install, status) => Next::RetriesExceeded,
        State::Absent => Next::Act(Action::Install),
        State::Unmanaged(_) => {
            status.history.clear();
            Next::Act(Action::Upgrade)
        }
        State::OutOfSync(_) if exhausted(AttemptedAction::Upgrade, status) => Next::RetriesExceeded,
        State::OutOfSync(_) => Next::Act(Action::Upgrade),
        State::Untested => Next::Act(Action::Test),
        State::Failed => after_failure(object, status, forced, retry_by_default),
    }
}

fn after_failure(
    object: &HelmRelease,
    status: &mut HelmReleaseStatus,
    forced: bool,
    retry_by_default: bool,
) -> Next {
    if spec::active_retry(object, status, retry_by_default).is_some() {
        history::truncate_plainly(&mut status.history);
        return Next::Act(Action::Upgrade);
    }
    // Without a count of failures, what it failed of has changed since.
    let rules = Remediation::active(object, status).filter(|r| r.failures(status) > 0 && !forced);
    let Some(rules) = rules else {
        return Next::Act(Action::Upgrade);
    };
    if rules.exhausted(status) && !rules.undoes_last {
        return Next::RetriesExceeded;
    }
    history::truncate(&mut status.history, rules.ignores_tests);
    match rules.strategy {
        RemediationStrategy::Uninstall => Next::Act(Action::UninstallRemediation),
        RemediationStrategy::Rollback => match history::previous(&status.history, rules.ignores_tests) {
            Some(previous) => Next::RollBackTo(Box::new(previous.clone())),
            None => Next::MissingRollbackTarget,
        },
    }
}

#[cfg(test)]
mod tests;
