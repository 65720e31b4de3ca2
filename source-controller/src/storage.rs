//! The shelf: artifacts on disk, written atomically, checked, aged out, and served.

mod behind;
mod card;
mod gc;
mod place;
mod publish;
mod remote;
mod serve;

pub use place::Place;
pub use publish::{Offer, Published};
pub use remote::{Remote, RemoteError};
pub use serve::{OnMissing, serve};

use artifact::{Algorithm, Digest, DigestWriter, Hasher};
use crds::meta::Artifact;
use runtime::Key;
use std::{
    fs::{self, File},
    io::{self, BufWriter, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use thiserror::Error;

/// The folder of Git mirrors beside the artifacts; never served.
pub const MIRRORS: &str = ".mirrors";

/// The folder of Helm indexes beside the artifacts; never served.
pub const INDEXES: &str = ".indexes";

/// The folder of what is being put together beside the artifacts; never served, and empty after a start.
const WORK: &str = ".work";

/// The folder of what was fetched from the object store beside the artifacts; served under their names.
pub const FETCHED: &str = ".fetched";

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
    remote: Option<Arc<Remote>>,
    /// Whether this process makes the artifacts. Another one serves what the object store has.
    leads: AtomicBool,
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
    /// The object store failed.
    #[error("failed to keep the artifact in the object store")]
    Remote(#[source] RemoteError),
}

impl Storage {
    /// Opens the shelf in an existing folder. `advertised` is the prefix of URLs (`http://host`).
    ///
    /// # Errors
    /// When the folder is not there, as Flux has it: an unmounted volume must not be papered over.
    pub fn open(
        root: &Path,
        advertised: String,
        algorithm: Algorithm,
        retention: Retention,
    ) -> Result<Self, StorageError> {
        let root = root
            .canonicalize()
            .ok()
            .filter(|r| r.is_dir())
            .ok_or_else(|| StorageError::Root(root.to_owned()))?;
        // What was under way when the last process ended is of no use to this one.
        let _ = fs::remove_dir_all(root.join(WORK));
        Ok(Self(Arc::new(Shelf {
            root,
            advertised,
            algorithm,
            retention,
            remote: None,
            leads: AtomicBool::new(true),
        })))
    }

    /// The shelf with an object store behind it; it waits to lead.
    #[must_use]
    pub fn with_remote(self, remote: Arc<Remote>) -> Self {
        let shelf = &self.0;
        Self(Arc::new(Shelf {
            root: shelf.root.clone(),
            advertised: shelf.advertised.clone(),
            algorithm: shelf.algorithm,
            retention: shelf.retention,
            remote: Some(remote),
            leads: AtomicBool::new(false),
        }))
    }

    /// From now on this process makes the artifacts.
    pub fn lead(&self) {
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

    /// Writes an artifact: to a new file beside its place, then renamed, so that readers see all or nothing.
    /// Gives the digest and the size in bytes.
    ///
    /// # Errors
    /// When the disk fails, or `fill` does; then nothing is left behind.
    fn write<E>(
        &self,
        path: &str,
        fill: impl FnOnce(&mut dyn io::Write) -> Result<(), E>,
    ) -> Result<(Digest, u64), StorageError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let target = self.file(path);
        let dir = target.parent().unwrap_or(&self.0.root).to_owned();
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&dir);
        made.map_err(|source| StorageError::Directory {
            path: dir.clone(),
            source,
        })?;
        let failed = |source| StorageError::Write {
            path: target.clone(),
            source,
        };
        let mut temporary = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(&dir)
            .map_err(failed)?;
        let mut writer = DigestWriter::new(self.0.algorithm, BufWriter::new(temporary.as_file_mut()));
        fill(&mut writer).map_err(|e| StorageError::Pack(Box::new(e)))?;
        let (mut buffer, size, digest) = writer.finish();
        buffer.flush().map_err(failed)?;
        drop(buffer);
        let file = temporary.as_file();
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .map_err(failed)?;
        // After a crash the file is whole or not there.
        file.sync_data().map_err(failed)?;
        temporary.persist(&target).map_err(|e| failed(e.error))?;
        Ok((digest, size))
    }

    /// Looks whether the file of an artifact is there and unharmed; a damaged one is removed. What the object store has of
    /// it is put in its place.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn check(&self, artifact: &Artifact) -> Result<Stored, StorageError> {
        match self.check_here(artifact)? {
            Stored::Missing | Stored::Damaged if self.restore(artifact) => Ok(Stored::Good),
            found => Ok(found),
        }
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

    /// Whether the file of an artifact is there.
    pub fn has(&self, artifact: &Artifact) -> bool {
        self.file(&artifact.path).is_file()
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
        let work = self.0.root.join(WORK);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&work)?;
        tempfile::tempdir_in(work)
    }

    /// A file without a name for what is not checked yet; it goes when it is closed.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn scratch(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.0.root)
    }

    /// Makes a link beside an artifact lead to it, at once for all readers; gives the link's URL.
    ///
    /// # Errors
    /// When the disk fails.
    fn link(&self, path: &str, name: &str) -> io::Result<String> {
        let target = self.file(path);
        let (Some(dir), Some(file)) = (target.parent(), target.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let new = dir.join(format!(".{name}.new"));
        match fs::remove_file(&new) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        std::os::unix::fs::symlink(file, &new)?;
        fs::rename(&new, dir.join(name))?;
        Ok(self.urls(path, name).latest)
    }

    /// Removes what an object's retention does not keep. Gives the number of files removed.
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
