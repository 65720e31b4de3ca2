//! A layer for many: downloaded once.

use super::{Descriptor, OciError, Registry, Repository};
use crate::{downloads::Download, shared};
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
        let id = shared::id(&[&self.id, repository.path.as_bytes(), blob.digest.as_bytes()]);
        let download = async {
            let mut writer = BufWriter::new(scratch().map_err(OciError::Write)?);
            self.download(repository, blob, limit, &mut writer).await?;
            Download::of(writer).map_err(OciError::Write)
        };
        self.downloads.get(id, download).await
    }
}
