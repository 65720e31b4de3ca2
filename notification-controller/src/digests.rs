//! What is gathered for each alert that asks for a digest, until it is told.

use crate::digest::Digest;
use jiff::Timestamp;
use runtime::Key;
use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// What is gathered, by the uid of the alert.
#[derive(Debug, Default)]
pub struct Digests {
    inside: Mutex<Inside>,
    /// Wakes whoever saves.
    pub unsaved: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    gathered: HashMap<String, Digest>,
    changed: HashSet<String>,
}

impl Digests {
    /// Changes what is gathered for an alert; whether it begins with this.
    pub fn gather(&self, alert: &Key, uid: &str, now: Timestamp, change: impl FnOnce(&mut Digest)) -> bool {
        let mut inside = self.change(uid);
        match inside.gathered.entry(uid.to_owned()) {
            Entry::Occupied(mut digest) => {
                change(digest.get_mut());
                false
            }
            Entry::Vacant(place) => {
                change(place.insert(Digest::new(alert, uid, now)));
                true
            }
        }
    }

    /// For which alert something is gathered, and since when.
    pub fn begun(&self, uid: &str) -> Option<(Key, Timestamp)> {
        let inside = self.lock();
        inside
            .gathered
            .get(uid)
            .map(|digest| (digest.alert(), digest.since))
    }

    /// Takes out what was gathered. Until `tell` has put it where it is kept further, nothing is added here, and nothing saved: it is in
    /// one of the two whenever somebody looks.
    pub fn settle(&self, uid: &str, tell: impl FnOnce(&Digest)) {
        let mut inside = self.change(uid);
        if let Some(digest) = inside.gathered.get(uid) {
            tell(digest);
        }
        inside.gathered.remove(uid);
    }

    /// What has changed since this was asked last; nothing where there is none any more.
    pub fn changed(&self) -> Vec<(String, Option<Digest>)> {
        let mut inside = self.lock();
        let changed = std::mem::take(&mut inside.changed);
        let with_digest = changed.into_iter().map(|uid| {
            let digest = inside.gathered.get(&uid).cloned();
            (uid, digest)
        });
        with_digest.collect()
    }

    /// Says that what is gathered for an alert has yet to be saved as it is.
    pub fn touch(&self, uid: &str) {
        drop(self.change(uid));
    }

    fn change(&self, uid: &str) -> MutexGuard<'_, Inside> {
        let mut inside = self.lock();
        if !inside.changed.contains(uid) {
            inside.changed.insert(uid.to_owned());
        }
        self.unsaved.notify_one();
        inside
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gathered_is_saved_until_it_is_told() {
        let (digests, alert, now) = (Digests::default(), Key::new("team", "all"), Timestamp::UNIX_EPOCH);
        assert!(digests.gather(&alert, "a", now, |_| {}), "it begins");
        assert!(!digests.gather(&alert, "a", Timestamp::MAX, |_| {}), "it goes on");
        assert_eq!(digests.begun("a"), Some((alert.clone(), now)));
        let saved = digests.changed();
        assert!(matches!(&saved[..], [(uid, Some(digest))] if uid == "a" && digest.alert() == alert));
        assert_eq!(digests.changed(), []);
        digests.touch("a");
        assert_eq!(digests.changed(), saved, "what could not be saved is saved again");
        let mut told = 0;
        digests.settle("a", |_| told += 1);
        digests.settle("a", |_| told += 1);
        assert_eq!(told, 1);
        assert_eq!(
            digests.changed(),
            [("a".to_owned(), None)],
            "that it is gone is to be saved"
        );
        assert_eq!(digests.begun("a"), None);
    }
}
