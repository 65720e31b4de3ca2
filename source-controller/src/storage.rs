//! The shelf: artifacts on disk, written atomically, checked, aged out, and served.

mod behind;
mod card;
mod gc;
mod place;
mod publish;
mod remote;
mod serve;
mod write;

pub use place::Place;
pub use publish::{Offer, Published};
pub use remote::RemoteError;
pub use serve::{OnMissing, serve};

use crate::lock::lock;
use artifact::{Algorithm, Digest, Hasher};
use cloud::Cloud;
use crds::{meta::Artifact, source::reason};
use remote::Remote;
use runtime::{Key, events::Event};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use thiserror::Error;

/// The folder of Git mirrors beside the artifacts; never served.
pub const MIRRORS: &str = ".mirrors";

/// The folder of Helm indexes beside the artifacts; never served.
pub const INDEXES: &str = ".indexes";

/// The folder of what is being put together beside the artifacts; never served, and empty when a process begins to lead.
const WORK: &str = ".work";

/// The folder of what processes fetched from the object store beside the artifacts; served under their names.
const FETCHED: &str = ".fetched";

/// What of an object's artifacts is kept (Flux flags `--artifact-retention-*`).
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// How long an artifact stays after a newer one came.
    pub ttl: Duration,
    /// How many stay.
    pub records: usize,
}

/// The artifacts of all objects under one folder. Cheap to clone; all methods block on the disk.
#[derive(Debug, Clone)]
pub struct Storage(Arc<Shelf>);

#[derive(Debug)]
struct Shelf {
    root: PathBuf,
    advertised: String,
    algorithm: Algorithm,
    retention: Retention,
    /// The object store that has all artifacts too.
    remote: Option<Remote>,
    /// Whether this process makes the artifacts. Another one serves what the object store has.
    leads: AtomicBool,
    /// What there is to tell of artifacts, by their paths.
    notes: Mutex<BTreeMap<String, Vec<Event>>>,
}

/// Where an artifact is served. The address of the server may be another than when the artifact was stored.
#[derive(Debug)]
pub struct Urls {
    /// The artifact itself.
    pub artifact: String,
    /// The link that always leads to the newest.
    pub latest: String,
}

/// What a look at a stored artifact found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// The file is there and is what the status says.
    Good,
    /// There is no file.
    Missing,
    /// The file was not what the status says, and is removed.
    Damaged,
}

/// Why the shelf cannot be used.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The root is not a folder.
    #[error("the storage path '{0}' is not a folder; it must be there before the controller starts")]
    Root(PathBuf),
    /// A folder cannot be made.
    #[error("failed to create the folder '{path}'")]
    Directory {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("failed to write '{path}'")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("failed to read '{path}'")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was to be archived could not be.
    #[error("failed to archive")]
    Pack(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no way to the object store.
    #[error("failed to open the object store")]
    Open(#[source] RemoteError),
    /// The object store failed.
    #[error("failed to keep the artifact in the object store")]
    Remote(#[source] RemoteError),
}

impl StorageError {
    /// Whether a file is not there, here or in the object store.
    pub fn is_not_there(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// The reason to tell it under, as Flux has them.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Directory { .. } => reason::DIRECTORY_CREATION_FAILED,
            Self::Read { .. } => reason::STAT_OPERATION_FAILED,
            Self::Root(_) | Self::Write { .. } | Self::Pack(_) | Self::Open(_) | Self::Remote(_) => {
                reason::ARCHIVE_OPERATION_FAILED
            }
        }
    }
}

impl Storage {
    /// Opens the shelf in an existing folder. `advertised` is the prefix of URLs (`http://host`), `behind` the object store and
    /// who asks it. Until the process leads, nothing is touched that another one may be using: the folder may be shared.
    ///
    /// # Errors
    /// When the folder is not there, as Flux has it: an unmounted volume must not be papered over.
    pub fn open(
        root: &Path,
        advertised: String,
        algorithm: Algorithm,
        retention: Retention,
        behind: Option<(Place, Cloud)>,
    ) -> Result<Self, StorageError> {
        let root = root
            .canonicalize()
            .ok()
            .filter(|r| r.is_dir())
            .ok_or_else(|| StorageError::Root(root.to_owned()))?;
        let remote = behind.map(|(place, cloud)| Remote::new(place, cloud, &root.join(FETCHED)));
        Ok(Self(Arc::new(Shelf {
            remote: remote.transpose().map_err(StorageError::Open)?,
            root,
            advertised,
            algorithm,
            retention,
            leads: AtomicBool::new(false),
            notes: Mutex::default(),
        })))
    }

    /// From now on this process makes the artifacts. What was under way when the last one ended is of no use to it.
    pub fn lead(&self) {
        let _ = fs::remove_dir_all(self.0.root.join(WORK));
        if let Some(remote) = &self.0.remote {
            remote.sweep();
        }
        self.0.leads.store(true, Ordering::Relaxed);
    }

    /// The path of an artifact below the root: `<kind>/<namespace>/<name>/<file>`, as Flux has it.
    pub fn path(kind: &str, key: &Key, file: &str) -> String {
        format!("{}/{}/{}/{file}", kind.to_lowercase(), key.namespace, key.name)
    }

    /// The URL under which a path is served.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.0.advertised)
    }

    /// The URLs under which an artifact and the link beside it are served.
    pub fn urls(&self, path: &str, link: &str) -> Urls {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        Urls {
            artifact: self.url(path),
            latest: self.url(&format!("{folder}/{link}")),
        }
    }

    /// Looks whether the file of an artifact is there and unharmed; a damaged one is removed. What the object store has of
    /// it is put in its place, and what that lacks is put there.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn check(&self, artifact: &Artifact) -> Result<Stored, StorageError> {
        let found = self.check_here(artifact)?;
        if found == Stored::Damaged {
            self.distrust(artifact);
        }
        let found = match found {
            Stored::Missing | Stored::Damaged if self.restore(artifact) => Stored::Good,
            found => found,
        };
        if found == Stored::Good {
            self.keep_remote(artifact);
        }
        Ok(found)
    }

    fn check_here(&self, artifact: &Artifact) -> Result<Stored, StorageError> {
        let path = self.file(&artifact.path);
        let failed = |source| StorageError::Read {
            path: path.clone(),
            source,
        };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Stored::Missing),
            Err(e) => return Err(failed(e)),
        };
        let Ok(expected) = artifact.digest.parse::<Digest>() else {
            return Ok(Stored::Damaged);
        };
        let mut hasher = Hasher::new(expected.algorithm());
        let mut piece = vec![0; 64 << 10];
        loop {
            match file.read(&mut piece).map_err(failed)? {
                0 => break,
                read => hasher.update(&piece[..read]),
            }
        }
        if hasher.finish() == expected {
            return Ok(Stored::Good);
        }
        fs::remove_file(&path).map_err(failed)?;
        Ok(Stored::Damaged)
    }

    /// Remembers something of an artifact, for whoever tells of it.
    pub fn note(&self, artifact: &Artifact, event: Event) {
        lock(&self.0.notes)
            .entry(artifact.path.clone())
            .or_default()
            .push(event);
    }

    /// What nobody was told so far of an artifact.
    pub fn take_notes(&self, artifact: &Artifact) -> Vec<Event> {
        lock(&self.0.notes).remove(&artifact.path).unwrap_or_default()
    }

    /// Whether the file of an artifact is there.
    pub fn has(&self, artifact: &Artifact) -> bool {
        self.file(&artifact.path).is_file()
    }

    /// Whether the file of an artifact is nowhere: not here, and there is no object store that may have it.
    pub fn is_lost(&self, artifact: &Artifact) -> bool {
        self.0.remote.is_none() && !self.has(artifact)
    }

    /// The folder in which everything is.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// The algorithm of digests.
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// The bytes of an artifact, for putting it into another.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open_artifact(&self, artifact: &Artifact) -> Result<File, StorageError> {
        let path = self.file(&artifact.path);
        let opened = match File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && self.restore(artifact) => File::open(&path),
            opened => opened,
        };
        opened.map_err(|source| StorageError::Read { path, source })
    }

    /// A folder for files that are being put together; it goes when it is dropped.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn workspace(&self) -> io::Result<tempfile::TempDir> {
        tempfile::tempdir_in(self.work()?)
    }

    /// A file without a name for what is not checked yet; it goes when it is closed.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn scratch(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.0.root)
    }

    /// Removes what an object's retention does not keep beside its current artifact. That must be the one that its status
    /// names: whoever reads the status may be about to fetch it. Gives the number of files removed.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn collect(&self, current: &Artifact) -> Result<usize, StorageError> {
        let path = self.file(&current.path);
        let dir = path.parent().unwrap_or(&self.0.root).to_owned();
        let removed = gc::collect(&dir, &path, self.0.retention);
        let removed = removed.map_err(|source| StorageError::Read { path: dir, source })?;
        if removed > 0 {
            self.trim(&current.path);
        }
        Ok(removed)
    }

    /// Removes all artifacts of an object.
    ///
    /// # Errors
    /// When the disk fails; a folder that is not there is no failure.
    pub fn remove(&self, kind: &str, key: &Key) -> Result<(), StorageError> {
        let folder = Self::path(kind, key, "");
        self.remove_remote(&folder)?;
        let path = self.file(&folder);
        match fs::remove_dir_all(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StorageError::Write { path, source: e }),
            _ => Ok(()),
        }
    }

    /// The folder of what is being put together, on the disk of the artifacts: what is complete is moved from one to the other.
    fn work(&self) -> io::Result<PathBuf> {
        let work = self.0.root.join(WORK);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&work)?;
        Ok(work)
    }

    fn file(&self, path: &str) -> PathBuf {
        self.0.root.join(inside(path))
    }
}

/// A path that stays below where it is put, without `..` and not absolute: what a status or a request says is data, not a way
/// out.
fn inside(path: &str) -> PathBuf {
    let parts = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != "." && *part != "..");
    parts.collect()
}

#[cfg(test)]
mod tests;
