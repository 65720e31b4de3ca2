//! PURE: corrections of one object again and again, damped: somebody else wants it otherwise.

use crds::meta::ObjectId;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Rows of corrections, by object.
#[derive(Debug, Default)]
pub struct Fights(HashMap<ObjectId, Fight>);

/// A row of corrections of one object.
#[derive(Debug, Clone, Copy)]
struct Fight {
    rounds: u32,
    last: Instant,
}

/// Corrections further apart than this are no fight.
const TRUCE: Duration = Duration::from_secs(60);
/// So many corrections in a row are free.
const FREE: u32 = 3;
/// The longest pause in a fight.
const PAUSE: Duration = Duration::from_secs(300);

impl Fights {
    /// The pause before the next correction of an object: none at first, longer the longer a fight goes on.
    pub fn next_round(&mut self, id: &ObjectId, now: Instant) -> Duration {
        self.0.retain(|_, f| now.duration_since(f.last) < PAUSE + TRUCE);
        let fight = self.0.entry(id.clone()).or_insert(Fight { rounds: 0, last: now });
        let pause = pause(fight.rounds);
        if now.duration_since(fight.last) > TRUCE + pause {
            fight.rounds = 0;
        }
        fight.rounds = fight.rounds.saturating_add(1);
        fight.last = now;
        self::pause(fight.rounds)
    }

    /// A change of an object turned out to be no matter of correction.
    pub fn settle(&mut self, id: &ObjectId) {
        self.0.remove(id);
    }

    /// How often an object was corrected in a row, once that is a fight.
    pub fn rounds(&self, id: &ObjectId) -> Option<u32> {
        self.0.get(id).map(|f| f.rounds).filter(|r| *r > FREE)
    }
}

fn pause(rounds: u32) -> Duration {
    match rounds.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(over) => Duration::from_secs(2u64.saturating_pow(over.min(16))).min(PAUSE),
    }
}
