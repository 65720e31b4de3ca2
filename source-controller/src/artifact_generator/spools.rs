//! I/O: the artifacts of sources, each downloaded and unpacked to disk once for all generators that copy from it.

use crate::{lock::lock, shelf::blocking, spool::Spool, storage::Storage};
use artifact::Limits;
use crds::meta::Artifact;
use runtime::fetch::{Artifacts, FetchError};
use std::{
    collections::HashMap,
    io::BufReader,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::sync::OnceCell;

/// What nobody copies from any longer stays for so long.
const STAYS: Duration = Duration::from_secs(60);
/// All of that together is never larger, in bytes.
const MAX_IDLE: u64 = 1 << 30;

/// Sources that are at hand.
#[derive(Debug)]
pub struct Spools {
    artifacts: Artifacts,
    storage: Storage,
    kept: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    /// Whoever is here first brings it.
    spool: Arc<OnceCell<Arc<Spool>>>,
    used: Instant,
}

impl Spools {
    /// None yet.
    pub fn new(artifacts: Artifacts, storage: Storage) -> Self {
        Self {
            artifacts,
            storage,
            kept: Mutex::default(),
        }
    }

    /// The files of an artifact.
    ///
    /// # Errors
    /// See [`FetchError`]; nothing of a failed attempt is kept.
    pub async fn get(&self, artifact: &Artifact) -> Result<Arc<Spool>, FetchError> {
        let cell = self.cell(&artifact.digest);
        cell.get_or_try_init(|| self.bring(artifact)).await.cloned()
    }

    /// Lets go of what nobody has copied from for a while.
    pub fn purge(&self) {
        tidy(&mut lock(&self.kept));
    }

    async fn bring(&self, artifact: &Artifact) -> Result<Arc<Spool>, FetchError> {
        let archive = self.artifacts.save(artifact, || self.storage.scratch()).await?;
        let scratch = self.storage.scratch().map_err(FetchError::Write)?;
        let unpacked = blocking(move || Spool::unpack(BufReader::new(archive), &Limits::default(), scratch));
        let unpacked = unpacked.await.map_err(|_| FetchError::Stopped)?;
        let unpacked = unpacked.map_err(|source| FetchError::Unpack {
            url: artifact.url.clone(),
            source,
        })?;
        Ok(Arc::new(unpacked))
    }

    fn cell(&self, digest: &str) -> Arc<OnceCell<Arc<Spool>>> {
        let mut kept = lock(&self.kept);
        tidy(&mut kept);
        let fresh = || Entry {
            spool: Arc::default(),
            used: Instant::now(),
        };
        let entry = kept.entry(digest.to_owned()).or_insert_with(fresh);
        entry.used = Instant::now();
        entry.spool.clone()
    }
}

/// Removes what is past its time, what did not come, and the longest unused beyond what may stay. What is in use is not
/// touched: whoever has it keeps it anyway.
fn tidy(kept: &mut HashMap<String, Entry>) {
    let idle = |entry: &Entry| match entry.spool.get() {
        Some(spool) => Arc::strong_count(spool) == 1 && Arc::strong_count(&entry.spool) == 1,
        None => Arc::strong_count(&entry.spool) == 1,
    };
    let size = |entry: &Entry| entry.spool.get().map_or(0, |spool| spool.size());
    let mut unused: Vec<(Instant, u64, String, bool)> = kept
        .iter()
        .filter(|(_, entry)| idle(entry))
        .map(|(digest, entry)| (entry.used, size(entry), digest.clone(), entry.spool.initialized()))
        .collect();
    unused.sort_unstable_by_key(|(used, ..)| std::cmp::Reverse(*used));
    let mut bytes = 0;
    for (used, size, digest, came) in unused {
        bytes += size;
        if !came || used.elapsed() >= STAYS || bytes > MAX_IDLE {
            kept.remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize, used: Instant) -> Entry {
        let tree = artifact::Tree::from_files([("a".to_owned(), vec![0; bytes])]).unwrap();
        let mut packed = Vec::new();
        artifact::pack_tree(&tree, &mut packed).unwrap();
        let spool = Spool::unpack(&packed[..], &Limits::default(), tempfile::tempfile().unwrap());
        Entry {
            spool: Arc::new(OnceCell::new_with(Some(Arc::new(spool.unwrap())))),
            used,
        }
    }

    #[test]
    fn what_nobody_copies_from_goes() {
        let (now, old) = (Instant::now(), Instant::now() - STAYS);
        let mut kept: HashMap<String, Entry> = [
            ("new", entry(1, now)),
            ("old", entry(1, old)),
            ("used", entry(1, old)),
            (
                "failed",
                Entry {
                    spool: Arc::default(),
                    used: now,
                },
            ),
        ]
        .into_iter()
        .map(|(digest, entry)| (digest.to_owned(), entry))
        .collect();
        let used = kept["used"].spool.get().cloned();
        tidy(&mut kept);
        let mut left: Vec<&str> = kept.keys().map(String::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["new", "used"]);
        drop(used);
        tidy(&mut kept);
        assert_eq!(kept.len(), 1);
    }
}
