//! What is known of the object store without asking it: which artifacts it had a while ago, and whether it failed just now.

use crate::lock::lock;
use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

/// What was there is looked for again after so long.
const LASTS: Duration = Duration::from_secs(3600);
/// A store that failed is not asked for so long whether it has what it should: no pass waits for it again and again.
const PAUSE: Duration = Duration::from_secs(60);

/// What is known.
#[derive(Debug, Default)]
pub struct Known {
    /// By object: the newest of its files, as it is called in the store, and when it was there.
    files: Mutex<HashMap<String, (String, Instant)>>,
    failed: Mutex<Option<Instant>>,
}

impl Known {
    /// Whether it is time to look for a file of an object.
    pub fn is_due(&self, object: &str, file: &str) -> bool {
        let is_recent = |(seen, at): &(String, Instant)| seen == file && at.elapsed() < LASTS;
        let is_known = lock(&self.files).get(object).is_some_and(is_recent);
        !is_known && lock(&self.failed).is_none_or(|at| at.elapsed() >= PAUSE)
    }

    /// The file is there.
    pub fn is_there(&self, object: &str, file: String) {
        lock(&self.files).insert(object.to_owned(), (file, Instant::now()));
    }

    /// The store failed.
    pub fn failed(&self) {
        *lock(&self.failed) = Some(Instant::now());
    }

    /// The object is gone.
    pub fn forget(&self, object: &str) {
        lock(&self.files).remove(object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_not_asked_again_and_neither_is_who_failed() {
        let known = Known::default();
        assert!(known.is_due("a", "1"));
        known.is_there("a", "1".to_owned());
        assert!(!known.is_due("a", "1") && known.is_due("a", "2") && known.is_due("b", "1"));
        known.forget("a");
        assert!(known.is_due("a", "1"));
        known.failed();
        assert!(!known.is_due("a", "1"));
    }
}
