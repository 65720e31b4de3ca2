//! I/O: the object store behind the shelf. The leader writes to it; every replica can have its files from it.
//!
//! A file is at `<prefix>/<its path>`, and beside the files of an object is its [`Card`], which says what they must be. Whoever
//! reads a file checks it against the card, and the consumer checks it once more against the status.

mod login;

use super::{
    Retention,
    card::{Card, Kept},
    place::Place,
};
use crate::{
    cloud::{Cloud, CloudError},
    http::{self, Tls},
    objects::{self, Content, Found, ObjectsError, Store},
};
use artifact::{Digest, DigestWriter};
use std::{
    collections::HashMap,
    fs,
    io::{self, BufWriter, Write as _},
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use thiserror::Error;
use tokio::sync::Semaphore;

/// The name of a card beside the files of its object. No artifact's name begins with a dot.
const CARD: &str = ".card.json";
/// A card is never larger, in bytes.
const MAX_CARD: u64 = 1 << 20;
/// An artifact is never larger, in bytes.
const MAX_FILE: u64 = 4 << 30;
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
    /// Where fetched files are.
    folder: PathBuf,
    /// What is known to be in that folder: paths, and the digests of the files there.
    fetched: Mutex<HashMap<String, Digest>>,
    lanes: [tokio::sync::Mutex<()>; LANES],
    readers: Semaphore,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("place", &self.place).finish()
    }
}

impl Remote {
    /// The store at a place, spoken to as who we are ourselves. What an earlier process fetched into `folder` is removed.
    ///
    /// # Errors
    /// When there is no client, or no folder.
    pub fn new(place: Place, cloud: Cloud, folder: PathBuf) -> Result<Self, RemoteError> {
        let client = http::client(&Tls::default(), None, http::policy(true));
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(RemoteError::Disk(error)),
            _ => {}
        }
        fs::create_dir_all(&folder).map_err(RemoteError::Disk)?;
        Ok(Self {
            place,
            cloud,
            http: client.map_err(|e| RemoteError::Store(ObjectsError::Client(e)))?,
            folder,
            fetched: Mutex::default(),
            lanes: Default::default(),
            readers: Semaphore::new(READERS),
        })
    }

    /// Puts a file there and says so on its object's card; what is no longer kept is deleted.
    pub(super) async fn put(
        &self,
        path: &str,
        content: Content,
        kept: Kept,
        link: Option<&str>,
        retention: Retention,
    ) -> Result<(), RemoteError> {
        let (folder, name) = split(path);
        self.patiently(async {
            let store = self.store().await?;
            store.write(&self.key(path), &content).await?;
            let mut card = self.card(&store, folder).await?;
            let gone = card.add(name, kept, link, retention);
            self.write_card(&store, folder, &card).await?;
            // A file that cannot be deleted now is nobody's, and goes with its object.
            for name in gone {
                let _ = store.delete(&self.key(&format!("{folder}/{name}"))).await;
            }
            Ok(())
        })
        .await
    }

    /// Deletes what is no longer kept beside the current file.
    pub(super) async fn trim(&self, path: &str, retention: Retention) -> Result<(), RemoteError> {
        let (folder, name) = split(path);
        self.patiently(async {
            let store = self.store().await?;
            let mut card = self.card(&store, folder).await?;
            let gone = card.trim(name, jiff::Timestamp::now().as_second(), retention);
            if gone.is_empty() {
                return Ok(());
            }
            self.write_card(&store, folder, &card).await?;
            for name in gone {
                store.delete(&self.key(&format!("{folder}/{name}"))).await?;
            }
            Ok(())
        })
        .await
    }

    /// Deletes everything of an object: its card first, so that nobody is sent to what goes.
    pub(super) async fn remove(&self, folder: &str) -> Result<(), RemoteError> {
        self.patiently(async {
            let store = self.store().await?;
            let folder = folder.trim_end_matches('/');
            store.delete(&self.key(&format!("{folder}/{CARD}"))).await?;
            let (prefix, mut keys) = (self.key(&format!("{folder}/")), Vec::new());
            let first = store.page(&prefix, None).await?;
            let visit = |listed: objects::Listed| {
                keys.push(listed.key);
                Ok(())
            };
            objects::list(&store, &prefix, first, visit).await?;
            for key in keys {
                store.delete(&key).await?;
            }
            Ok(())
        })
        .await
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

    /// A file that must have this digest, on the local disk; nothing, if there is no such file.
    pub(super) async fn have_exactly(
        &self,
        path: &str,
        digest: &Digest,
    ) -> Result<Option<PathBuf>, RemoteError> {
        self.patiently(async {
            let store = self.store().await?;
            self.bring(&store, path, digest, MAX_FILE).await
        })
        .await
    }

    /// Removes files that were fetched so long ago; they are fetched again if somebody wants them. Blocks on the disk.
    pub fn prune(&self, age: Duration) {
        let mut fetched = self.fetched();
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
        if self.fetched().get(path) == Some(digest) && file.is_file() {
            return Ok(Some(file));
        }
        let Found::Object { body, .. } = store.read(&self.key(path)).await? else {
            return Ok(None);
        };
        let dir = file.parent().unwrap_or(&self.folder);
        fs::create_dir_all(dir).map_err(RemoteError::Disk)?;
        let mut temporary = tempfile::NamedTempFile::new_in(&self.folder).map_err(RemoteError::Disk)?;
        let mut writer = DigestWriter::new(digest.algorithm(), BufWriter::new(temporary.as_file_mut()));
        body.save(&mut writer, within("the artifact in the object store", limit))
            .await?;
        let (mut buffer, _, found) = writer.finish();
        buffer.flush().map_err(RemoteError::Disk)?;
        drop(buffer);
        if found != *digest {
            return Err(RemoteError::Damaged(path.to_owned()).into());
        }
        temporary.persist(&file).map_err(|e| RemoteError::Disk(e.error))?;
        self.fetched().insert(path.to_owned(), found);
        Ok(Some(file))
    }

    async fn card(&self, store: &Store, folder: &str) -> Result<Card, Trouble> {
        let key = self.key(&format!("{folder}/{CARD}"));
        let Found::Object { body, .. } = store.read(&key).await? else {
            return Ok(Card::default());
        };
        let mut text = Vec::new();
        body.save(&mut text, within("a card", MAX_CARD)).await?;
        serde_json::from_slice(&text).map_err(|_| RemoteError::Damaged(key).into())
    }

    async fn write_card(&self, store: &Store, folder: &str, card: &Card) -> Result<(), Trouble> {
        let key = self.key(&format!("{folder}/{CARD}"));
        let text = serde_json::to_vec(card).map_err(|_| RemoteError::Damaged(key.clone()))?;
        Ok(store.write(&key, &Content::bytes(text)).await?)
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.place.prefix)
    }

    /// Where a fetched file is. A path is one that was asked for over HTTP: what leads elsewhere is left out of it.
    fn file(&self, path: &str) -> PathBuf {
        self.folder.join(super::inside(path))
    }

    fn fetched(&self) -> std::sync::MutexGuard<'_, HashMap<String, Digest>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
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

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
