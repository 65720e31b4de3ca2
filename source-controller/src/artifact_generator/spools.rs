//! I/O: the artifacts of sources, each downloaded and unpacked to disk once for all generators that copy from it.

use crate::{
    shared::{self, Shareable, Shared},
    shelf::blocking,
    spool::Spool,
    storage::Storage,
};
use artifact::Limits;
use crds::meta::Artifact;
use runtime::fetch::{Artifacts, FetchError};
use std::{io::BufReader, sync::Arc};

/// Sources that are at hand.
#[derive(Debug)]
pub struct Spools {
    artifacts: Artifacts,
    storage: Storage,
    kept: Shared<Arc<Spool>>,
}

impl Spools {
    /// None yet.
    pub fn new(artifacts: Artifacts, storage: Storage) -> Self {
        Self {
            artifacts,
            storage,
            kept: Shared::default(),
        }
    }

    /// The files of an artifact.
    ///
    /// # Errors
    /// See [`FetchError`]; nothing of a failed attempt is kept.
    pub async fn get(&self, artifact: &Artifact) -> Result<Arc<Spool>, FetchError> {
        // Another's place with that digest may be one that nothing comes from.
        let id = shared::id(&[artifact.digest.as_bytes(), artifact.url.as_bytes()]);
        self.kept.get(id, self.bring(artifact)).await
    }

    /// Lets go of what nobody has copied from for a while.
    pub fn purge(&self) {
        self.kept.purge();
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
}

/// What is in memory counts for so much more than what is on disk: of all that nobody has in hand it is 64 MiB at the most.
const MEMORY: u64 = 16;

impl Shareable for Arc<Spool> {
    const MOST_BYTES: u64 = 1 << 30;

    fn size(&self) -> u64 {
        Spool::size(self) + MEMORY * self.tree().size()
    }

    fn is_in_hand(&self) -> bool {
        Arc::strong_count(self) > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifact::TreeBuilder;

    /// A million empty files are nothing on disk, and all the memory that there is.
    #[test]
    fn what_is_in_memory_counts() {
        let mut many = TreeBuilder::default();
        for number in 0..10_000 {
            many.file(&number.to_string(), Vec::new(), false).unwrap();
        }
        let mut archive = Vec::new();
        artifact::pack_tree(&many.build(), &mut archive).unwrap();
        let scratch = tempfile::tempfile().unwrap();
        let spool = Arc::new(Spool::unpack(&archive[..], &Limits::default(), scratch).unwrap());
        assert_eq!(Spool::size(&spool), 0);
        let stay = <Arc<Spool>>::MOST_BYTES / Shareable::size(&spool);
        let held = stay * spool.tree().size();
        assert!(held > 32 << 20 && held <= 64 << 20, "{stay} stay, {held} bytes");
    }
}
