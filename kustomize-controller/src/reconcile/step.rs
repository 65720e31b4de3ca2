//! What steps give each other, and the ways in which a pass stops. Values only.

use crate::ledger::Built;
use apply::{apply::Change, id::ObjectRef};
use crds::{
    kustomize::reason,
    meta::{Artifact, Inventory, OCI_REVISION},
};
use expr::HealthExpressions;
use std::{sync::Arc, time::Duration};

/// What a Kustomization refers to.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The artifact to apply.
    pub artifact: Artifact,
    /// How long applying and becoming healthy may take.
    pub timeout: Duration,
    /// The object is new, changed, asked for or not ready: the pass is told about, not only done.
    pub attentive: bool,
    /// A user asked for this pass.
    pub asked: bool,
    /// The spec's own rules for health.
    pub health: Arc<HealthExpressions>,
}

impl Resolved {
    /// The revision of the origin, if the artifact tells.
    pub fn origin(&self) -> Option<&str> {
        self.artifact
            .metadata
            .as_ref()?
            .get(OCI_REVISION)
            .map(String::as_str)
    }
}

/// A pass that came through.
#[derive(Debug)]
pub struct Done {
    /// What was referred to.
    pub resolved: Resolved,
    /// What was built.
    pub built: Arc<Built>,
    /// What was written.
    pub applied: Applied,
    /// How it is doing.
    pub health: Health,
}

/// What was written and deleted, and what belongs to the object now.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// What became of each object that was looked at, in order.
    pub changes: Vec<(ObjectRef, Change)>,
    /// What became of each object that is no longer desired.
    pub pruned: Vec<(ObjectRef, Change)>,
    /// All objects that belong to the Kustomization.
    pub inventory: Inventory,
    /// Objects corrected again and again, and whom against.
    pub fights: Vec<String>,
}

/// How the applied objects are doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Nobody asked.
    NotAsked,
    /// All are well; `after` is how long it took, when it was not known before.
    Passed {
        /// How long it took, when it was not known before.
        after: Option<Duration>,
    },
    /// Some are not there yet. The live view calls when that changes.
    Awaited {
        /// How long they still have.
        left: Duration,
    },
    /// Some are not there, as was told when their time was over.
    StillFailed,
}

/// Why a pass ends before it is through.
#[derive(Debug)]
pub enum Stop {
    /// The source is not there, or has nothing; nothing was tried.
    NoSource {
        /// What is missing.
        message: String,
        /// When to look again if no watch tells.
        again: Again,
    },
    /// A dependency is not ready; nothing was tried.
    Dependency {
        /// Which, and why.
        message: String,
        /// The revision that waits.
        revision: String,
    },
    /// Only a change of the object can help.
    Terminal {
        /// The reason of the condition.
        reason: &'static str,
        /// What is wrong.
        message: String,
    },
    /// A stage, or the end of an object, is awaited. The live view calls when that changes.
    Waiting {
        /// What for.
        message: String,
        /// What was referred to.
        resolved: Box<Resolved>,
        /// How long to wait without a call.
        left: Duration,
    },
    /// A step failed.
    Failed(Failure),
}

/// When to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// After the object's retry interval.
    Retry,
    /// After `--requeue-dependency`.
    Dependency,
}

/// A failed step. It is passed up through every step, so it is one pointer wide.
#[derive(Debug)]
pub struct Failure(Box<Facts>);

/// What is known of a failure.
#[derive(Debug)]
pub struct Facts {
    /// Which step.
    pub step: Step,
    /// The reason of the Ready condition.
    pub reason: &'static str,
    /// What went wrong, in full.
    pub message: String,
    /// The revision it was tried for.
    pub revision: Option<String>,
    /// The revision of the origin, if the artifact tells.
    pub origin: Option<String>,
    /// The digest of what was built, once something was.
    pub digest: Option<String>,
    /// What belongs to the object now, once all was written.
    pub applied: Option<Applied>,
    /// How long health was awaited.
    pub elapsed: Option<Duration>,
    /// Whether to keep quiet: a watch or a short delay brings the next attempt.
    pub quiet: bool,
    /// How long the cluster it is for is not asked, because it does not answer.
    pub away: Option<Duration>,
}

/// The steps, as the Reconciling condition names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Getting the artifact and its path.
    Fetch,
    /// Making manifests.
    Build,
    /// Comparing and writing.
    Apply,
    /// Deleting.
    Prune,
    /// Judging health.
    Health,
}

impl Step {
    /// What the Reconciling condition says during this step.
    pub fn progress(self, revision: &str, timeout: Duration) -> String {
        let doing = match self {
            Self::Fetch => "Fetching manifests",
            Self::Build => "Building manifests",
            Self::Apply | Self::Prune => "Detecting drift",
            Self::Health => "Running health checks",
        };
        format!(
            "{doing} for revision {revision} with a timeout of {}",
            crds::meta::format_go(timeout)
        )
    }
}

impl std::ops::Deref for Failure {
    type Target = Facts;
    fn deref(&self) -> &Facts {
        &self.0
    }
}

impl Failure {
    /// A failure of a step.
    pub fn new(step: Step, message: impl Into<String>) -> Self {
        let reason = match step {
            Step::Fetch => reason::ARTIFACT_FAILED,
            Step::Build => reason::BUILD_FAILED,
            Step::Apply => reason::RECONCILIATION_FAILED,
            Step::Prune => reason::PRUNE_FAILED,
            Step::Health => reason::HEALTH_CHECK_FAILED,
        };
        let message = message.into();
        Self(Box::new(Facts {
            step,
            reason,
            message,
            revision: None,
            origin: None,
            digest: None,
            applied: None,
            elapsed: None,
            quiet: false,
            away: None,
        }))
    }

    /// The failure, with another reason than its step's own.
    pub fn because(mut self, reason: &'static str) -> Self {
        self.0.reason = reason;
        self
    }

    /// The failure, told on the object alone if `quiet`.
    pub fn quiet(mut self, quiet: bool) -> Self {
        self.0.quiet = quiet;
        self
    }

    /// The failure, after waiting so long.
    pub fn lasting(mut self, elapsed: Duration) -> Self {
        self.0.elapsed = Some(elapsed);
        self
    }

    /// The failure, while the cluster it is for is not asked for so long.
    pub fn away(mut self, pause: Option<Duration>) -> Self {
        self.0.away = pause;
        self
    }

    /// The failure, tried for this revision.
    pub fn at(mut self, resolved: &Resolved) -> Stop {
        self.note(resolved);
        Stop::Failed(self)
    }

    /// The failure, after this was built.
    pub fn of(mut self, resolved: &Resolved, built: &Built) -> Self {
        self.note(resolved);
        self.0.digest = Some(built.digest.clone());
        self
    }

    /// The failure, after this was built and written.
    pub fn after(self, resolved: &Resolved, built: &Built, applied: &Applied) -> Self {
        let mut failure = self.of(resolved, built);
        failure.0.applied = Some(applied.clone());
        failure
    }

    fn note(&mut self, resolved: &Resolved) {
        self.0.revision = Some(resolved.artifact.revision.clone());
        self.0.origin = resolved.origin().map(str::to_owned);
    }
}
