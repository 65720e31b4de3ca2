//! Blocking: the stored form of an index on disk.

use super::Failed;
use artifact::{Algorithm, Digest, DigestWriter};
use helm::index;
use std::{
    fs,
    io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// What files are called that are not complete yet.
const DRAFT: &str = ".new-";

/// A file for what is not complete yet; it goes when it is dropped.
pub(super) fn draft(root: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(DRAFT).tempfile_in(root)
}

/// Removes what a process that was killed did not complete.
pub(super) fn sweep(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(DRAFT) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Reads a text and writes its stored form to its place, whole or not at all.
pub(super) fn store(
    root: &Path,
    mut text: fs::File,
    place: impl FnOnce(&Digest) -> PathBuf,
    algorithm: Algorithm,
) -> Result<(Digest, PathBuf, index::Table), Failed> {
    let disk = |error: io::Error| Failed::Disk(error.to_string());
    let mut bytes = Vec::new();
    text.rewind().map_err(disk)?;
    text.read_to_end(&mut bytes).map_err(disk)?;
    let mut scratch = tempfile::tempfile_in(root).map_err(disk)?;
    let mut new = draft(root).map_err(disk)?;
    let mut writer = DigestWriter::new(algorithm, BufWriter::new(new.as_file_mut()));
    let table = index::convert(&bytes, &mut scratch, &mut writer).map_err(|e| Failed::Index(Arc::new(e)))?;
    let (mut buffer, _, digest) = writer.finish();
    buffer.flush().map_err(disk)?;
    drop(buffer);
    let target = place(&digest);
    new.persist(&target).map_err(|e| disk(e.error))?;
    Ok((digest, target, table))
}

/// The digest of what a file has.
pub(super) fn digest_of(file: fs::File, algorithm: Algorithm) -> io::Result<Digest> {
    let mut writer = DigestWriter::new(algorithm, io::sink());
    io::copy(&mut BufReader::new(file), &mut writer)?;
    let (_, _, digest) = writer.finish();
    Ok(digest)
}

/// Where a stored form is: those of one repository do not overwrite each other while somebody reads.
pub(super) fn path(root: &Path, stem: &str, digest: &Digest) -> PathBuf {
    let part = digest.hex().get(..16).unwrap_or(digest.hex());
    root.join(format!("{stem}-{part}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_completed_goes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.json"), "whole").unwrap();
        // As a process leaves it that is killed now.
        let (_, left) = draft(folder.path()).unwrap().keep().unwrap();
        sweep(folder.path()).unwrap();
        assert!(!left.exists());
        assert!(folder.path().join("a.json").exists());
    }
}
