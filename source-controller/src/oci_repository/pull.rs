//! I/O: the manifest and its layer from the registry, and the archive of the layer's files on the shelf.

use super::{KIND, pull_failed, request::Request};
use crate::{
    downloads::Download,
    files::{self, KeepError},
    oci::{OciError, Registry},
    record::Failure,
    spool::Spool,
    storage::{Offer, Published, Storage},
};
use artifact::{Limits, UnpackError, pack};
use crds::source::{OCIRepository, OciLayerOperation, reason};
use runtime::{Key, telemetry::chain};
use std::{
    collections::BTreeMap,
    io::{self, BufReader},
};

/// A layer is never larger, in bytes.
const MAX_LAYER: u64 = 1 << 30;

/// Annotations that go into the status are not larger together, in bytes.
const MAX_NOTES: usize = 64 << 10;
/// Keys that the OCI Image Spec defines begin so.
const OCI_NOTES: &str = "org.opencontainers.image.";

/// The link beside the artifacts that always leads to the newest.
const LATEST: &str = "latest.tar.gz";

/// A layer that was downloaded and is what its digest says.
pub struct Pulled {
    content: Download,
    operation: OciLayerOperation,
    digest: String,
    annotations: BTreeMap<String, String>,
    /// How many annotations are not told of in the status.
    pub left_out: usize,
}

/// Downloads the layer that the spec means of the manifest with this digest.
pub async fn run(
    registry: &Registry,
    request: &Request,
    digest: &str,
    storage: &Storage,
) -> Result<Pulled, Failure> {
    let repository = &request.repository;
    let doing = format!("failed to pull artifact from 'oci://{repository}'");
    let failed = |e: &OciError| pull_failed(&doing, e);
    let mut manifest = registry
        .manifest(repository, digest)
        .await
        .map_err(|e| failed(&e))?;
    let annotations = manifest.annotations.clone();
    if manifest.is_index() {
        let chosen = manifest.chosen().cloned().ok_or_else(|| {
            let text = format!("{doing}: the index has no manifest for linux/amd64");
            Failure::fetch(reason::OCI_PULL_FAILED, text)
        })?;
        manifest = registry
            .manifest(repository, &chosen.digest)
            .await
            .map_err(|e| failed(&e))?;
    }
    let layer = manifest.layer(request.media_type.as_deref()).ok_or_else(|| {
        let text = match &request.media_type {
            Some(wanted) => format!("failed to find layer with media type '{wanted}' in artifact"),
            None => "no layers found in artifact".to_owned(),
        };
        Failure::fetch(reason::OCI_LAYER_OPERATION_FAILED, text)
    })?;
    let content = registry
        .layer(repository, layer, MAX_LAYER, || storage.scratch())
        .await
        .map_err(|e| match &e {
            OciError::Write(error) => {
                let text = format!("cannot keep what is downloaded: {error}");
                Failure::storage_text(reason::ARCHIVE_OPERATION_FAILED, text)
            }
            _ => failed(&e),
        })?;
    let annotations = if manifest.annotations.is_empty() {
        annotations
    } else {
        manifest.annotations
    };
    let all = annotations.len();
    let annotations = tellable(annotations);
    Ok(Pulled {
        content,
        operation: request.operation,
        digest: digest.to_owned(),
        left_out: all - annotations.len(),
        annotations,
    })
}

/// PURE: the annotations that the status has room for: the API server takes no object that is much larger, and then nobody
/// would be told anything. Those that OCI knows come first, then the shorter ones.
fn tellable(annotations: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut all: Vec<(String, String)> = annotations.into_iter().collect();
    let size = |(key, value): &(String, String)| key.len() + value.len();
    all.sort_by_key(|note| (!note.0.starts_with(OCI_NOTES), size(note)));
    let mut left = MAX_NOTES;
    all.retain(|note| match left.checked_sub(size(note)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    });
    all.into_iter().collect()
}

/// Blocking: puts the layer on the shelf, its files packed anew or its bytes as they are.
pub fn archive(
    storage: &Storage,
    object: &OCIRepository,
    pulled: Pulled,
    revision: String,
) -> Result<Published, Failure> {
    let offer = Offer {
        kind: KIND,
        key: Key::of(object),
        file: format!("{}.tar.gz", pulled.digest),
        revision: Some(revision),
        metadata: pulled.annotations,
        link: Some(LATEST),
    };
    let mut content = pulled.content.reader();
    let published = match pulled.operation {
        OciLayerOperation::Copy => {
            storage.publish(offer, |mut writer| io::copy(&mut content, &mut writer).map(drop))
        }
        OciLayerOperation::Extract => {
            let disk = |e: &dyn std::error::Error| {
                let text = format!("cannot keep what is unpacked: {}", chain(e));
                Failure::storage_text(reason::ARCHIVE_OPERATION_FAILED, text)
            };
            let scratch = storage.scratch().map_err(|e| disk(&e))?;
            let spool = Spool::unpack(BufReader::new(content), &Limits::default(), scratch);
            let spool = spool.map_err(|e| match &e {
                UnpackError::Keep(error) => disk(error),
                _ => {
                    let text = format!("failed to extract layer contents from artifact: {}", chain(&e));
                    Failure::fetch(reason::OCI_LAYER_OPERATION_FAILED, text)
                }
            })?;
            let kept = files::keep(&spool, object.spec.ignore.as_deref()).map_err(|e| match &e {
                KeepError::Rules(rules) => Failure::rules(rules),
                KeepError::Read(error) => disk(error),
            })?;
            let entries = kept
                .iter()
                .map(|(path, node)| Ok::<_, io::Error>(spool.entry(path, *node)));
            storage.publish(offer, |writer| pack(entries, writer).map(drop))
        }
    };
    published.map_err(|e| Failure::storage(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_has_room_for_the_annotations_that_matter() {
        let notes = |notes: &[(&str, usize)]| -> BTreeMap<String, String> {
            let note = |(key, size): &(&str, usize)| ((*key).to_owned(), "x".repeat(*size));
            notes.iter().map(note).collect()
        };
        let revision = "org.opencontainers.image.revision";
        let few = notes(&[("a", 10), (revision, 40)]);
        assert_eq!(tellable(few.clone()), few);
        let kept = tellable(notes(&[
            ("a", 10),
            ("b", 4 << 20),
            (revision, 40),
            ("c", 65_000),
            ("d", 400),
        ]));
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["a", "c", "d", revision]);
        let many: Vec<String> = (0..100_000).map(|n| format!("k{n}")).collect();
        let many: Vec<(&str, usize)> = many.iter().map(|key| (key.as_str(), 20)).collect();
        let kept = tellable(notes(&many));
        assert!(kept.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() <= MAX_NOTES);
    }
}
