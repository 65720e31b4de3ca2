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
    /// The pause before the next correction of an object: none at first, longer the longer a fight goes on. A change alone
    /// is no round: it may be none of our business, and one correction may answer many.
    pub fn pause(&self, id: &ObjectId, now: Instant) -> Duration {
        let fight = self.0.get(id).filter(|f| f.goes_on(now));
        fight.map_or(Duration::ZERO, |f| pause(f.rounds.saturating_add(1)))
    }

    /// An object was corrected: that is a round.
    pub fn corrected(&mut self, id: &ObjectId, now: Instant) {
        self.0.retain(|_, f| f.goes_on(now));
        let fight = self.0.entry(id.clone()).or_insert(Fight { rounds: 0, last: now });
        fight.rounds = fight.rounds.saturating_add(1);
        fight.last = now;
    }

    /// How often an object was corrected in a row, once that is a fight.
    pub fn rounds(&self, id: &ObjectId) -> Option<u32> {
        self.0.get(id).map(|f| f.rounds).filter(|r| *r > FREE)
    }
}

impl Fight {
    /// Whether a correction now would be one more of the row.
    fn goes_on(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) <= TRUCE + pause(self.rounds.saturating_add(1))
    }
}

/// The pause before a round.
fn pause(rounds: u32) -> Duration {
    match rounds.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(over) => Duration::from_secs(2u64.saturating_pow(over.min(16))).min(PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ObjectId {
        ObjectId {
            namespace: "n".into(),
            name: name.into(),
            group: String::new(),
            kind: "ConfigMap".into(),
        }
    }

    #[test]
    fn rounds_are_corrections_and_nothing_else() {
        let (mut fights, now) = (Fights::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(fights.pause(&id("a"), now), Duration::ZERO);
        }
        assert_eq!(fights.rounds(&id("a")), None);
        for _ in 0..4 {
            fights.corrected(&id("a"), now);
        }
        assert_eq!(fights.rounds(&id("a")), Some(4));
        assert_eq!(fights.pause(&id("a"), now), Duration::from_secs(2));
        assert_eq!(
            fights.pause(&id("a"), now),
            Duration::from_secs(2),
            "asking changes nothing"
        );
        assert_eq!(fights.pause(&id("b"), now), Duration::ZERO);
    }

    #[test]
    fn the_longest_pause_does_not_end_the_fight() {
        let (mut fights, mut now) = (Fights::default(), Instant::now());
        for _ in 0..40 {
            now += fights.pause(&id("a"), now);
            fights.corrected(&id("a"), now);
        }
        assert_eq!(fights.rounds(&id("a")), Some(40));
        assert_eq!(fights.pause(&id("a"), now), PAUSE);
        now += PAUSE + TRUCE + Duration::from_secs(1);
        assert_eq!(fights.pause(&id("a"), now), Duration::ZERO);
        fights.corrected(&id("a"), now);
        assert_eq!(fights.rounds(&id("a")), None, "a new row");
    }
}
