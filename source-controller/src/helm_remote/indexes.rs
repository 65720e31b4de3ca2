//! The indexes of repositories: had once for all who want one at a time, kept on disk in their stored form, asked for again
//! only by what the server knows them by.

mod kept;
mod look;

use super::{
    Remote, RemoteError,
    remote::{Answer, Validators},
    remotes::Id,
    tables::{Memory, TableError, Tables, touch},
};
use crate::{lock::lock, storage::StorageError};
use artifact::{Algorithm, Digest, DigestWriter};
use crds::meta::Artifact;
use helm::index::{IndexError, Listed};
use look::Look;
use runtime::{Key, metrics::Metrics};
use std::{
    collections::HashMap,
    fs,
    io::{self, BufWriter},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use thiserror::Error;
use tokio::sync::Semaphore;

/// So many repositories are remembered between looks.
const MOST: usize = 4096;

/// What indexes may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest index, in bytes.
    pub bytes: u64,
    /// What is kept in memory of those that are stored.
    pub memory: Memory,
}

impl Limits {
    /// The bounds that the flags `--helm-index-max-size`, `--helm-cache-max-size` and `--helm-cache-ttl` say.
    pub fn new(bytes: u64, most: usize, life: Duration) -> Self {
        Self {
            bytes,
            memory: Memory { most, life },
        }
    }
}

/// An index as it was at the last look.
#[derive(Debug)]
pub struct Fetched {
    /// The digest of its text as the server gave it.
    pub revision: Digest,
    /// The digest of its stored form.
    digest: Digest,
    /// The stored form.
    path: PathBuf,
}

/// Why an index cannot be had. Many may be told the same.
#[derive(Debug, Clone, Error)]
pub enum Failed {
    /// The repository could not be asked.
    #[error("failed to cache index to temporary file")]
    Remote(#[source] Arc<RemoteError>),
    /// What it gave is no index.
    #[error("failed to load index")]
    Index(#[source] Arc<IndexError>),
    /// Somebody else is at it for longer than this one waits.
    #[error("no answer within the timeout of {} to another who asked", crds::meta::format_go(*.0))]
    Busy(Duration),
    /// The disk failed, or the work broke off.
    #[error("cannot keep the index: {0}")]
    Disk(String),
}

/// The indexes under one folder.
#[derive(Debug)]
pub struct Indexes {
    root: PathBuf,
    limits: Limits,
    algorithm: Algorithm,
    tables: Tables,
    slots: Mutex<HashMap<Id, Arc<Slot>>>,
    /// One at a time is read: a large one costs memory.
    reading: Arc<Semaphore>,
}

/// What is known of one URL with one access.
#[derive(Debug)]
struct Slot {
    state: tokio::sync::Mutex<State>,
    used: Mutex<Instant>,
}

/// An index, and by what its server knows it.
type Known = (Arc<Fetched>, Validators);

#[derive(Debug, Default)]
struct State {
    known: Option<Known>,
    last: Option<Look>,
}

impl Indexes {
    /// Indexes under `root`, which is made if need be. What an earlier process left there is used again, if it is complete.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn new(root: PathBuf, limits: Limits, algorithm: Algorithm) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        super::stored::sweep(&root)?;
        Ok(Self {
            tables: Tables::new(root.clone(), limits.memory),
            root,
            limits,
            algorithm,
            slots: Mutex::default(),
            reading: Arc::new(Semaphore::new(1)),
        })
    }

    /// The index of a repository as it is now, or was a few seconds ago; `now` is for those who want no look but their own.
    ///
    /// Whoever comes while others wait for an answer gets theirs, unless `now`. `timeout` is for the server's answer: what is
    /// done with it takes its own time.
    ///
    /// # Errors
    /// See [`Failed`].
    pub async fn fetch(
        &self,
        (id, remote): &(Id, Arc<Remote>),
        timeout: Duration,
        now: bool,
    ) -> Result<Arc<Fetched>, Failed> {
        let arrived = Instant::now();
        let slot = self.slot(id);
        // Another one's patience is not ours.
        let waited = tokio::time::timeout(timeout, slot.state.lock()).await;
        let mut state = waited.map_err(|_| Failed::Busy(timeout))?;
        if let Some(last) = state.last.as_ref().filter(|last| last.answers(arrived, now)) {
            match (&last.failed, &state.known) {
                (Some(failed), _) => return Err(failed.clone()),
                (None, Some((fetched, _))) => return Ok(fetched.clone()),
                (None, None) => {}
            }
        }
        let began = Instant::now();
        if state.known.is_none() {
            state.known = self.remembered(id).await;
        }
        let looked = self.look(id, remote, timeout, state.known.take()).await;
        let (known, failed) = match looked {
            Ok(known) => (Some(known), None),
            Err((known, failed)) => (known, Some(failed)),
        };
        state.known = known;
        state.last = Some(Look {
            began,
            ended: Instant::now(),
            failed: failed.clone(),
        });
        match (failed, &state.known) {
            (None, Some((fetched, _))) => Ok(fetched.clone()),
            (Some(failed), _) => Err(failed),
            (None, None) => Err(Failed::Disk("nothing was kept".to_owned())),
        }
    }

    /// The version of a chart that is meant, in an index on the shelf, which `open` opens. Blocks on the disk.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn choose(
        &self,
        stored: &Artifact,
        open: impl Fn() -> Result<fs::File, StorageError>,
        chart: &str,
        wanted: &str,
    ) -> Result<Listed, TableError> {
        let open = || Ok(open()?);
        let owner = owner(&stored.path);
        self.tables
            .choose(&stored.digest, owner.as_ref(), &open, chart, wanted)
    }

    /// The version of a chart that is meant, in an index that was just fetched. Blocks on the disk.
    ///
    /// # Errors
    /// See [`TableError`].
    pub fn choose_in(&self, fetched: &Fetched, chart: &str, wanted: &str) -> Result<Listed, TableError> {
        let open = || Ok(fs::File::open(&fetched.path)?);
        self.tables
            .choose(&fetched.digest.to_string(), None, &open, chart, wanted)
    }

    /// Shows among the process's metrics how often a table was in memory.
    pub fn register(&self, metrics: &Metrics) {
        self.tables.counts.register(metrics);
    }

    /// Forgets what was counted of a HelmRepository that is gone.
    pub fn forget(&self, repository: &Key) {
        self.tables.counts.forget(repository);
    }

    /// Forgets what the flags say is not kept in memory any longer.
    pub fn purge(&self) {
        self.tables.purge();
    }

    /// Removes what nobody has used for so long. Blocks on the disk.
    pub fn prune(&self, unused_for: Duration) {
        lock(&self.slots)
            .retain(|_, slot| lock(&slot.used).elapsed() < unused_for || Arc::strong_count(slot) > 1);
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            let age = entry.metadata().and_then(|data| data.modified()).ok();
            let age = age.and_then(|modified| modified.elapsed().ok());
            if age.is_some_and(|age| age >= unused_for) {
                // Whoever reads it still, keeps it until then.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Asks the server. What was known stays known if it cannot be asked.
    async fn look(
        &self,
        id: &Id,
        remote: &Remote,
        timeout: Duration,
        known: Option<Known>,
    ) -> Result<Known, (Option<Known>, Failed)> {
        // The server is not asked whether it has what is not here any more.
        let known = known.filter(|(fetched, _)| fetched.path.exists());
        let disk = |error: io::Error| Failed::Disk(error.to_string());
        let file = match tempfile::tempfile_in(&self.root) {
            Ok(file) => file,
            Err(error) => return Err((known, disk(error))),
        };
        let mut writer = DigestWriter::new(self.algorithm, BufWriter::new(file));
        let validators = known.as_ref().map(|(_, validators)| validators);
        let limit = self.limits.bytes;
        let answer = match remote.index(validators, limit, timeout, &mut writer).await {
            Ok(answer) => answer,
            Err(error) => return Err((known, Failed::Remote(Arc::new(error)))),
        };
        let (buffer, _, revision) = writer.finish();
        let (validators, old) = match (answer, known) {
            (Answer::Same, Some(known)) => {
                touch(&known.0.path);
                touch(&self.note_path(id));
                return Ok(known);
            }
            (Answer::Same, None) => {
                return Err((None, Failed::Disk("the server has what we have not".to_owned())));
            }
            (Answer::Written(validators), Some((fetched, _))) if fetched.revision == revision => {
                touch(&fetched.path);
                self.note(id, &fetched, &validators);
                return Ok((fetched, validators));
            }
            (Answer::Written(validators), known) => (validators, known.map(|(fetched, _)| fetched)),
        };
        let file = match buffer.into_inner() {
            Ok(file) => file,
            Err(error) => return Err((None, disk(error.into_error()))),
        };
        let fetched = self
            .keep(id, file, revision)
            .await
            .map_err(|failed| (None, failed))?;
        self.note(id, &fetched, &validators);
        if let Some(old) = old.filter(|old| old.path != fetched.path) {
            // Whoever is about to read it looks again.
            let _ = fs::remove_file(&old.path);
        }
        Ok((fetched, validators))
    }

    fn slot(&self, id: &Id) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        if slots.len() >= MOST {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        let slot = slots.entry(*id).or_insert_with(|| {
            Arc::new(Slot {
                state: tokio::sync::Mutex::default(),
                used: Mutex::new(Instant::now()),
            })
        });
        *lock(&slot.used) = Instant::now();
        slot.clone()
    }
}

impl Fetched {
    /// Writes the stored form. Blocks on the disk.
    ///
    /// # Errors
    /// When it is not there any more, or not what it was.
    pub fn copy(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut writer = DigestWriter::new(self.digest.algorithm(), out);
        io::copy(&mut fs::File::open(&self.path)?, &mut writer)?;
        let (_, _, found) = writer.finish();
        if found == self.digest {
            return Ok(());
        }
        // The next look asks for the content again.
        let _ = fs::remove_file(&self.path);
        Err(io::Error::other("the index that is kept is damaged"))
    }
}

/// Whose artifact is at a path.
fn owner(path: &str) -> Option<Key> {
    let mut parts = path.split('/').skip(1);
    Some(Key::new(parts.next()?, parts.next()?))
}
