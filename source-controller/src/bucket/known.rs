//! The etags of what is in the artifacts of Buckets, so that only what changed is fetched again.
//!
//! They are kept in memory: after a restart, a bucket that changed is fetched once as a whole.

use super::pull::Archived;
use crate::lock::lock;
use crds::{
    meta::Artifact,
    source::{Bucket, Source as _},
};
use runtime::Key;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// So many etags are kept for all Buckets together.
const MOST: usize = 300_000;

/// The etags of the objects in an artifact.
#[derive(Debug)]
pub struct Known {
    /// The artifact.
    pub artifact: Artifact,
    /// Etags by key.
    pub etags: HashMap<String, String>,
    place: String,
}

/// What is known of all Buckets.
#[derive(Debug, Default)]
pub struct KnownBuckets(Mutex<HashMap<Key, Arc<Known>>>);

impl KnownBuckets {
    /// What is known of the artifact in a Bucket's status, if that was made of the bucket at this place.
    pub fn of(&self, object: &Bucket, place: &str) -> Option<Arc<Known>> {
        let found = lock(&self.0).get(&Key::of(object)).cloned()?;
        let digest = &object.artifact()?.digest;
        (found.place == place && found.artifact.digest == *digest).then_some(found)
    }

    /// Remembers what was archived.
    pub fn learn(&self, object: &Bucket, place: String, archived: &Archived) {
        let key = Key::of(object);
        let etags = archived
            .index
            .iter()
            .map(|(key, etag)| (key.to_owned(), etag.to_owned()));
        let known = Arc::new(Known {
            artifact: archived.published.artifact.clone(),
            etags: etags.collect(),
            place,
        });
        let mut all = lock(&self.0);
        all.insert(key.clone(), known);
        while all.values().map(|known| known.etags.len()).sum::<usize>() > MOST {
            // Whoever has the most is the cheapest to do without.
            let largest = all.iter().max_by_key(|(_, known)| known.etags.len());
            let Some(largest) = largest.map(|(key, _)| key.clone()) else {
                return;
            };
            all.remove(&largest);
        }
    }

    /// Forgets a Bucket.
    pub fn forget(&self, key: &Key) {
        lock(&self.0).remove(key);
    }
}
