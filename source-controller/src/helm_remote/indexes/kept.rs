//! What is kept on disk of an index: its stored form, and beside it by what its server knows it.

use super::{Failed, Fetched, Indexes, Known};
use crate::helm_remote::{remote::Validators, remotes::Id, stored};
use artifact::Digest;
use serde::{Deserialize, Serialize};
use std::{fs, path::PathBuf, sync::Arc};

/// What is on disk beside a stored form.
#[derive(Serialize, Deserialize)]
struct Note {
    revision: String,
    digest: String,
    validators: Validators,
}

impl Indexes {
    /// Makes the stored form of a text.
    pub(super) async fn keep(
        &self,
        id: &Id,
        text: fs::File,
        revision: Digest,
    ) -> Result<Arc<Fetched>, Failed> {
        let broken = Failed::Disk;
        let turn = self.reading.clone().acquire_owned().await;
        let turn = turn.map_err(|e| broken(e.to_string()))?;
        let (root, algorithm) = (self.root.clone(), self.algorithm);
        let (name, stem) = (root.clone(), hex::encode(id));
        let place = move |digest: &Digest| stored::path(&name, &stem, digest);
        let work = tokio::task::spawn_blocking(move || {
            // The work goes on if nobody waits for it any longer, and so does its turn.
            let _turn = turn;
            stored::store(&root, text, place, algorithm)
        });
        let stored = work
            .await
            .map_err(|panic| broken(format!("the work broke off: {panic}")))?;
        let (digest, path, table) = stored?;
        self.tables
            .keep(&digest, &table)
            .map_err(|e| broken(e.to_string()))?;
        Ok(Arc::new(Fetched {
            revision,
            digest,
            path,
        }))
    }

    pub(super) fn note(&self, id: &Id, fetched: &Fetched, validators: &Validators) {
        let note = Note {
            revision: fetched.revision.to_string(),
            digest: fetched.digest.to_string(),
            validators: validators.clone(),
        };
        // Without it the next process asks for the content again.
        let _ = serde_json::to_vec(&note).map(|note| fs::write(self.note_path(id), note));
    }

    /// What an earlier process had of a repository, if it is all there still.
    pub(super) async fn remembered(&self, id: &Id) -> Option<Known> {
        let note: Note = serde_json::from_slice(&fs::read(self.note_path(id)).ok()?).ok()?;
        let (revision, digest): (Digest, Digest) = (note.revision.parse().ok()?, note.digest.parse().ok()?);
        let path = stored::path(&self.root, &hex::encode(id), &digest);
        let file = fs::File::open(&path).ok()?;
        if revision.algorithm() != self.algorithm || digest.algorithm() != self.algorithm {
            return None;
        }
        let algorithm = self.algorithm;
        let found = tokio::task::spawn_blocking(move || stored::digest_of(file, algorithm)).await;
        let whole = found.ok()?.ok()? == digest;
        let fetched = Fetched {
            revision,
            digest,
            path,
        };
        whole.then(|| (Arc::new(fetched), note.validators))
    }

    pub(super) fn note_path(&self, id: &Id) -> PathBuf {
        self.root.join(format!("{}.note", hex::encode(id)))
    }
}
