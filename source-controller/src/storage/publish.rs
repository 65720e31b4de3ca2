//! Putting a file on the shelf and naming it as an artifact: what all kinds of sources do at the end.

use super::{Storage, StorageError};
use crds::meta::Artifact;
use runtime::Key;
use std::{collections::BTreeMap, io};

/// What is to be offered, and whose it is.
#[derive(Debug)]
pub struct Offer<'a> {
    /// The kind, as it stands in paths.
    pub kind: &'a str,
    /// The object.
    pub key: Key,
    /// The file's name among the object's.
    pub file: String,
    /// Of what the artifact is made; `latest@<digest>` if nothing says.
    pub revision: Option<String>,
    /// What else is said of it.
    pub metadata: BTreeMap<String, String>,
    /// The link that shall lead to the newest.
    pub link: Option<&'a str>,
}

/// An artifact that is on the shelf.
#[derive(Debug)]
pub struct Published {
    /// The artifact.
    pub artifact: Artifact,
    /// Where the newest is always found.
    pub latest: Option<String>,
}

impl Storage {
    /// Writes an artifact's file and names it. What it makes superfluous stays until the status names the new one, and then
    /// goes with [`Storage::collect`].
    ///
    /// # Errors
    /// When the disk fails, or the object store, or `fill`; then everything is as it was.
    pub fn publish<E>(
        &self,
        offer: Offer<'_>,
        fill: impl FnOnce(&mut dyn io::Write) -> Result<(), E>,
    ) -> Result<Published, StorageError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let path = Self::path(offer.kind, &offer.key, &offer.file);
        let draft = self.draft(&path, fill)?;
        let (digest, size) = (&draft.digest, draft.size);
        let artifact = Artifact {
            revision: offer.revision.unwrap_or_else(|| format!("latest@{digest}")),
            digest: digest.to_string(),
            last_update_time: runtime::conditions::now(),
            metadata: Some(offer.metadata).filter(|metadata| !metadata.is_empty()),
            url: self.url(&path),
            path,
            size: i64::try_from(size).ok(),
        };
        // What the store does not take is not on the shelf either, where it might be in the place of what the status names.
        self.put_remote(&artifact, &draft, offer.link)?;
        draft.place()?;
        // A link is a convenience.
        let latest = offer.link.and_then(|link| self.link(&artifact.path, link).ok());
        Ok(Published { artifact, latest })
    }
}
