//! What was told already and what waits to be told, in ConfigMaps of the controller's own namespace: a restart goes on where
//! the process before it was (decision 015).
//!
//! A message is put in the outbox, or to what is gathered for a digest, before its object's cursor moves; a save writes both before
//! the cursors. So a cursor that was saved says: all before it has arrived, or is in what was saved. What happened after the
//! last save is told again: at least once, with the same key. A digest that is told is put in the outbox before it is taken from
//! what is gathered, and saves look and write in that order.

mod maps;
mod saved;

use crate::{
    digest::Digest,
    digests::Digests,
    outbox::{Item, Outbox, Part},
    transition::Cursor,
};
use jiff::Timestamp;
use kube::{Client, ResourceExt as _};
use maps::{LABEL, Maps, is_refused};
use runtime::{Key, conditions, telemetry::chain};
use saved::{
    lanes_of, name_of_digest, name_of_lane, name_of_shard, read, read_digest, read_waiting, shard_of, written,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;
use tracing::{error, warn};

/// The values of the label of our ConfigMaps: cursors, messages that wait, and what is gathered for digests.
const TOLD: &str = "told";
const WAITING: &str = "waiting";
const DIGEST: &str = "digest";
/// Cursors are spread over so many ConfigMaps: a hundred thousand objects have room.
const SHARDS: u8 = 8;
/// What stands beside the cursors of a shard: since when they are kept. What happened before that to an object without a
/// cursor is old news, however often this process is killed before it has seen all objects.
const SINCE: &str = "since";
/// Changes are saved together, at most this often; while they cannot be, the pause grows to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(20));
/// So many bytes are saved in a second in the long run: whatever changes is written whole, and the API server's store keeps all that was
/// written for some minutes.
const BYTES_A_SECOND: usize = 1 << 20;
/// About so large is a saved cursor, in bytes.
const CURSOR_BYTES: usize = 80;

/// The cursors of all objects, by uid.
#[derive(Debug)]
pub struct Memory {
    maps: Maps,
    outbox: Arc<Outbox>,
    digests: Arc<Digests>,
    inside: Mutex<Inside>,
    changed: Notify,
    /// Held by whoever saves.
    saves: tokio::sync::Mutex<()>,
    /// Since when each shard is kept.
    since: [Timestamp; SHARDS as usize],
}

#[derive(Debug, Default)]
struct Inside {
    seen: HashMap<String, Seen>,
    unsaved: HashSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    kind: &'static str,
    cursor: Cursor,
}

/// What came of a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// Whether all is saved that had changed.
    all: bool,
    /// About how many bytes were written.
    bytes: usize,
}

/// The pause after so many bytes.
fn pause_after(bytes: usize) -> Duration {
    let share = bytes as f64 / BYTES_A_SECOND as f64;
    PAUSES.0 + Duration::from_secs_f64(share)
}

/// What an earlier process has left to be told.
#[derive(Debug, Default)]
pub struct Left {
    /// Messages that it could not send, by Provider, with the part that each is saved in.
    pub waiting: Vec<(Key, Vec<(u8, Item)>)>,
    /// What it had gathered.
    pub digests: Vec<Digest>,
}

impl Memory {
    /// Reads what was saved.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn load(
        client: Client,
        namespace: &str,
        (outbox, digests): (Arc<Outbox>, Arc<Digests>),
    ) -> kube::Result<(Arc<Self>, Left)> {
        let maps = Maps::of(client, namespace);
        let now = conditions::now().0;
        let (mut seen, mut left) = (HashMap::new(), Left::default());
        let mut known = [None; SHARDS as usize];
        let mut parts = BTreeMap::<(Key, u8), Vec<Item>>::new();
        for map in maps.all().await? {
            let data = map.data.clone().unwrap_or_default();
            match map.labels().get(LABEL).map(String::as_str) {
                Some(TOLD) => {
                    let name = map.name_any();
                    if let Some(shard) = (0..SHARDS).find(|shard| name_of_shard(*shard) == name) {
                        // Earlier versions did not say it: whatever has no cursor is news.
                        let since = data.get(SINCE).and_then(|text| text.parse().ok());
                        known[usize::from(shard)] = Some(since.unwrap_or(Timestamp::UNIX_EPOCH));
                    }
                    seen.extend(
                        data.iter()
                            .filter_map(|(uid, text)| Some((uid.clone(), read(text)?))),
                    );
                }
                Some(WAITING) => parts.extend(read_waiting(&map.name_any(), &data)),
                Some(DIGEST) => left.digests.extend(read_digest(&data)),
                _ => {}
            }
        }
        left.waiting = lanes_of(parts);
        let memory = Self {
            maps,
            outbox,
            digests,
            inside: Mutex::new(Inside {
                seen,
                unsaved: HashSet::new(),
            }),
            changed: Notify::new(),
            saves: tokio::sync::Mutex::default(),
            since: known.map(|known| known.unwrap_or(now)),
        };
        // Before anything is told: from now on, what happens is news for every process to come.
        for shard in (0..SHARDS).filter(|shard| known[usize::from(*shard)].is_none()) {
            if let Err(error) = memory.save_shard(shard, &BTreeMap::new()).await {
                error!(
                    error = chain(&error),
                    "cannot save what was told: a restart would tell nothing of what happened before it"
                );
            }
        }
        Ok((Arc::new(memory), left))
    }

    /// Since when it is known what was told of an object, if anything was.
    pub fn since(&self, uid: &str) -> Timestamp {
        self.since[usize::from(shard_of(uid))]
    }

    /// How far it has been told what became of an object.
    pub fn told(&self, uid: &str) -> Option<Cursor> {
        self.lock().seen.get(uid).map(|seen| seen.cursor.clone())
    }

    /// Notes how far it has been told.
    pub fn note(&self, uid: &str, kind: &'static str, cursor: Cursor) {
        let mut inside = self.lock();
        let seen = Seen { kind, cursor };
        if inside.seen.get(uid) != Some(&seen) {
            inside.seen.insert(uid.to_owned(), seen);
            inside.unsaved.insert(uid.to_owned());
            self.changed.notify_one();
        }
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        let mut inside = self.lock();
        if inside.seen.remove(uid).is_some() {
            inside.unsaved.insert(uid.to_owned());
            self.changed.notify_one();
        }
    }

    /// Forgets all objects of a kind but these.
    pub fn retain(&self, kind: &str, listed: &HashSet<String>) {
        let gone: Vec<String> = {
            let inside = self.lock();
            let of_kind = inside.seen.iter().filter(|(_, seen)| seen.kind == kind);
            of_kind
                .map(|(uid, _)| uid)
                .filter(|uid| !listed.contains(*uid))
                .cloned()
                .collect()
        };
        for uid in gone {
            self.forget(&uid);
        }
    }

    /// Saves what changes, for ever. What was begun ends also if nobody waits for it any more.
    pub async fn keep(self: &Arc<Self>) {
        let mut pause = PAUSES.0;
        loop {
            tokio::select! {
                () = self.changed.notified() => {}
                () = self.outbox.unsaved.notified() => {}
                () = self.digests.unsaved.notified() => {}
            }
            tokio::time::sleep(pause).await;
            let this = self.clone();
            let saved = tokio::spawn(async move { this.save().await }).await;
            pause = match saved {
                Ok(Saved { all: true, bytes }) => pause_after(bytes),
                Ok(Saved { all: false, .. }) | Err(_) => (pause * 2).clamp(PAUSES.0, PAUSES.1),
            };
        }
    }

    /// Saves what has changed, after whoever is at it. What cannot be saved stays changed.
    pub async fn save(&self) -> Saved {
        let _turn = self.saves.lock().await;
        let mut bytes = 0;
        // Looked at in the opposite order of what happens to a message, so that none is between two looks.
        let cursors = self.take_unsaved();
        let digests = self.digests.changed();
        let lanes = self.outbox.changed();
        let (mut complete, mut refused) = (true, false);
        for part in &lanes.parts {
            match self.save_part(part).await {
                Ok(written) => bytes += written,
                // What can never be saved must not keep everything else from being saved.
                Err(error) if is_refused(&error) => {
                    error!(provider = %part.provider, error = chain(&error), "the messages that wait are refused: a restart would lose them");
                    refused = true;
                }
                Err(error) => {
                    warn!(provider = %part.provider, error = chain(&error), "cannot save the messages that wait");
                    self.outbox.touch(part);
                    complete = false;
                }
            }
        }
        if complete && !refused {
            self.outbox.settled(lanes);
        }
        for (uid, digest) in digests {
            // Nothing may be ahead of the messages.
            if !complete {
                self.digests.touch(&uid);
                continue;
            }
            let what = "cannot save what is gathered for an alert";
            match self.save_digest(&uid, digest.as_ref()).await {
                Ok(written) => bytes += written,
                Err(error) if is_refused(&error) => {
                    error!(
                        alert = uid,
                        error = chain(&error),
                        "{what}: a restart would lose it"
                    );
                }
                Err(error) => {
                    warn!(alert = uid, error = chain(&error), "{what}");
                    self.digests.touch(&uid);
                    complete = false;
                }
            }
        }
        let mut all = complete;
        for (shard, changes) in cursors {
            if !complete {
                self.again(changes.into_keys());
                continue;
            }
            match self.save_shard(shard, &changes).await {
                Ok(written) => bytes += written,
                // The others have nothing to do with it.
                Err(error) => {
                    warn!(error = chain(&error), "cannot save what was told");
                    self.again(changes.into_keys());
                    all = false;
                }
            }
        }
        Saved { all, bytes }
    }

    /// About how large a shard is: a change of one cursor writes them all.
    fn shard_bytes(&self) -> usize {
        self.lock().seen.len() * CURSOR_BYTES / usize::from(SHARDS)
    }

    fn take_unsaved(&self) -> BTreeMap<u8, BTreeMap<String, Option<String>>> {
        let mut inside = self.lock();
        let unsaved = std::mem::take(&mut inside.unsaved);
        let mut shards: BTreeMap<u8, BTreeMap<String, Option<String>>> = BTreeMap::new();
        for uid in unsaved {
            let text = inside.seen.get(&uid).map(written);
            shards.entry(shard_of(&uid)).or_default().insert(uid, text);
        }
        shards
    }

    fn again(&self, uids: impl Iterator<Item = String>) {
        self.lock().unsaved.extend(uids);
        self.changed.notify_one();
    }

    /// Saves what has changed of a shard; about how many bytes that were. So do the two below.
    async fn save_shard(&self, shard: u8, changes: &BTreeMap<String, Option<String>>) -> kube::Result<usize> {
        // One that is not there, or not any more, gets all that it would have: not what moved since the messages were looked at.
        let whole = || {
            let mut whole: BTreeMap<String, String> = {
                let inside = self.lock();
                let own = inside.seen.iter().filter(|(uid, _)| shard_of(uid) == shard);
                let saved = own.filter(|(uid, _)| !inside.unsaved.contains(*uid));
                saved.map(|(uid, seen)| (uid.clone(), written(seen))).collect()
            };
            whole.extend(
                changes
                    .iter()
                    .filter_map(|(uid, text)| Some((uid.clone(), text.clone()?))),
            );
            let since = self.since[usize::from(shard)];
            whole.insert(SINCE.to_owned(), since.to_string());
            json!(whole)
        };
        let name = name_of_shard(shard);
        self.maps.write(&name, TOLD, json!(changes), whole).await?;
        Ok(self.shard_bytes())
    }

    async fn save_part(&self, part: &Part) -> kube::Result<usize> {
        let name = name_of_lane(&part.provider, part.number);
        let items = (!part.items.is_empty()).then(|| {
            let items: Vec<&Item> = part.items.iter().map(|item| &**item).collect();
            json!(items).to_string()
        });
        let of = json!({"namespace": part.provider.namespace, "name": part.provider.name});
        self.keep_text(&name, WAITING, of, ("items", items)).await
    }

    async fn save_digest(&self, uid: &str, digest: Option<&Digest>) -> kube::Result<usize> {
        let text = digest.map(|digest| json!(digest).to_string());
        self.keep_text(&name_of_digest(uid), DIGEST, json!({}), ("digest", text))
            .await
    }

    /// Saves a text beside what it is of, or removes what was saved if there is none any more.
    async fn keep_text(
        &self,
        name: &str,
        state: &str,
        mut data: Value,
        (key, text): (&str, Option<String>),
    ) -> kube::Result<usize> {
        let Some(text) = text else {
            return self.maps.remove(name).await.map(|()| 0);
        };
        let bytes = text.len();
        data[key] = text.into();
        self.maps.write(name, state, data.clone(), || data).await?;
        Ok(bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
