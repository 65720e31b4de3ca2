//! I/O, blocking: the folder of what this process fetched. Several processes may have theirs beside each other on one disk, and
//! one that was killed leaves its own behind.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// How the file is called that says whose the folder beside it is; whoever has it locked lives.
const LOCK: &str = "lock";
/// So often another name is tried where somebody cleared the first one away.
const TRIES: usize = 10;

/// A folder of this process alone.
#[derive(Debug)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    lock: NamedTempFile,
}

impl Folder {
    /// A new one among those of others.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn new(among: &Path) -> io::Result<Self> {
        let mut folders = fs::DirBuilder::new();
        folders.mode(0o700).recursive(true).create(among)?;
        for _ in 0..TRIES {
            let lock = tempfile::Builder::new()
                .prefix("")
                .suffix(&format!(".{LOCK}"))
                .tempfile_in(among)?;
            // Where files cannot be locked, nobody gets the lock to clear away with either.
            let _ = lock.as_file().lock();
            // Whoever sweeps may have come before the lock.
            if lock.path().exists() {
                let path = lock.path().with_extension("");
                folders.recursive(false).create(&path)?;
                return Ok(Self { path, lock });
            }
        }
        Err(io::Error::other("others clear away what is new here"))
    }

    /// Removes the folders of those that are no more.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sweep(&self) -> io::Result<()> {
        let Some(among) = self.path.parent() else {
            return Ok(());
        };
        for entry in fs::read_dir(among)? {
            let path = entry?.path();
            if path == self.path || path == self.lock.path() {
                continue;
            }
            if path.extension().is_some_and(|extension| extension == LOCK) {
                let Ok(lock) = File::options().read(true).write(true).open(&path) else {
                    continue;
                };
                if lock.try_lock().is_ok() {
                    remove(&path.with_extension(""))?;
                    remove(&path)?;
                }
            } else if !path.with_extension(LOCK).exists() {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_nobodys_is_swept() {
        let disk = tempfile::tempdir().unwrap();
        let among = disk.path().join("fetched");
        let (leader, standby) = (Folder::new(&among).unwrap(), Folder::new(&among).unwrap());
        fs::write(standby.path.join("file"), "in use").unwrap();
        fs::create_dir_all(among.join("gitrepository/a")).unwrap();
        // One that was killed: its lock is not held, and nothing was cleared away.
        let killed = Folder::new(&among).unwrap();
        let (path, (_, lock)) = (killed.path, killed.lock.keep().unwrap());
        fs::write(path.join("file"), "left behind").unwrap();
        leader.sweep().unwrap();
        let mut left: Vec<PathBuf> = fs::read_dir(&among).unwrap().map(|e| e.unwrap().path()).collect();
        left.sort();
        let mut expected = vec![
            leader.path.clone(),
            leader.path.with_extension(LOCK),
            standby.path.clone(),
            standby.path.with_extension(LOCK),
        ];
        expected.sort();
        assert_eq!(left, expected);
        assert_eq!(fs::read(standby.path.join("file")).unwrap(), b"in use");
        assert!(!lock.exists());
    }
}
