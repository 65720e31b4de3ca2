//! PURE: manifests and indexes (OCI Image Spec, and Docker's schema 2, which has the same fields).

use crate::at_most::at_most;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// The media types that we ask for.
pub(super) const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// A manifest never has more layers, and an index no more manifests.
const MOST: usize = 10_000;

/// What points to a blob or a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// `sha256:<hex>`.
    pub digest: String,
    /// Its size in bytes.
    #[serde(default)]
    pub size: u64,
    /// What it is an artifact of, where it is a referrer.
    #[serde(default, deserialize_with = "or_none")]
    pub artifact_type: String,
    /// Notes of whoever made it.
    #[serde(default, deserialize_with = "or_none")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Platform {
    architecture: String,
    os: String,
}

/// A manifest, or an index of manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Manifest {
    /// What it is, where it says so itself.
    pub media_type: String,
    /// What it is an artifact of, where it says so itself.
    #[serde(deserialize_with = "or_none")]
    pub artifact_type: String,
    /// The configuration, whose media type says what an artifact is that has no type of its own.
    pub config: Option<Descriptor>,
    /// What it refers to.
    pub subject: Option<Descriptor>,
    /// The layers, in order.
    #[serde(deserialize_with = "at_most::<_, _, MOST>")]
    pub layers: Vec<Descriptor>,
    /// The manifests of an index.
    #[serde(deserialize_with = "at_most::<_, _, MOST>")]
    pub manifests: Vec<Descriptor>,
    /// Notes of whoever made it.
    #[serde(deserialize_with = "or_none")]
    pub annotations: BTreeMap<String, String>,
}

/// `null` is nothing, as Go reads it.
fn or_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl Manifest {
    /// The manifest that an index means: that for linux/amd64, as Flux's client has it; `None` if this is no index.
    pub fn chosen(&self) -> Option<&Descriptor> {
        let fits = |d: &&Descriptor| {
            d.platform
                .as_ref()
                .is_none_or(|p| p.os == "linux" && p.architecture == "amd64")
        };
        self.manifests.iter().find(fits)
    }

    /// Whether it is an index.
    pub fn is_index(&self) -> bool {
        !self.manifests.is_empty()
    }

    /// The layer that a selector means: the first of its media type, or the first of all.
    pub fn layer(&self, media_type: Option<&str>) -> Option<&Descriptor> {
        let media_type = media_type.filter(|wanted| !wanted.is_empty());
        let mut layers = self.layers.iter();
        layers.find(|layer| media_type.is_none_or(|wanted| layer.media_type == wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_means_its_linux_amd64_manifest() {
        let index: Manifest = serde_json::from_str(
            r#"{"manifests": [
                {"digest": "sha256:a", "platform": {"os": "linux", "architecture": "arm64"}},
                {"digest": "sha256:b", "platform": {"os": "linux", "architecture": "amd64"}}]}"#,
        )
        .unwrap();
        assert_eq!(index.chosen().unwrap().digest, "sha256:b");
        assert!(index.is_index() && index.layer(None).is_none());
        let nothing: Manifest =
            serde_json::from_str(r#"{"layers": null, "manifests": null, "annotations": null}"#).unwrap();
        assert_eq!(nothing, Manifest::default());
    }

    #[test]
    fn lists_end() {
        let index = |count: usize| {
            let items = vec![r#"{"digest":""}"#; count].join(",");
            serde_json::from_str::<Manifest>(&format!(r#"{{"manifests": [{items}]}}"#))
        };
        assert_eq!(index(MOST).unwrap().manifests.len(), MOST);
        let error = index(MOST + 1).unwrap_err().to_string();
        assert!(error.contains("a list of more than 10000"), "{error}");
        assert!(serde_json::from_str::<Manifest>(r#"{"layers": 1}"#).is_err());
    }

    #[test]
    fn layers_are_chosen_by_media_type() {
        let manifest: Manifest = serde_json::from_str(
            r#"{"layers": [{"digest": "sha256:a", "mediaType": "x"}, {"digest": "sha256:b", "mediaType": "y"}]}"#,
        )
        .unwrap();
        for (wanted, found) in [
            (None, Some("sha256:a")),
            (Some("y"), Some("sha256:b")),
            (Some("z"), None),
            (Some(""), Some("sha256:a")),
        ] {
            assert_eq!(manifest.layer(wanted).map(|l| l.digest.as_str()), found);
        }
    }
}
