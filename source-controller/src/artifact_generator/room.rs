//! PURE: how many artifacts one object can tell of.

use crds::extensions::{ArtifactGenerator, ExternalArtifactReference};
use kube::ResourceExt as _;
use thiserror::Error;

/// What an object may have with what it tells of its artifacts, in bytes. etcd takes 1.5 MiB (`--max-request-bytes`), and the
/// API server turns down the write of a status that brings the object over it; conditions and messages are in the rest.
const MOST: usize = 1280 << 10;
/// The longest digest of an artifact (SHA-512).
const DIGEST: usize = "sha512:".len() + 128;
/// An artifact's file name: the SHA-256 of what it has, and `.tar.gz`.
const FILENAME: usize = 64 + ".tar.gz".len();

/// The artifacts do not fit into their object.
#[derive(Debug, Error)]
#[error("the object and what its status tells of its artifacts have more than {MOST} bytes together")]
pub struct Full;

/// What is left for artifacts.
#[derive(Debug)]
pub struct Room {
    left: usize,
    /// What each takes besides its name.
    each: usize,
}

impl Room {
    /// What is left beside the object itself.
    pub fn of(object: &ArtifactGenerator) -> Self {
        let entry = ExternalArtifactReference {
            digest: "0".repeat(DIGEST),
            filename: "0".repeat(FILENAME),
            name: String::new(),
            namespace: object.namespace().unwrap_or_default(),
        };
        let own = size(&object.spec) + size(&object.metadata);
        Self {
            left: MOST.saturating_sub(own),
            each: size(&entry) + ",".len(),
        }
    }

    /// Takes what an artifact takes.
    ///
    /// # Errors
    /// So much is not left.
    pub fn take(&mut self, name: &str) -> Result<(), Full> {
        self.left = self.left.checked_sub(self.each + name.len()).ok_or(Full)?;
        Ok(())
    }
}

fn size(part: &impl serde::Serialize) -> usize {
    // What was read as JSON can be written as JSON.
    serde_json::to_vec(part).map_or(MOST, |text| text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::extensions::{ArtifactGeneratorSpec, ArtifactGeneratorStatus, OutputArtifact};

    /// As large as etcd takes it, but for what conditions and messages have.
    #[test]
    fn what_fits_can_be_written() {
        let artifact = |length: usize| OutputArtifact {
            name: "x".repeat(length),
            ..OutputArtifact::default()
        };
        for (spec, name) in [
            (0, "a".to_owned()),
            (0, "n".repeat(253)),
            (900 << 10, "app".to_owned()),
        ] {
            let spec = ArtifactGeneratorSpec {
                artifacts: vec![artifact(spec)],
                ..ArtifactGeneratorSpec::default()
            };
            let mut object = ArtifactGenerator::new("parts", spec);
            object.metadata.namespace = Some("some-namespace".to_owned());
            let mut room = Room::of(&object);
            let mut inventory = Vec::new();
            while room.take(&name).is_ok() {
                inventory.push(ExternalArtifactReference {
                    digest: "0".repeat(DIGEST),
                    filename: "0".repeat(FILENAME),
                    name: name.clone(),
                    namespace: "some-namespace".to_owned(),
                });
            }
            let fit = inventory.len();
            object.status = Some(ArtifactGeneratorStatus {
                inventory,
                ..ArtifactGeneratorStatus::default()
            });
            let whole = size(&object);
            assert!(
                whole > MOST - 1024 && whole < MOST + 1024,
                "{fit} fit, {whole} bytes"
            );
        }
        let mut full = ArtifactGenerator::new("parts", ArtifactGeneratorSpec::default());
        full.spec.artifacts = vec![artifact(2 << 20)];
        assert!(Room::of(&full).take("a").is_err());
    }
}
