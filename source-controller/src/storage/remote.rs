//! I/O: the object store behind the shelf. The leader writes to it; every replica can have its files from it.
//!
//! A file is at `<prefix>/<its path>.<its digest>`, and beside the files of an object is its [`Card`], which says what they must
//! be. Whoever reads a file checks it against the card, and the consumer checks it once more against the status.

mod folder;
mod known;
mod login;
mod write;

use super::{
    card::{Card, stored},
    place::Place,
};
use crate::{
    lock::lock,
    objects::{Found, ObjectsError, Store},
};
use artifact::{Digest, DigestWriter};
use cloud::{Cloud, CloudError};
use folder::Folder;
use known::Known;
use peer::http::{self, Tls};
use std::{
    collections::HashMap,
    fs,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tempfile::NamedTempFile;
use thiserror::Error;
use tokio::sync::Semaphore;

/// The name of a card beside the files of its object. No artifact's name begins with a dot.
const CARD: &str = ".card.json";
/// A card is never larger, in bytes.
const MAX_CARD: u64 = 1 << 20;
/// An artifact in the store is never larger, in bytes: S3 takes no more in one piece.
const MAX_FILE: u64 = 5 << 30;
/// So many files are fetched at once, each of them once.
const LANES: usize = 16;
/// So many ask for files at once; the others wait. Anybody may ask.
const READERS: usize = 64;
/// How long one operation on the store may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Why the object store is of no use now.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// There is no login to it.
    #[error("no login to the object store")]
    Login(#[source] CloudError),
    /// It failed, or refused.
    #[error("the object store failed")]
    Store(#[source] ObjectsError),
    /// What it has is not what it should be.
    #[error("what the object store has as '{0}' is not what was put there")]
    Damaged(String),
    /// It takes no such thing in one piece.
    #[error("'{0}' is larger than {max} GiB, which an object store does not take in one piece", max = MAX_FILE >> 30)]
    TooLarge(String),
    /// The local disk failed.
    #[error("cannot keep what the object store gave")]
    Disk(#[source] io::Error),
    /// It did not answer in time.
    #[error("the object store did not answer within {}", crds::meta::format_go(PATIENCE))]
    Late,
}

/// The object store, and the files that were fetched from it.
pub struct Remote {
    place: Place,
    cloud: Cloud,
    http: reqwest::Client,
    /// The way in, and which login it has.
    way: Mutex<Option<(String, Arc<Store>)>>,
    /// Where fetched files are.
    folder: Folder,
    /// What is known to be in that folder: paths, and the digests of the files there.
    fetched: Mutex<HashMap<String, Digest>>,
    known: Known,
    lanes: [tokio::sync::Mutex<()>; LANES],
    readers: Semaphore,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("place", &self.place).finish()
    }
}

impl Remote {
    /// The store at a place, spoken to as who we are ourselves. What is fetched is put into a folder of our own in `among`.
    ///
    /// # Errors
    /// When there is no client, or no folder.
    pub fn new(place: Place, cloud: Cloud, among: &Path) -> Result<Self, RemoteError> {
        let client = http::client(&Tls::default(), None, http::policy(true));
        Ok(Self {
            place,
            cloud,
            http: client.map_err(|e| RemoteError::Store(ObjectsError::Client(e)))?,
            way: Mutex::default(),
            folder: Folder::new(among).map_err(RemoteError::Disk)?,
            fetched: Mutex::default(),
            known: Known::default(),
            lanes: Default::default(),
            readers: Semaphore::new(READERS),
        })
    }

    /// Removes what processes fetched that are no more. Blocks on the disk.
    pub fn sweep(&self) {
        if let Err(error) = self.folder.sweep() {
            tracing::warn!(%error, "cannot clear away what earlier processes fetched from the object store");
        }
    }

    /// A file as its object's card has it, on the local disk; nothing, if the card has no such file.
    pub async fn have(&self, path: &str) -> Result<Option<PathBuf>, RemoteError> {
        self.patiently(async {
            // Closed it never is; then nobody would wait.
            let _turn = self.readers.acquire().await;
            let (folder, name) = split(path);
            let store = self.store().await?;
            let card = self.card(&store, folder).await?;
            let Some((name, kept)) = card.find(name) else {
                return Ok(None);
            };
            let path = format!("{folder}/{name}");
            let damaged = || Trouble::Told(RemoteError::Damaged(path.clone()));
            let digest: Digest = kept.digest.parse().map_err(|_| damaged())?;
            self.bring(&store, &path, &digest, kept.size.min(MAX_FILE)).await
        })
        .await
    }

    /// A file that must have this digest, on the local disk, and the names that lead to it; nothing, if there is no such file.
    pub(super) async fn have_exactly(
        &self,
        path: &str,
        digest: &Digest,
        size: u64,
    ) -> Result<Option<(PathBuf, Vec<String>)>, RemoteError> {
        self.patiently(async {
            let (folder, name) = split(path);
            let store = self.store().await?;
            let Some(file) = self.bring(&store, path, digest, size.min(MAX_FILE)).await? else {
                return Ok(None);
            };
            let card = self.card(&store, folder).await?;
            Ok(Some((file, card.links_to(name))))
        })
        .await
    }

    /// A file that was fetched is not to be used any more: the store is asked anew.
    pub(super) fn distrust(&self, path: &str) {
        lock(&self.fetched).remove(path);
    }

    /// Removes files that were fetched so long ago; they are fetched again if somebody wants them. Blocks on the disk.
    pub fn prune(&self, age: Duration) {
        let mut fetched = lock(&self.fetched);
        fetched.retain(|path, _| {
            let file = self.file(path);
            let modified = fs::metadata(&file).and_then(|data| data.modified()).ok();
            let old = modified.is_none_or(|at| at.elapsed().is_ok_and(|its| its >= age));
            if old {
                let _ = fs::remove_file(&file);
                // The object's folder goes with its last file.
                let _ = file.parent().map(fs::remove_dir);
            }
            !old
        });
    }

    async fn bring(
        &self,
        store: &Store,
        path: &str,
        digest: &Digest,
        limit: u64,
    ) -> Result<Option<PathBuf>, Trouble> {
        // Whoever wants the same waits for it, and finds it there.
        let lane = path
            .bytes()
            .fold(0_usize, |lane, byte| lane * 31 % 65_521 + usize::from(byte));
        let _turn = self.lanes[lane % LANES].lock().await;
        let file = self.file(path);
        if lock(&self.fetched).get(path) == Some(digest) && file.is_file() {
            return Ok(Some(file));
        }
        let (folder, name) = split(path);
        let key = self.key(&format!("{folder}/{}", stored(name, digest.hex())));
        let Found::Object { body, .. } = store.read(&key).await? else {
            return Ok(None);
        };
        let mut temporary = NamedTempFile::new_in(&self.folder.path).map_err(RemoteError::Disk)?;
        let mut writer = DigestWriter::new(digest.algorithm(), BufWriter::new(temporary.as_file_mut()));
        body.save(&mut writer, within("the artifact in the object store", limit))
            .await?;
        let (mut buffer, _, found) = writer.finish();
        buffer.flush().map_err(RemoteError::Disk)?;
        drop(buffer);
        if found != *digest {
            return Err(RemoteError::Damaged(path.to_owned()).into());
        }
        // Whoever removes what is old waits.
        let mut fetched = lock(&self.fetched);
        place(temporary, &file).map_err(RemoteError::Disk)?;
        fetched.insert(path.to_owned(), found);
        Ok(Some(file))
    }

    async fn card(&self, store: &Store, folder: &str) -> Result<Card, Trouble> {
        let key = self.key(&format!("{folder}/{CARD}"));
        let Found::Object { body, .. } = store.read(&key).await? else {
            return Ok(Card::default());
        };
        let mut text = Vec::new();
        let read = match body.save(&mut text, within("a card", MAX_CARD)).await {
            Err(ObjectsError::TooLarge { .. }) => None,
            read => read.map(|()| serde_json::from_slice(&text).ok())?,
        };
        // It would stand in its object's way for ever: the next that is written takes its place.
        Ok(read.unwrap_or_else(|| {
            tracing::warn!(
                key,
                "a card in the object store cannot be read: it counts as absent"
            );
            Card::default()
        }))
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.place.prefix)
    }

    /// Where a fetched file is. A path is one that was asked for over HTTP: what leads elsewhere is left out of it.
    fn file(&self, path: &str) -> PathBuf {
        self.folder.path.join(super::inside(path))
    }

    async fn patiently<T>(&self, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, RemoteError> {
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(done) => done.map_err(|Trouble::Told(error)| error),
            Err(_) => Err(RemoteError::Late),
        }
    }
}

/// What goes wrong within an operation; so that errors of objects are told as those of the store without a word at each.
enum Trouble {
    Told(RemoteError),
}

impl From<ObjectsError> for Trouble {
    fn from(error: ObjectsError) -> Self {
        Self::Told(RemoteError::Store(error))
    }
}

impl From<RemoteError> for Trouble {
    fn from(error: RemoteError) -> Self {
        Self::Told(error)
    }
}

/// Lets so many bytes in.
fn within(what: &'static str, limit: u64) -> impl Fn(u64) -> Result<(), ObjectsError> {
    let received = AtomicU64::new(0);
    move |more| {
        if received.fetch_add(more, Ordering::Relaxed) + more > limit {
            let what = what.to_owned();
            return Err(ObjectsError::TooLarge { what, limit });
        }
        Ok(())
    }
}

/// Puts a file in its place. Its folder is made only now: it may have gone with its last file.
fn place(file: NamedTempFile, path: &Path) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_finds_its_place_though_the_folder_went() {
        let root = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let file = root.path().join("HelmChart/a/b.tgz");
            place(NamedTempFile::new_in(root.path()).unwrap(), &file).unwrap();
            assert!(file.is_file());
            fs::remove_dir_all(file.parent().unwrap()).unwrap();
        }
    }
}
