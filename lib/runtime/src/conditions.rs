//! PURE: a set of conditions, and the rules by which Flux changes and orders them.

use crds::meta::{Condition, ConditionStatus, MESSAGE_LIMIT, READY, RECONCILING, STALLED, cut, reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Conditions under change: a list, the generation they are observed at, and the time of the change.
#[derive(Debug)]
pub struct Conditions<'a> {
    list: &'a mut Vec<Condition>,
    generation: i64,
    now: Time,
}

impl<'a> Conditions<'a> {
    /// Opens a list for changes observed at `generation` and `now`.
    pub fn new(list: &'a mut Vec<Condition>, generation: i64, now: Time) -> Self {
        Self {
            list,
            generation,
            now,
        }
    }

    /// The condition of a type.
    pub fn get(&self, type_: &str) -> Option<&Condition> {
        find(self.list, type_)
    }

    /// Sets a condition to True.
    pub fn mark_true(&mut self, type_: &str, reason: &str, message: impl Into<String>) {
        self.set(type_, ConditionStatus::True, reason, message.into());
    }

    /// Sets a condition to False.
    pub fn mark_false(&mut self, type_: &str, reason: &str, message: impl Into<String>) {
        self.set(type_, ConditionStatus::False, reason, message.into());
    }

    /// Sets a condition to Unknown.
    pub fn mark_unknown(&mut self, type_: &str, reason: &str, message: impl Into<String>) {
        self.set(type_, ConditionStatus::Unknown, reason, message.into());
    }

    /// Marks the object as being worked on; it is then not stalled.
    pub fn reconciling(&mut self, reason: &str, message: impl Into<String>) {
        self.remove(STALLED);
        self.mark_true(RECONCILING, reason, message);
    }

    /// Marks the object as waiting for its owner to change it; it is then not being worked on.
    pub fn stalled(&mut self, reason: &str, message: impl Into<String>) {
        self.remove(RECONCILING);
        self.mark_true(STALLED, reason, message);
    }

    /// Removes a condition.
    pub fn remove(&mut self, type_: &str) {
        self.list.retain(|c| c.type_ != type_);
    }

    /// Puts the list in Flux's order: Stalled, Reconciling, Ready, then by newest generation, then by name.
    pub fn sort(&mut self) {
        self.list.sort_by(|a, b| {
            rank(&a.type_)
                .cmp(&rank(&b.type_))
                .then_with(|| b.observed_generation.cmp(&a.observed_generation))
                .then_with(|| a.type_.cmp(&b.type_))
        });
    }

    /// After a failed pass, says on a Reconciling condition that there will be another.
    pub fn note_retry(&mut self) {
        let failed = self
            .get(READY)
            .is_some_and(|c| c.status == ConditionStatus::False);
        if let Some(message) = self
            .get(RECONCILING)
            .filter(|_| failed)
            .map(|c| c.message.clone())
        {
            self.mark_true(RECONCILING, reason::PROGRESSING_WITH_RETRY, message);
        }
    }

    fn set(&mut self, type_: &str, status: ConditionStatus, reason: &str, message: String) {
        let message = cut(message, MESSAGE_LIMIT);
        let old = self.list.iter_mut().find(|c| c.type_ == type_);
        match old {
            Some(old) => {
                // Flux moves the time also when only the words change.
                if old.status != status || old.reason != reason || old.message != message {
                    old.last_transition_time = self.now.clone();
                }
                old.status = status;
                old.reason = reason.into();
                old.message = message;
                old.observed_generation = Some(self.generation);
            }
            None => self.list.push(Condition {
                type_: type_.into(),
                status,
                observed_generation: Some(self.generation),
                last_transition_time: self.now.clone(),
                reason: reason.into(),
                message,
            }),
        }
    }
}

/// What Flux puts before the message of what only a change of the object can mend.
pub const TERMINAL: &str = "Reconciliation failed terminally due to configuration error";

/// The time as conditions carry it: whole seconds.
pub fn now() -> Time {
    let now = jiff::Timestamp::now();
    Time(jiff::Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// The condition of a type in a list.
pub fn find<'a>(list: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    list.iter().find(|c| c.type_ == type_)
}

/// Whether a condition of this type is True.
pub fn is_true(list: &[Condition], type_: &str) -> bool {
    find(list, type_).is_some_and(|c| c.status == ConditionStatus::True)
}

fn rank(type_: &str) -> u8 {
    match type_ {
        STALLED => 0,
        RECONCILING => 1,
        READY => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn time_moves_with_status_reason_or_message() {
        let mut list = Vec::new();
        Conditions::new(&mut list, 1, at(1)).mark_true(READY, "Succeeded", "a");
        Conditions::new(&mut list, 2, at(2)).mark_true(READY, "Succeeded", "a");
        assert_eq!(
            (list[0].last_transition_time.clone(), list[0].observed_generation),
            (at(1), Some(2))
        );
        Conditions::new(&mut list, 2, at(3)).mark_true(READY, "Succeeded", "b");
        assert_eq!(list[0].last_transition_time, at(3));
    }

    #[test]
    fn reconciling_and_stalled_exclude_each_other() {
        let mut list = Vec::new();
        let mut conditions = Conditions::new(&mut list, 1, at(1));
        conditions.stalled("URLInvalid", "no");
        conditions.reconciling("Progressing", "go");
        assert!(conditions.get(STALLED).is_none());
        conditions.stalled("URLInvalid", "no");
        assert!(conditions.get(RECONCILING).is_none());
    }

    #[test]
    fn order_is_flux_order() {
        let mut list = Vec::new();
        let mut conditions = Conditions::new(&mut list, 1, at(1));
        for type_ in ["FetchFailed", "ArtifactInStorage", READY, RECONCILING] {
            conditions.mark_true(type_, "Succeeded", "");
        }
        conditions.sort();
        let types: Vec<_> = list.iter().map(|c| c.type_.as_str()).collect();
        assert_eq!(
            types,
            ["Reconciling", "Ready", "ArtifactInStorage", "FetchFailed"]
        );
    }

    #[test]
    fn messages_are_cut_at_a_character() {
        let mut list = Vec::new();
        Conditions::new(&mut list, 1, at(1)).mark_true(READY, "Succeeded", "ü".repeat(MESSAGE_LIMIT));
        assert!(list[0].message.len() <= MESSAGE_LIMIT && list[0].message.ends_with("ü..."));
    }
}
