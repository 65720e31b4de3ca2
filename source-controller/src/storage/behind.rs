//! I/O: what the shelf does with the object store behind it, where there is one. All but [`Storage::find`] blocks.

use super::{RemoteError, Storage, StorageError, card::Kept, write::Draft};
use crate::objects::Content;
use artifact::{Algorithm, Digest};
use crds::meta::Artifact;
use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

impl Storage {
    /// The file that is served under a path: the shelf's own if this process makes the artifacts, else what the object store
    /// has now.
    pub(super) async fn find(&self, path: &str) -> Result<Option<PathBuf>, RemoteError> {
        let own = self.file(path);
        let is_here = own.is_file();
        let Some(remote) = &self.0.remote else {
            return Ok(is_here.then_some(own));
        };
        if is_here && self.0.leads.load(Ordering::Relaxed) {
            return Ok(Some(own));
        }
        match remote.have(path).await {
            // What an earlier leader left here may be old, but whoever gets it checks it.
            Err(_) if is_here => Ok(Some(own)),
            found => found,
        }
    }

    /// Puts what is about to be on the shelf into the object store.
    pub(super) fn put_remote(
        &self,
        artifact: &Artifact,
        draft: &Draft,
        link: Option<&str>,
    ) -> Result<(), StorageError> {
        let Some(remote) = &self.0.remote else {
            return Ok(());
        };
        let content = content(draft.path(), &draft.digest, draft.size);
        let content = content.map_err(|source| StorageError::Read {
            path: draft.path().to_owned(),
            source,
        })?;
        let links: Vec<String> = link.map(str::to_owned).into_iter().collect();
        let put = remote.put(&artifact.path, content, kept(artifact), &links);
        wait(put).map_err(StorageError::Remote)
    }

    /// Sees to it that the object store has an artifact that is on the shelf: an empty store may be a new one, or may have
    /// lost what it had. No pass fails for it, since the status names the artifact already; the next one tries again.
    pub(super) fn keep_remote(&self, artifact: &Artifact) {
        let Some(remote) = &self.0.remote else { return };
        if !remote.is_due(&artifact.path, &artifact.digest) {
            return;
        }
        let path = self.file(&artifact.path);
        let keep = || {
            let size = fs::metadata(&path)?.len();
            let digest = artifact.digest.parse::<Digest>().map_err(io::Error::other)?;
            let kept = Kept {
                size,
                ..kept(artifact)
            };
            let links = links(&path)?;
            let keep = remote.keep(
                &artifact.path,
                || content(&path, &digest, size),
                kept,
                &links,
                self.0.retention,
            );
            wait(keep).map_err(io::Error::other)
        };
        if let Err(error) = keep() {
            let error = runtime::telemetry::chain(&error);
            tracing::warn!(
                path = artifact.path,
                error,
                "cannot see whether the object store has an artifact"
            );
        }
    }

    /// Removes what was fetched from the object store so long ago, or by processes that are no more.
    pub fn forget(&self, age: Duration) {
        if let Some(remote) = &self.0.remote {
            remote.prune(age);
            remote.sweep();
        }
    }

    /// Deletes from the object store what is no longer kept.
    pub(super) fn trim(&self, current: &str) {
        let Some(remote) = &self.0.remote else { return };
        // What cannot be cleared away now is cleared away next time.
        if let Err(error) = wait(remote.trim(current, self.0.retention)) {
            let error = runtime::telemetry::chain(&error);
            tracing::warn!(
                path = current,
                error,
                "cannot clear away old artifacts in the object store"
            );
        }
    }

    /// Deletes all of an object from the object store.
    pub(super) fn remove_remote(&self, folder: &str) -> Result<(), StorageError> {
        let Some(remote) = &self.0.remote else {
            return Ok(());
        };
        wait(remote.remove(folder)).map_err(StorageError::Remote)
    }

    /// An artifact was found to be damaged here: what was fetched of it may be the same file.
    pub(super) fn distrust(&self, artifact: &Artifact) {
        if let Some(remote) = &self.0.remote {
            remote.distrust(&artifact.path);
        }
    }

    /// Brings an artifact back from the object store, if that has exactly what the status names. Where it has not, the
    /// artifact is made anew of its source.
    pub(super) fn restore(&self, artifact: &Artifact) -> bool {
        let (Some(remote), Ok(digest)) = (&self.0.remote, artifact.digest.parse::<Digest>()) else {
            return false;
        };
        let path = self.file(&artifact.path);
        let error = match wait(remote.have_exactly(&artifact.path, &digest, kept(artifact).size)) {
            Ok(None) => return false,
            Ok(Some((from, links))) => match place(&from, &path) {
                Ok(()) => {
                    for link in links {
                        // A link is a convenience.
                        let _ = self.link(&artifact.path, &link);
                    }
                    return true;
                }
                Err(error) => error.to_string(),
            },
            Err(error) => runtime::telemetry::chain(&error),
        };
        tracing::warn!(
            path = artifact.path,
            error,
            "cannot bring an artifact back from the object store"
        );
        false
    }
}

/// An artifact as a card has it.
fn kept(artifact: &Artifact) -> Kept {
    let size = artifact.size.and_then(|size| u64::try_from(size).ok());
    Kept {
        digest: artifact.digest.clone(),
        size: size.unwrap_or_default(),
        since: jiff::Timestamp::now().as_second(),
    }
}

/// A file of this digest as it is sent; S3 wants its SHA-256, which the digest may be.
fn content(path: &Path, digest: &Digest, size: u64) -> io::Result<Content> {
    match digest.algorithm() {
        Algorithm::Sha256 => Ok(Content::known(path.to_owned(), size, digest.hex().to_owned())),
        _ => Content::file(path.to_owned()),
    }
}

/// The names of the links beside a file that lead to it.
fn links(path: &Path) -> io::Result<Vec<String>> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let leads = fs::read_link(entry.path()).is_ok_and(|to| to.as_os_str() == name);
        if let (true, Ok(link)) = (leads, entry.file_name().into_string())
            && !link.starts_with('.')
        {
            found.push(link);
        }
    }
    Ok(found)
}

/// Gives a file a second name, which is there at once or not at all. Both are on the shelf's disk.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    let dir = to.parent().unwrap_or(to);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    match fs::hard_link(from, to) {
        // Somebody else was faster, whose file is as good or newer.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

/// Waits on a thread that may: all work on the shelf is on one of those.
fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Handle::current().block_on(work)
}
