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
    /// Writes an artifact's file and names it; what it makes superfluous is cleared away.
    ///
    /// # Errors
    /// When the disk fails, or `fill` does; then nothing is left behind.
    pub fn publish<E>(
        &self,
        offer: Offer<'_>,
        fill: impl FnOnce(&mut dyn io::Write) -> Result<(), E>,
    ) -> Result<Published, StorageError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let path = Self::path(offer.kind, &offer.key, &offer.file);
        let (digest, size) = self.write(&path, fill)?;
        let artifact = Artifact {
            revision: offer.revision.unwrap_or_else(|| format!("latest@{digest}")),
            digest: digest.to_string(),
            last_update_time: runtime::conditions::now(),
            metadata: Some(offer.metadata).filter(|metadata| !metadata.is_empty()),
            url: self.url(&path),
            path,
            size: i64::try_from(size).ok(),
        };
        self.put_remote(&artifact, offer.link)?;
        // What cannot be cleared away now is cleared away next time; a link is a convenience.
        let _ = self.collect(&artifact);
        let latest = offer.link.and_then(|link| self.link(&artifact.path, link).ok());
        Ok(Published { artifact, latest })
    }
}
