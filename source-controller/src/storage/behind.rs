//! I/O: what the shelf does with the object store behind it, where there is one. All but [`Storage::find`] blocks.

use super::{RemoteError, Storage, StorageError, card::Kept};
use crate::objects::Content;
use artifact::Digest;
use crds::meta::Artifact;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
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

    /// Puts an artifact that is on the shelf into the object store.
    pub(super) fn put_remote(&self, artifact: &Artifact, link: Option<&str>) -> Result<(), StorageError> {
        let Some(remote) = &self.0.remote else {
            return Ok(());
        };
        let path = self.file(&artifact.path);
        let content = Content::file(path.clone()).map_err(|source| StorageError::Read { path, source })?;
        let size = artifact.size.and_then(|size| u64::try_from(size).ok());
        let kept = Kept {
            digest: artifact.digest.clone(),
            size: size.unwrap_or_default(),
            since: jiff::Timestamp::now().as_second(),
        };
        let put = remote.put(&artifact.path, content, kept, link, self.0.retention);
        wait(put).map_err(StorageError::Remote)
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

    /// Brings an artifact back from the object store, if that has exactly what the status names. Where it has not, the
    /// artifact is made anew of its source.
    pub(super) fn restore(&self, artifact: &Artifact) -> bool {
        let (Some(remote), Ok(digest)) = (&self.0.remote, artifact.digest.parse::<Digest>()) else {
            return false;
        };
        let path = self.file(&artifact.path);
        let error = match wait(remote.have_exactly(&artifact.path, &digest)) {
            Ok(None) => return false,
            Ok(Some(from)) => match place(&from, &path) {
                Ok(()) => return true,
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

/// Gives a file a second name, which is there at once or not at all. Both are on the shelf's disk.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    let dir = to.parent().unwrap_or(to);
    fs::create_dir_all(dir)?;
    let new = dir.join(".restored");
    match fs::remove_file(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    fs::hard_link(from, &new)?;
    fs::rename(new, to)
}

/// Waits on a thread that may: all work on the shelf is on one of those.
fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Handle::current().block_on(work)
}
