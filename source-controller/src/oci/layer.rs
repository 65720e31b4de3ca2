//! A layer for many: downloaded once.

use super::{Descriptor, OciError, Registry, Repository};
use crate::downloads::Download;
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, BufWriter},
};

impl Registry {
    /// The content of a blob in a file that `scratch` makes: downloaded once for all who want it by this login and in this
    /// way, and each of them waits no longer than it would for its own.
    ///
    /// # Errors
    /// As [`Registry::download`]; [`OciError::Write`] if there is no file.
    pub async fn layer(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
        scratch: impl FnOnce() -> io::Result<File>,
    ) -> Result<Download, OciError> {
        let mut hash = Sha256::new();
        hash.update(self.id);
        hash.update((repository.path.len() as u64).to_be_bytes());
        hash.update(&repository.path);
        hash.update(&blob.digest);
        let download = async {
            let mut writer = BufWriter::new(scratch().map_err(OciError::Write)?);
            self.download(repository, blob, limit, &mut writer).await?;
            Download::of(writer).map_err(OciError::Write)
        };
        self.downloads.get(hash.finalize().into(), download).await
    }
}
