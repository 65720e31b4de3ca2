//! An action on a release: what it is to do, what it holds while it runs, and what it came to.

use super::wait::{Awaited, Waits};
use crate::{
    context::Context,
    ledger::Last,
    next::Action,
    storage::{Record, Storage, StorageError},
};
use ::apply::{discovery::Discovery, id::ObjectRef};
use crds::{helm::HelmRelease, meta::Inventory};
use expr::HealthExpressions;
use helm::{Chart, release::Release};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use runtime::{client::Identity, telemetry::chain};
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};
use thiserror::Error;
use tokio::time::Instant;

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

/// An action under way.
#[derive(Debug)]
pub struct Session {
    /// What every pass holds.
    pub context: Arc<Context>,
    /// What it is to do.
    pub job: Job,
    /// Which resource serves a kind where it works.
    pub discovery: Arc<Discovery>,
    /// The client of its identity.
    pub client: Caller,
    /// The records.
    pub storage: Storage,
    /// How it waits.
    pub waits: Waits,
    /// What it wrote.
    pub observed: Vec<Observed>,
    /// What it knows of the release's objects.
    pub inventory: Option<Inventory>,
    /// What it did.
    pub log: Vec<String>,
}

/// A client that can be printed.
#[derive(Clone)]
pub struct Caller(pub Client);

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// How many lines are kept of what an action did.
const LINES: usize = 10;

impl Session {
    /// An action that is about to begin.
    pub fn new(context: Arc<Context>, job: Job, waits: Waits) -> Self {
        let client = context.clients.of(&job.identity);
        let storage = Storage::new(client.clone(), &job.storage_namespace);
        Self {
            discovery: context.discovery.of(&job.identity),
            context,
            job,
            client: Caller(client),
            storage,
            waits,
            observed: Vec::new(),
            inventory: None,
            log: Vec::new(),
        }
    }

    /// Carries the action out.
    pub async fn run(mut self) -> Ended {
        let begin = Instant::now();
        let result = match self.job.action.clone() {
            Action::Install => super::install::run(&mut self).await,
            Action::Upgrade => super::upgrade::run(&mut self).await,
            Action::Test => super::test::run(&mut self).await,
            Action::Rollback(version) => super::rollback::run(&mut self, version).await,
            Action::UninstallRemediation | Action::Uninstall => super::uninstall::run(&mut self).await,
            // It waits for nothing, and is done by the pass itself.
            Action::Unlock => Ok(()),
        };
        Ended {
            job: self.job,
            result,
            observed: self.observed,
            inventory: self.inventory,
            took: begin.elapsed(),
            log: self.log,
        }
    }

    /// How long each wait of the action may last.
    pub fn timeout(&self) -> Duration {
        self.job.action.timeout(&self.job.object)
    }

    /// Notes what was done.
    pub fn say(&mut self, line: impl Into<String>) {
        let line = line.into();
        tracing::debug!(
            namespace = crate::spec::namespace(&self.job.object),
            name = self.job.object.metadata.name,
            "{line}"
        );
        if self.log.len() == LINES {
            self.log.remove(0);
        }
        self.log.push(format!("{}: {line}", jiff::Timestamp::now()));
    }

    /// Stores a new revision.
    ///
    /// # Errors
    /// As [`Storage::create`].
    pub async fn create(&mut self, record: &Record, max: usize) -> Result<(), StorageError> {
        let written = self.storage.create(record, max).await?;
        self.observe(&record.release, written).await;
        Ok(())
    }

    /// Stores a revision in the place of what is stored of it.
    ///
    /// # Errors
    /// As [`Storage::update`].
    pub async fn update(&mut self, record: &Record) -> Result<(), StorageError> {
        let written = self.storage.update(record).await?;
        self.observe(&record.release, written).await;
        Ok(())
    }

    /// As [`Session::update`], where an error must not hide another one.
    pub async fn record(&mut self, record: &Record) {
        let written = self.storage.update(record).await;
        self.recorded(record, written).await;
    }

    /// As [`Session::record`], for the revision that was and the one that takes its place: at once, neither needs the
    /// other.
    pub async fn record_both(&mut self, old: &Record, new: &Record) {
        let (of_old, of_new) = tokio::join!(self.storage.update(old), self.storage.update(new));
        self.recorded(old, of_old).await;
        self.recorded(new, of_new).await;
    }

    async fn recorded(&mut self, record: &Record, written: Result<ObjectMeta, StorageError>) {
        match written {
            Ok(written) => self.observe(&record.release, written).await,
            Err(error) => self.say(format!("failed to update release: {}", chain(&error))),
        }
    }

    /// Forgets a revision that was there.
    ///
    /// # Errors
    /// As [`Storage::delete`].
    pub async fn delete(&mut self, release: &Release) -> Result<(), StorageError> {
        self.storage.delete(&release.name, release.version).await?;
        self.note(release, None);
        Ok(())
    }

    async fn observe(&mut self, release: &Release, written: ObjectMeta) {
        let same =
            |o: &Observed| o.release.version == release.version && o.release.manifest == release.manifest;
        let known = self.inventory.is_some() && self.observed.iter().any(same);
        self.note(release, written.resource_version.clone());
        self.context.stored(&self.job.identity, written);
        if known {
            return;
        }
        if !matches!(
            self.job.action,
            Action::Install | Action::Upgrade | Action::Rollback(_)
        ) {
            return;
        }
        let newest = self.observed.iter().map(|o| o.release.version).max();
        if newest == Some(release.version) {
            self.inventory = super::crds::inventory(self, release).await;
        }
    }

    fn note(&mut self, release: &Release, resource_version: Option<String>) {
        match self
            .observed
            .iter_mut()
            .find(|o| o.release.version == release.version)
        {
            Some(known) => {
                known.release = release.clone();
                known.writes += 1;
                known.resource_version = resource_version;
            }
            None => self.observed.push(Observed {
                release: release.clone(),
                writes: 1,
                resource_version,
            }),
        }
    }

    /// The objects of a manifest, each in its namespace.
    ///
    /// # Errors
    /// A manifest that is not one of objects, or of kinds that are not served.
    pub async fn build(&self, manifest: &str, what: &str) -> Result<Vec<super::objects::Item>, ActionError> {
        let built = super::objects::build(&self.discovery, manifest, &self.job.namespace).await;
        built.map_err(|e| {
            ActionError::Helm(format!(
                "unable to build kubernetes objects from {what}: {}",
                chain(&e)
            ))
        })
    }
}

impl Session {
    /// Waits until what was written is ready, as the spec says. The charts of the records are folded up meanwhile.
    ///
    /// # Errors
    /// In Helm's words.
    pub async fn ready<const N: usize>(
        &mut self,
        records: [&mut Record; N],
        written: Vec<Awaited>,
        jobs: bool,
    ) -> Result<(), ActionError> {
        let (health, timeout) = (self.job.health.clone(), self.timeout());
        let mut records = records.map(|record| (record.release.fold(), record));
        let ready = self.waits.ready(written, jobs, &health, timeout).await;
        for (chart, record) in &mut records {
            record
                .release
                .unfold(chart)
                .map_err(|e| ActionError::Helm(chain(&e)))?;
        }
        Ok(ready?)
    }
}

/// The time as records hold it: RFC 3339 in UTC with nanoseconds, without zeros at the end.
pub fn now() -> String {
    jiff::Timestamp::now().to_string()
}

/// `Kind/namespace/name status: 'word'`, in the words of kstatus.
pub fn with_status(object: &ObjectRef, word: &str) -> String {
    format!("{object} status: '{word}'")
}
