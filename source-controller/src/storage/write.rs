//! I/O, blocking: files and links on the shelf, complete for all readers or not there.

use super::{Storage, StorageError};
use artifact::{Digest, DigestWriter};
use std::{
    fs,
    io::{self, BufWriter, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// An artifact's file that is complete, and not yet in its place.
pub(super) struct Draft {
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
    file: tempfile::NamedTempFile,
    target: PathBuf,
}

impl Draft {
    /// Where the file is now.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Puts the file in its place, where readers see all or nothing.
    ///
    /// # Errors
    /// When the disk fails; then nothing is left behind.
    pub(super) fn place(self) -> Result<(), StorageError> {
        let Self { file, target, .. } = self;
        let placed = file.persist(&target);
        placed.map(drop).map_err(|failed| StorageError::Write {
            path: target,
            source: failed.error,
        })
    }
}

impl Storage {
    /// Writes what shall be an artifact to a new file apart from the artifacts: what a process that is killed leaves of it is
    /// cleared away with the folder, and never counts as an artifact.
    ///
    /// # Errors
    /// When the disk fails, or `fill` does; then nothing is left behind.
    pub(super) fn draft<E>(
        &self,
        path: &str,
        fill: impl FnOnce(&mut dyn io::Write) -> Result<(), E>,
    ) -> Result<Draft, StorageError>
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
        let work = self.work().map_err(failed)?;
        let mut temporary = tempfile::NamedTempFile::new_in(work).map_err(failed)?;
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
        Ok(Draft {
            digest,
            size,
            file: temporary,
            target,
        })
    }

    /// Makes a link beside an artifact lead to it, at once for all readers; gives the link's URL.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn link(&self, path: &str, name: &str) -> io::Result<String> {
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
}
