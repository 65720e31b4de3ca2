//! What is under way for each HelmRelease: kept in memory. What must outlive the process is in status and storage.

use crate::{
    next::Kind,
    release::job::{Ended, Inputs, Job},
    storage::Last,
};
use apply::{fight::Fights, view::Watch};
use crds::meta::ObjectId;
use runtime::{Key, client::Identity};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, watch};

/// The memory of all HelmReleases.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<HashMap<Key, Arc<Mutex<Memory>>>>);

/// The memory of one HelmRelease.
#[derive(Debug, Default)]
pub struct Memory {
    /// An action that begins when its intent is on record.
    pub prepared: Option<Job>,
    /// An action under way.
    pub running: Option<Running>,
    /// An action that ended, and was not yet recorded.
    pub ended: Option<Box<Ended>>,
    /// The kinds of actions done in this round.
    pub round: Vec<Kind>,
    /// A release whatever the state was asked for while an action was under way.
    pub forced: bool,
    /// Rung when an object of the release changes.
    pub bell: Arc<Notify>,
    /// In whose name, and so in which cluster, what follows was seen.
    pub identity: Option<Identity>,
    /// The last release as it was read or written.
    pub last: Option<Last>,
    /// The objects as they were when they were found to be as the release says.
    pub good: HashMap<ObjectId, Good>,
    /// The revision that they were of.
    pub good_for: i64,
    /// Corrections of each object in a row, for damping.
    pub fights: Fights,
    /// The watches that see the objects; held so that they go on.
    pub watches: Vec<Arc<Watch>>,
}

impl Memory {
    /// What was seen in another's name says nothing of what is in this one's: it may be another cluster.
    pub fn act_as(&mut self, identity: &Identity) {
        if self.identity.as_ref() != Some(identity) {
            self.last = None;
            self.good.clear();
            self.watches.clear();
            self.identity = Some(identity.clone());
        }
    }
}

/// An action under way.
#[derive(Debug)]
pub struct Running {
    /// What it was begun for.
    pub inputs: Inputs,
    /// It is an uninstall: it has to be ended, whatever is newer.
    pub uninstalls: bool,
    /// Gives it up.
    pub cancel: watch::Sender<bool>,
}

/// A live object that was as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Good {
    /// Which object of its name.
    pub uid: String,
    /// The owners of its fields.
    pub fields: u64,
}

impl Ledger {
    /// The memory of a HelmRelease, made if there is none.
    pub fn of(&self, key: &Key) -> Arc<Mutex<Memory>> {
        self.all().entry(key.clone()).or_default().clone()
    }

    /// The memory of a HelmRelease, if there is one.
    pub fn known(&self, key: &Key) -> Option<Arc<Mutex<Memory>>> {
        self.all().get(key).cloned()
    }

    /// Forgets a HelmRelease that is gone; an action under way is given up.
    pub fn forget(&self, key: &Key) {
        if let Some(memory) = self.all().remove(key)
            && let Some(running) = &lock(&memory).running
        {
            running.cancel.send_replace(true);
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Key, Arc<Mutex<Memory>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memory, for as long as nothing is awaited.
pub fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}
