//! An action on a release: what it is to do, and what it came to.

use crate::{
    next::Action,
    storage::{Last, StorageError},
};
use crds::{helm::HelmRelease, meta::Inventory};
use expr::HealthExpressions;
use helm::{Chart, release::Release};
use runtime::{client::Identity, telemetry::chain};
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};
use thiserror::Error;

/// What an action is to do.
#[derive(Debug, Clone)]
pub struct Job {
    /// The action.
    pub action: Action,
    /// The HelmRelease as it was when the action was decided on.
    pub object: Arc<HelmRelease>,
    /// In whose name.
    pub identity: Identity,
    /// The release's name.
    pub name: String,
    /// The release's namespace.
    pub namespace: String,
    /// The namespace of its records.
    pub storage_namespace: String,
    /// The newest revision in storage when the action was decided on; none where there was none.
    pub last: Option<i64>,
    /// The chart; none for actions that need none.
    pub chart: Option<Arc<Chart>>,
    /// The values.
    pub values: Map<String, Value>,
    /// What the inputs were: an action is given up for others.
    pub inputs: Inputs,
    /// The spec's own rules for health.
    pub health: Arc<HealthExpressions>,
}

/// What an action was begun for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// The object's generation.
    pub generation: i64,
    /// The digest of the chart's artifact.
    pub artifact: String,
}

/// A revision that was written, and how often.
#[derive(Debug, Clone)]
pub struct Observed {
    /// As it was written last.
    pub release: Release,
    /// How often it was written.
    pub writes: u32,
    /// The version of its Secret since; none when it was deleted.
    pub resource_version: Option<String>,
}

/// What an action came to.
#[derive(Debug)]
pub struct Ended {
    /// What it was to do.
    pub job: Job,
    /// Whether it did.
    pub result: Result<(), ActionError>,
    /// The revisions that it wrote, in the order of their first writes.
    pub observed: Vec<Observed>,
    /// The objects of the release, if it got so far as to know them.
    pub inventory: Option<Inventory>,
    /// How long it took.
    pub took: Duration,
    /// What it did, for people who look into a failure.
    pub log: Vec<String>,
}

impl Ended {
    /// The newest revision, as the action left it in storage: it need not be read to be known.
    pub fn last(&self) -> Option<Last> {
        let newest = self.observed.iter().max_by_key(|o| o.release.version)?;
        let version = newest.resource_version.as_deref()?;
        Some(Last::new(version, newest.release.clone()))
    }
}

/// Why an action failed.
#[derive(Debug, Error)]
pub enum ActionError {
    /// In Helm's words.
    #[error("{0}")]
    Helm(String),
    /// There is no release of the name.
    #[error("uninstall: Release not loaded: {0}: release: not found")]
    NotFound(String),
    /// It was uninstalled before, and its records were kept.
    #[error("the release named \"{0}\" is already deleted")]
    AlreadyDeleted(String),
    /// Something newer is to be done.
    #[error("context canceled")]
    Canceled,
}

impl ActionError {
    /// A failure in Helm's words.
    pub fn helm(text: impl Into<String>) -> Self {
        Self::Helm(text.into())
    }

    /// The failure with words before it.
    #[must_use]
    pub fn context(self, before: &str) -> Self {
        match self {
            Self::Helm(text) => Self::Helm(format!("{before}: {text}")),
            other => other,
        }
    }
}

/// The revision after one.
///
/// # Errors
/// After the last there is none: somebody else has written that record.
pub fn next_revision(last: i64) -> Result<i64, ActionError> {
    last.checked_add(1)
        .ok_or_else(|| ActionError::Helm(format!("there is no revision after {last}")))
}

impl From<StorageError> for ActionError {
    fn from(error: StorageError) -> Self {
        Self::Helm(chain(&error))
    }
}

/// The time as records hold it: RFC 3339 in UTC with nanoseconds, without zeros at the end.
pub fn now() -> String {
    jiff::Timestamp::now().to_string()
}
