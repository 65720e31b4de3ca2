//! One bare repository on disk: opened, filled, and given up when it is broken or has grown.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};

use gix::remote::fetch::{Shallow, Tags};
use gix::{ObjectId, Repository, open};
use sha2::{Digest, Sha256};

use super::error::{GitError, MirrorError, RemoteError};
use super::gate::Gate;
use super::greeting::Meeting;
use super::remote::{Advertised, Call, RemoteFailure, cause, transport};
use crate::lock::lock;

/// Fetched references are kept under names of our own: a remote's names may contradict each other over time.
const HELD: &str = "refs/held";

/// The place of a mirror. Its repository is replaced now and then; readers keep the one that they began with.
pub(super) struct Mirror {
    dir: PathBuf,
    /// Only one fetch at a time.
    pub(super) gate: Gate,
    current: Mutex<Current>,
    next: AtomicU64,
    max_packs: usize,
    /// How much memory to put an object together may take, in bytes.
    most: u64,
}

#[derive(Default)]
struct Current {
    generation: Option<Arc<Generation>>,
    /// Whether the directory has been searched for what an earlier process left.
    searched: bool,
}

/// A repository on disk, removed with its last reader once it is retired.
pub(super) struct Generation {
    dir: PathBuf,
    retired: AtomicBool,
}

/// What to fetch.
#[derive(Clone, Copy)]
pub(super) enum Want<'a> {
    /// These references, their commits alone.
    Tips(&'a [Advertised]),
    /// This commit alone.
    Commit(ObjectId),
    /// These references with all their history.
    Histories(&'a [Advertised]),
}

impl Mirror {
    pub(super) fn new(dir: PathBuf, max_packs: usize, most: u64) -> Mirror {
        Mirror {
            dir,
            gate: Gate::default(),
            current: Mutex::default(),
            next: AtomicU64::new(0),
            max_packs,
            most,
        }
    }

    /// Where it is, for logs.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The repository, found from an earlier process or made.
    pub(super) fn open(&self) -> Result<(Arc<Generation>, Repository), MirrorError> {
        let mut current = lock(&self.current);
        if let Some(generation) = &current.generation {
            let repository = generation.repository(self.most)?;
            if generation.packs() <= self.max_packs {
                return Ok((Arc::clone(generation), repository));
            }
            generation.retire();
        }
        // What a killed process left half-done goes away; the rest is as good as new. Later, what is there is someone's.
        let found = if current.searched { None } else { self.leftover() };
        current.searched = true;
        let dir = found.unwrap_or_else(|| self.fresh());
        let generation = Arc::new(Generation {
            dir,
            retired: AtomicBool::new(false),
        });
        let repository = match generation.repository(self.most) {
            Ok(repository) => repository,
            Err(_) => generation.create(self.most)?,
        };
        current.generation = Some(Arc::clone(&generation));
        Ok((generation, repository))
    }

    /// Gives up the repository; the next fetch begins a new one.
    pub(super) fn retire(&self) {
        if let Some(generation) = lock(&self.current).generation.take() {
            generation.retire();
        }
    }

    /// A directory that no generation has had.
    fn fresh(&self) -> PathBuf {
        loop {
            let dir = self
                .dir
                .join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
            if !dir.exists() {
                return dir;
            }
        }
    }

    /// The newest repository of an earlier process, swept; older ones are removed.
    fn leftover(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(&self.dir).ok()?.flatten();
        let mut numbers: Vec<u64> = entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        let newest = numbers.pop()?;
        for old in numbers {
            remove(&self.dir.join(old.to_string()));
        }
        let dir = self.dir.join(newest.to_string());
        sweep(&dir, 0);
        Some(dir)
    }
}

impl Generation {
    fn create(&self, most: u64) -> Result<Repository, MirrorError> {
        remove(&self.dir);
        let directory = |source| MirrorError::Directory {
            path: self.dir.display().to_string(),
            source,
        };
        fs::create_dir_all(&self.dir).map_err(directory)?;
        gix::init_bare(&self.dir).map_err(MirrorError::Open)?;
        self.repository(most)
    }

    /// Opens the repository anew: without any configuration but its own and ours, and unknown to the environment. To read an object
    /// takes so many bytes at the most; nothing that was read is kept.
    pub(super) fn repository(&self, most: u64) -> Result<Repository, MirrorError> {
        let options = open::Options::isolated()
            .with(gix::sec::Trust::Full)
            .strict_config(true)
            .config_overrides([
                format!("gitoxide.objects.allocLimit={most}"),
                "core.deltaBaseCacheLimit=0".to_owned(),
                // A pack is put together by one: it is known how much memory that needs.
                "pack.threads=1".to_owned(),
            ]);
        gix::open_opts(&self.dir, options).map_err(MirrorError::Open)
    }

    /// Marks the repository as not to be used again.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    fn packs(&self) -> usize {
        let entries = fs::read_dir(self.dir.join("objects/pack"))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter(|entry| {
                entry
                    .path()
                    .extension()
                    .is_some_and(|extension| extension == "pack")
            })
            .count()
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if self.is_retired() {
            remove(&self.dir);
        }
    }
}

/// Whether a fetch has brought exactly this object under a reference: references are written after the whole pack.
pub(super) fn holds(repository: &Repository, name: &str, id: ObjectId) -> bool {
    let held = repository
        .try_find_reference(held_name(name).as_str())
        .ok()
        .flatten();
    held.and_then(|held| held.try_id().map(gix::Id::detach)) == Some(id) && repository.has_object(id)
}

/// Fetches and gives what the references point to now, in the order that was asked for.
pub(super) fn fetch(
    call: Call<'_>,
    repository: &Repository,
    want: Want<'_>,
) -> Result<Vec<ObjectId>, RemoteFailure> {
    call.greetings
        .meet(call, |meeting| fetch_once(call, repository, want, meeting))
}

fn fetch_once(
    call: Call<'_>,
    repository: &Repository,
    want: Want<'_>,
    meeting: Meeting,
) -> Result<Vec<ObjectId>, RemoteFailure> {
    let (names, shallow) = match want {
        Want::Tips(tips) => (tips.iter().map(|tip| tip.name.clone()).collect(), depth_one()),
        Want::Commit(id) => (vec![id.to_string()], depth_one()),
        Want::Histories(tips) => (
            tips.iter().map(|tip| tip.name.clone()).collect(),
            Shallow::NoChange,
        ),
    };
    let (transport, failure) = transport(call, meeting)?;
    let interrupt = AtomicBool::new(false);
    let done = std::thread::scope(|scope| {
        // Decoding a pack waits for nobody, so it has to be told when the time is up.
        let (finished, watch) = channel::<()>();
        scope.spawn(|| {
            let watch = watch;
            if watch.recv_timeout(call.deadline.remaining()) == Err(RecvTimeoutError::Timeout) {
                interrupt.store(true, Ordering::Relaxed);
            }
        });
        let done = receive(call, repository, transport, &names, shallow, &interrupt);
        drop(finished);
        done
    });
    done.map_err(|error| {
        let timed_out = interrupt.load(Ordering::Relaxed);
        RemoteFailure::Remote(match cause(&failure, error) {
            RemoteError::Protocol(_) if timed_out => RemoteError::Timeout(call.deadline.span()),
            other => other,
        })
    })
}

fn receive(
    call: Call<'_>,
    repository: &Repository,
    transport: super::remote::BoxedTransport,
    names: &[String],
    shallow: Shallow,
    interrupt: &AtomicBool,
) -> gix::Result<Vec<ObjectId>> {
    let specs: Vec<String> = names
        .iter()
        .map(|name| format!("+{name}:{}", held_name(name)))
        .collect();
    // The URL is only looked at for rewriting rules, of which an isolated repository has none.
    let remote = repository
        .remote_at(super::http::bare(call.url.as_str()).as_str())?
        .with_fetch_tags(Tags::None)
        .with_refspecs(specs.iter().map(String::as_str), gix::remote::Direction::Fetch)?;
    let refuse = |_| {
        Err(gix::Error::from_error(gix::error::unauthenticated(
            "authentication required",
        )))
    };
    let connection = remote
        .to_connection_with_transport(transport)
        .with_credentials(refuse);
    let prepared =
        connection.prepare_fetch(gix::progress::Discard, gix::remote::ref_map::Options::default())?;
    let mapped: Vec<(String, ObjectId)> = prepared
        .ref_map()
        .mappings
        .iter()
        .filter_map(|mapping| {
            Some((
                mapping.local.as_ref()?.to_string(),
                mapping.remote.as_id()?.to_owned(),
            ))
        })
        .collect();
    prepared
        .with_shallow(shallow)
        .receive(gix::progress::Discard, interrupt)?;
    let found = names.iter().map(|name| {
        let local = held_name(name);
        let id = mapped
            .iter()
            .find(|(mapped, _)| *mapped == local)
            .map(|(_, id)| *id);
        let id = id.ok_or_else(|| gix::Error::from_error(gix::error::not_found("reference is gone")))?;
        repository.find_header(id)?;
        Ok(id)
    });
    found.collect()
}

fn depth_one() -> Shallow {
    Shallow::DepthAtRemote(1.try_into().expect("one is not zero"))
}

fn held_name(name: &str) -> String {
    format!("{HELD}/{}", &hex::encode(Sha256::digest(name))[..40])
}

/// Removes locks and half-written packs that a killed process left. Directories of a repository are a few levels deep.
fn sweep(dir: &Path, depth: usize) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let leftover = name.ends_with(".lock") || name.starts_with("tmp") || name.starts_with(".tmp");
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if depth < 8 {
                sweep(&path, depth + 1);
            }
        } else if leftover && let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot remove what a killed process left");
        }
    }
}

fn remove(dir: &Path) {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %dir.display(), %error, "cannot remove a mirror");
        }
        _ => {}
    }
}

impl From<MirrorError> for RemoteFailure {
    fn from(error: MirrorError) -> Self {
        RemoteFailure::Local(GitError::Mirror(error))
    }
}
