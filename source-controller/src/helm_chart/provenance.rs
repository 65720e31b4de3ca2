//! I/O: the provenance file of a chart that is in a repository, and which charts were found to be proven by theirs.

use super::{
    build::{Build, BuildError, Made, Step},
    proof::Proof,
    repository::{Chosen, Repository, last},
};
use crate::{
    lock::lock,
    openpgp::Keys,
    shelf::blocking,
    verify::provenance::{self, ProvenanceError},
};
use crds::{
    meta::Artifact,
    source::{HelmChart, Source as _},
};
use runtime::{Key, telemetry::chain};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// How the digest of an archive is written in a provenance file.
const SHA256: &str = "sha256:";

/// Which charts on the shelf were proven, since the process began, by whose word and for how long that counts.
#[derive(Debug, Default)]
pub struct Proven(Mutex<HashMap<Key, (String, Proof)>>);

/// Why a chart is not proven.
#[derive(Debug)]
enum Unproven {
    /// Its provenance file cannot be had.
    Away(String, Option<Duration>),
    /// It can, and does not prove it.
    Wrong(ProvenanceError),
}

/// A chart in a repository that has to be proven by one of these keys.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// Where the chart is.
    pub repository: &'a Repository,
    /// What was asked for: an index may give a chart of another name for it.
    pub name: &'a str,
    /// The chart.
    pub chosen: &'a Chosen,
    /// Whose word counts.
    pub keys: &'a Arc<Keys>,
}

impl Case<'_> {
    /// Checks the provenance file of an archive that was downloaded.
    ///
    /// # Errors
    /// Why it is not proven.
    pub async fn of_archive(self, archive: Arc<Vec<u8>>) -> Result<Proof, BuildError> {
        let digest = blocking(move || format!("{SHA256}{}", hex::encode(Sha256::digest(&*archive))));
        let digest = digest
            .await
            .map_err(|failure| BuildError::new(Step::Unknown, failure.message))?;
        Ok(self.prove(digest).await?)
    }

    /// The chart on the shelf if it is proven: if it was found to be, nobody is asked again. `None` if that cannot be said of
    /// it, because it was packaged here, or because the repository has the version with other content by now.
    ///
    /// # Errors
    /// Why it is not proven.
    pub async fn of_shelf(
        self,
        object: &HelmChart,
        proven: &Proven,
        mut build: Build,
    ) -> Result<Option<Build>, BuildError> {
        let Some(artifact) = object.artifact() else {
            return Ok(None);
        };
        build.made.proof = proven.recall(object, artifact, self.keys);
        if build.made.proof.is_some() {
            return Ok(Some(build));
        }
        if build.made.packaged || !artifact.digest.starts_with(SHA256) {
            return Ok(None);
        }
        match self.prove(artifact.digest.clone()).await {
            Ok(proof) => build.made.proof = Some(proof),
            Err(Unproven::Wrong(ProvenanceError::OtherDigest { .. })) => return Ok(None),
            Err(unproven) => return Err(unproven.into()),
        }
        Ok(Some(build))
    }

    async fn prove(self, digest: String) -> Result<Proof, Unproven> {
        let text = self.repository.provenance(self.chosen).await;
        let text = text.map_err(|(problem, delay)| Unproven::Away(problem, delay))?;
        let (file, name, version) = (
            self.chosen.file(),
            last(self.name).to_owned(),
            self.chosen.version.clone(),
        );
        let keys = self.keys.clone();
        let check = move || {
            let archive = provenance::Archive {
                file: &file,
                digest: &digest,
                name: &name,
                version: &version,
            };
            let signer = provenance::check(&text, &archive, &keys, now())?;
            let keys = keys.fingerprint();
            Ok(Proof::Provenance { signer, keys })
        };
        let checked = blocking(check).await;
        let checked = checked.map_err(|failure| Unproven::Away(failure.message, None))?;
        checked.map_err(Unproven::Wrong)
    }
}

impl From<Unproven> for BuildError {
    fn from(unproven: Unproven) -> Self {
        match unproven {
            Unproven::Away(problem, delay) => {
                let text = format!("failed to get the provenance file of the chart: {problem}");
                BuildError::new(Step::Provenance, text).not_before(delay)
            }
            Unproven::Wrong(error) => BuildError::new(Step::Provenance, chain(&error)),
        }
    }
}

impl Proven {
    /// How a chart on the shelf is proven by one of these keys, if that was found and still counts.
    fn recall(&self, object: &HelmChart, chart: &Artifact, keys: &Keys) -> Option<Proof> {
        let seen = lock(&self.0);
        let (digest, proof) = seen.get(&Key::of(object))?;
        let Proof::Provenance { signer, keys: theirs } = proof else {
            return None;
        };
        let same = *digest == chart.digest && *theirs == keys.fingerprint();
        (same && now() < signer.until).then(|| proof.clone())
    }

    /// Takes in how the chart that is now on the shelf was proven.
    pub fn keep(&self, object: &HelmChart, chart: &Artifact, made: &Made) {
        let key = Key::of(object);
        match &made.proof {
            Some(proof @ Proof::Provenance { .. }) => {
                lock(&self.0).insert(key, (chart.digest.clone(), proof.clone()));
            }
            Some(Proof::Signature | Proof::Ignored) | None => self.forget(&key),
        }
    }

    /// Forgets a chart.
    pub fn forget(&self, key: &Key) {
        lock(&self.0).remove(key);
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    jiff::Timestamp::now().as_second().max(0).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openpgp::Signer;

    fn artifact(digest: &str) -> Artifact {
        let json = serde_json::json!({
            "revision": "1.0.0", "digest": digest, "path": "", "url": "", "lastUpdateTime": "2026-01-01T00:00:00Z",
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn only_the_same_chart_by_the_same_keys_in_their_time_is_recalled() {
        let mut object = HelmChart::default();
        object.metadata.name = Some("web".into());
        let ring = |text: &'static str| Keys::read(std::iter::once(text.as_bytes()));
        let (keys, others, chart) = (ring("a"), ring("b"), artifact("sha256:a"));
        let made = |until| Made {
            proof: Some(Proof::Provenance {
                signer: Signer {
                    key: "A".into(),
                    until,
                },
                keys: keys.fingerprint(),
            }),
            ..Made::default()
        };
        let proven = Proven::default();
        assert!(proven.recall(&object, &chart, &keys).is_none());
        proven.keep(&object, &chart, &made(u64::MAX));
        assert_eq!(proven.recall(&object, &chart, &keys), made(u64::MAX).proof);
        assert!(proven.recall(&object, &chart, &others).is_none());
        assert!(proven.recall(&object, &artifact("sha256:b"), &keys).is_none());
        proven.keep(&object, &chart, &made(now()));
        assert!(
            proven.recall(&object, &chart, &keys).is_none(),
            "the key's time is over"
        );
        for forget in [
            |proven: &Proven, object: &HelmChart| proven.forget(&Key::of(object)),
            |proven: &Proven, object: &HelmChart| {
                proven.keep(object, &artifact("sha256:a"), &Made::default())
            },
        ] {
            proven.keep(&object, &chart, &made(u64::MAX));
            forget(&proven, &object);
            assert!(proven.recall(&object, &chart, &keys).is_none());
        }
    }
}
