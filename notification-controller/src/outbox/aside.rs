//! PURE: which message of a lane is tried next. In order, until one is refused again and again while others wait: then others pass
//! it, and it is tried again behind them.
//!
//! Whether a service refuses one message or is down for all is not to be seen in an answer (Gitea says 500 for a commit that it
//! does not know). So what tells is whether another message arrives: before that, none passes an earlier one about its own object,
//! and when one has arrived, all that were refused meanwhile are tried again first, in their order. What is refused even then, is
//! refused for itself.

use super::Item;
use crate::{cause, message};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// So often a message is tried before others pass it.
const PATIENCE: u32 = 3;

/// The messages of a lane that were refused.
#[derive(Debug, Default)]
pub struct Asides {
    /// By their keys: of one event there may be messages of several alerts.
    all: HashMap<String, Vec<Aside>>,
    /// So many attempts have failed since one succeeded, of whatever message.
    failures: u32,
}

/// A message that was refused.
#[derive(Debug)]
struct Aside {
    alert_uid: String,
    about: About,
    refused: u32,
    /// Others pass it until then.
    until: Option<Instant>,
    /// It is refused while others arrive.
    is_alone: bool,
}

/// What messages are about that must not pass each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct About {
    subject: String,
    /// Statuses of one object at several commits have no order.
    commit: Option<String>,
}

impl About {
    fn of(item: &Item, by_commit: bool) -> Self {
        let commit = || message::commit(&item.event).ok();
        Self {
            subject: cause::subject(&item.event),
            commit: by_commit.then(commit).flatten(),
        }
    }
}

/// Whether a message has to wait for one of these.
fn holds_back(passed: &HashSet<&About>, item: &Item) -> bool {
    !passed.is_empty()
        && (passed.contains(&About::of(item, false)) || passed.contains(&About::of(item, true)))
}

/// What a refusal means for the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// So many attempts have failed in a row; none, if it is only this message that is refused.
    pub failures: u32,
    /// Whether others can be tried meanwhile.
    pub others: bool,
}

impl Asides {
    /// The first that is to be tried now, or when there will be one, of those that wait.
    pub fn choose<'a>(
        &self,
        waiting: &'a VecDeque<Arc<Item>>,
        now: Instant,
    ) -> Result<&'a Arc<Item>, Option<Instant>> {
        let (mut due, mut soonest): (Option<&Arc<Item>>, Option<Instant>) = (None, None);
        let mut passed: HashSet<&About> = HashSet::new();
        for item in waiting {
            if holds_back(&passed, item) {
                continue;
            }
            let Some((aside, until)) = self.of(item).and_then(|aside| Some((aside, aside.until?))) else {
                // Who was not tried comes before those that were, as long as none gets through.
                return Ok(match due {
                    Some(due) if self.failures == 0 => due,
                    _ => item,
                });
            };
            match until > now {
                true => soonest = Some(soonest.map_or(until, |soonest| soonest.min(until))),
                false => due = due.or(Some(item)),
            }
            passed.extend(Some(&aside.about).filter(|_| !aside.is_alone));
        }
        due.ok_or(soonest)
    }

    /// A message was refused; `pause` is how long after so many refusals.
    pub fn refused(
        &mut self,
        (item, by_commit): (&Item, bool),
        waiting: &VecDeque<Arc<Item>>,
        now: Instant,
        pause: impl Fn(u32) -> Duration,
    ) -> Refused {
        let of_key = self.all.entry(item.key.clone()).or_default();
        let at = of_key.iter().position(|aside| aside.alert_uid == item.alert_uid);
        let at = at.unwrap_or_else(|| {
            of_key.push(Aside {
                alert_uid: item.alert_uid.clone(),
                about: About::of(item, by_commit),
                refused: 0,
                until: None,
                is_alone: false,
            });
            of_key.len() - 1
        });
        let aside = &mut of_key[at];
        aside.refused += 1;
        // One has arrived since it was refused before.
        aside.is_alone |= self.failures == 0 && aside.refused > 1;
        if !aside.is_alone {
            self.failures += 1;
        }
        if aside.is_alone || aside.refused >= PATIENCE || self.failures > PATIENCE {
            aside.until = Some(now + pause(aside.refused));
        }
        Refused {
            failures: self.failures,
            others: self
                .choose(waiting, now)
                .is_ok_and(|next| !std::ptr::eq(&**next, item)),
        }
    }

    /// A message has arrived, so the service takes some: those that may have been refused for no fault of theirs are tried first.
    pub fn arrived(&mut self) {
        self.failures = 0;
        for aside in self.all.values_mut().flatten().filter(|aside| !aside.is_alone) {
            aside.until = None;
        }
    }

    /// A message waits no more.
    pub fn forget(&mut self, item: &Item) {
        if let Some(of_key) = self.all.get_mut(&item.key) {
            of_key.retain(|aside| aside.alert_uid != item.alert_uid);
            if of_key.is_empty() {
                self.all.remove(&item.key);
            }
        }
    }

    /// What failed may work now.
    pub fn forgive(&mut self) {
        *self = Self::default();
    }

    fn of(&self, item: &Item) -> Option<&Aside> {
        let of_key = self.all.get(&item.key)?;
        of_key.iter().find(|aside| aside.alert_uid == item.alert_uid)
    }
}
