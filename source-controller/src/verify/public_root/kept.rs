//! What is kept of a TUF repository: in memory, and in a folder if there is one. All of it is checked anew whenever it is read.

use sigstore_tuf::{Error, MetadataStore, Repository, transport::FetchFuture};
use std::{
    collections::BTreeMap,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// The newest file of each role, the roots that led there, and the trusted root.
#[derive(Debug)]
pub struct Kept {
    folder: Option<PathBuf>,
    memory: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Kept {
    /// Keeps in a folder too, so that a repository cannot go back behind what a process before this one has seen.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            memory: Mutex::default(),
        }
    }
}

impl MetadataStore for Kept {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = memory.get(name) {
            return Ok(Some(found.clone()));
        }
        let Some(path) = self.folder.as_ref().map(|folder| folder.join(name)) else {
            return Ok(None);
        };
        match path.try_exists() {
            Ok(false) => Ok(None),
            _ => super::read(&path)
                .map(Some)
                .map_err(|problem| Error::io(problem, ErrorKind::InvalidData.into())),
        }
    }

    fn store(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        if !is_kept(name) {
            return Ok(());
        }
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let old = memory.insert(name.to_owned(), bytes.to_vec());
        match &self.folder {
            Some(folder) if old.as_deref() != Some(bytes) => {
                let path = folder.join(name);
                write(&path, bytes).map_err(|e| Error::io(format!("cannot write {}", path.display()), e))
            }
            _ => Ok(()),
        }
    }
}

/// Files of a role that others will follow under other names are not kept, nor are those of delegations.
fn is_kept(name: &str) -> bool {
    let newest = ["root.json", "timestamp.json", "snapshot.json", "targets.json"];
    let is_root = || {
        let version = name.strip_prefix("root_history/")?.strip_suffix(".root.json")?;
        version.parse::<u64>().ok()
    };
    newest.contains(&name) || name == "targets/trusted_root.json" || is_root().is_some()
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// What is kept, as a repository of its own.
#[derive(Debug)]
pub struct Remembered(pub Arc<Kept>);

impl Repository for Remembered {
    fn fetch_metadata<'a>(&'a self, name: &'a str, _: u64) -> FetchFuture<'a> {
        let versioned = name
            .split_once('.')
            .filter(|(version, _)| version.parse::<u64>().is_ok());
        let found = match versioned {
            // The roots were read when the client was made.
            Some((_, "root.json")) => Ok(None),
            Some((_, name)) => self.0.load(name),
            None => self.0.load(name),
        };
        Box::pin(async move { found })
    }

    fn fetch_target<'a>(&'a self, _: &'a str, _: u64) -> FetchFuture<'a> {
        Box::pin(async { Ok(None) })
    }
}
