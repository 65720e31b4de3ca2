//! What was built and written for each Kustomization: kept in memory, rebuilt after a restart.

use crate::manifest::Manifest;
pub use apply::plan::Written;
use apply::{
    apply::Change,
    fight::Fights,
    id::ObjectRef,
    ignore::Pointer,
    order::Stage,
    toggles::Toggles,
    view::{Live, Watch},
};
use crds::meta::ObjectId;
use kustomize::Inputs;
use runtime::{Key, client::Identity};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::Instant;

/// The memory of all Kustomizations.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<HashMap<Key, Arc<Mutex<Memory>>>>);

/// The memory of one Kustomization.
#[derive(Debug, Default)]
pub struct Memory {
    /// What the last build read and gave.
    pub built: Option<Arc<Built>>,
    /// Its manifests, between the build and the writes of one pass, so that what is to be written is not built twice.
    pub fresh: Option<Vec<Manifest>>,
    /// In whose name, and so in which cluster, that was.
    pub identity: Option<Identity>,
    /// The last writes, by object.
    pub written: HashMap<ObjectId, Written>,
    /// The watches that see the objects; held so that they go on.
    pub watches: Vec<Arc<Watch>>,
    /// The health of objects decides about the next pass.
    pub awaits_health: bool,
    /// So may any change of an object, because the spec has rules of its own.
    pub awaits_any: bool,
    /// Since when the health of the present state is awaited.
    pub verifying: Option<Instant>,
    /// The time for it is over, and that was told.
    pub expired: bool,
    /// Since when a stage is awaited.
    pub staging: Option<Instant>,
    /// The revision and generation whose health was last found good.
    pub healthy: Option<(String, i64)>,
    /// Whether the last pass wrote something whose health was not yet judged.
    pub changed: bool,
    /// What was written by passes that had to wait, and is told when one comes through.
    pub untold: Vec<(ObjectRef, Change)>,
    /// Corrections of each object in a row, for damping.
    pub fights: Fights,
}

/// What a build read and gave; another build with the same key and inputs gives the same.
#[derive(Debug)]
pub struct Built {
    /// Everything beside the files that a build depends on.
    pub key: BuildKey,
    /// The artifact it was last known to hold for.
    pub artifact: String,
    /// The files read and absences relied on.
    pub inputs: Inputs,
    /// The objects, in the order in which they are applied.
    pub objects: Vec<Planned>,
    /// The digest of the manifests (`sha256:…`), as history shows it.
    pub digest: String,
}

/// Everything beside the files that a build depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildKey {
    /// The Kustomization's identity and generation: its whole spec.
    pub generation: (String, i64),
    /// A digest of the values that are substituted.
    pub variables: [u8; 32],
}

/// An object as far as planning needs it; its manifest is built again when it is to be written.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its name.
    pub object: ObjectRef,
    /// The fingerprint of its manifest, beside the fields that may differ.
    pub fingerprint: u64,
    /// The fields that may differ (`spec.ignore`); nearly always none.
    pub ignored: Vec<Pointer>,
    /// The stage it belongs to.
    pub stage: Stage,
    /// What its manifest asks for.
    pub asks: Toggles,
}

impl Ledger {
    /// The memory of a Kustomization, made if there is none.
    pub fn of(&self, key: &Key) -> Arc<Mutex<Memory>> {
        self.lock().entry(key.clone()).or_default().clone()
    }

    /// The memory of a Kustomization, if there is one.
    pub fn known(&self, key: &Key) -> Option<Arc<Mutex<Memory>>> {
        self.lock().get(key).cloned()
    }

    /// Forgets a Kustomization.
    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Mutex<Memory>>>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Locks a memory; it is only ever held for a moment, never across a wait.
pub fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Memory {
    /// Whether a change of a live object calls for a pass, and after which delay.
    pub fn reaction(
        &self,
        id: &ObjectId,
        old: Option<&Live>,
        new: Option<&Live>,
        now: Instant,
    ) -> Option<Duration> {
        let health_moved = old.map(|l| &l.health) != new.map(|l| &l.health);
        // What a rule of the spec's own reads, only the rule knows: any change may be it while health is awaited.
        let awaiting = self.verifying.is_some() || self.expired;
        let may_have_moved = health_moved || (self.awaits_any && awaiting);
        if (self.awaits_health || self.staging.is_some()) && may_have_moved {
            return Some(Duration::ZERO);
        }
        let written = self.written.get(id)?;
        let drifted = match new {
            None => true,
            Some(live) if live.deleting => !old.is_some_and(|l| l.deleting),
            Some(live) => live.uid != written.uid || live.owners.fingerprint != written.fields,
        };
        drifted.then(|| self.fights.pause(id, now.into_std()))
    }

    /// What was written and seen in another's name says nothing of what is in this one's: it may be another cluster.
    pub fn act_as(&mut self, identity: &Identity) {
        if self.identity.as_ref() != Some(identity) {
            self.written.clear();
            self.watches.clear();
            self.healthy = None;
            self.identity = Some(identity.clone());
        }
    }

    /// A change of an object turned out to be none of our business.
    pub fn settle(&mut self, id: &ObjectId, fields: u64) {
        if let Some(written) = self.written.get_mut(id) {
            written.fields = fields;
        }
    }

    /// How often an object was corrected in a row, once that is a fight.
    pub fn fight(&self, id: &ObjectId) -> Option<u32> {
        self.fights.rounds(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apply::{fields::Owners, health::Health};

    fn id() -> ObjectId {
        ObjectId {
            namespace: "n".into(),
            name: "a".into(),
            group: String::new(),
            kind: "ConfigMap".into(),
        }
    }

    fn live(fields: u64, health: Health) -> Live {
        let owners = Owners {
            fingerprint: fields,
            ..Owners::default()
        };
        Live {
            key: Key::new("n", "a"),
            uid: "u".into(),
            version: 1,
            owners,
            toggles: Toggles::default(),
            owner: None,
            health,
            deleting: false,
        }
    }

    fn memory() -> Memory {
        let mut memory = Memory::default();
        memory.written.insert(
            id(),
            Written {
                desired: 1,
                fields: 7,
                beside: 7,
                uid: "u".into(),
            },
        );
        memory
    }

    #[test]
    fn only_what_touches_ours_calls_for_a_pass() {
        let now = Instant::now();
        let ours = live(7, Health::Current);
        let busy = live(7, Health::InProgress(String::new()));
        assert_eq!(memory().reaction(&id(), Some(&ours), Some(&busy), now), None);
        assert_eq!(
            memory().reaction(&id(), Some(&ours), None, now),
            Some(Duration::ZERO)
        );
        assert_eq!(
            memory().reaction(&id(), Some(&ours), Some(&live(8, Health::Current)), now),
            Some(Duration::ZERO)
        );
        assert_eq!(Memory::default().reaction(&id(), Some(&ours), None, now), None);
        let awaiting = Memory {
            awaits_health: true,
            ..memory()
        };
        assert_eq!(
            awaiting.reaction(&id(), Some(&busy), Some(&ours), now),
            Some(Duration::ZERO)
        );
        let deleting = Live {
            deleting: true,
            ..ours.clone()
        };
        assert_eq!(
            memory().reaction(&id(), Some(&ours), Some(&deleting), now),
            Some(Duration::ZERO)
        );
        assert_eq!(
            memory().reaction(&id(), Some(&deleting), Some(&deleting), now),
            None
        );
    }

    #[test]
    fn changes_that_are_none_of_our_business_do_not_put_off_a_correction() {
        let (mut memory, now) = (memory(), Instant::now());
        let ours = live(7, Health::Current);
        for fields in 8..30 {
            // A scaler changes what it may, and the object is heard of more than once before the pass has looked.
            for _ in 0..3 {
                let reaction = memory.reaction(&id(), Some(&ours), Some(&live(fields, Health::Current)), now);
                assert_eq!(reaction, Some(Duration::ZERO));
            }
            memory.settle(&id(), fields);
            // Older news may come late.
            let late = memory.reaction(&id(), Some(&ours), Some(&live(fields - 1, Health::Current)), now);
            assert_eq!(late, Some(Duration::ZERO));
        }
        assert_eq!(
            memory.reaction(&id(), Some(&ours), None, now),
            Some(Duration::ZERO)
        );
        assert_eq!(memory.fight(&id()), None);
    }

    #[test]
    fn a_fight_is_damped_and_ends_with_a_truce() {
        let (mut memory, mut now) = (memory(), Instant::now());
        let ours = live(7, Health::Current);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let pause = memory.reaction(&id(), Some(&ours), None, now).unwrap();
            pauses.push(pause.as_secs());
            now += pause;
            memory.fights.corrected(&id(), now.into_std());
        }
        assert_eq!(pauses, [0, 0, 0, 1, 2, 4]);
        assert_eq!(memory.fight(&id()), Some(6));
        now += Duration::from_secs(300);
        assert_eq!(
            memory.reaction(&id(), Some(&ours), None, now),
            Some(Duration::ZERO)
        );
    }
}
