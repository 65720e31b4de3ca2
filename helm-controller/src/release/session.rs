//! What an action holds while it runs: it stores revisions, and notes what it did.

use super::{
    inventory,
    job::{ActionError, Job, Observed},
    objects::{self, Item},
    wait::{Awaited, Waits},
};
use crate::{
    context::Context,
    next::Action,
    storage::{Record, Storage, StorageError},
};
use ::apply::discovery::Discovery;
use crds::meta::Inventory;
use helm::release::Release;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use runtime::telemetry::chain;
use std::{sync::Arc, time::Duration};

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
            self.inventory = inventory::of(&self.discovery, &self.job, release).await;
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
    pub async fn build(&self, manifest: &str, what: &str) -> Result<Vec<Item>, ActionError> {
        let built = objects::build(&self.discovery, manifest, &self.job.namespace).await;
        built.map_err(|e| {
            ActionError::Helm(format!(
                "unable to build kubernetes objects from {what}: {}",
                chain(&e)
            ))
        })
    }

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
