//! I/O: the manifest and its layer from the registry, and the archive of the layer's files on the shelf.

use super::{KIND, pull_failed, request::Request};
use crate::{files, oci::Registry, record::Failure, storage::Storage};
use artifact::{Limits, pack, unpack};
use crds::{
    meta::Artifact,
    source::{OCIRepository, OciLayerOperation, reason},
};
use runtime::{Key, telemetry::chain};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, BufWriter, Seek as _, Write as _},
};

/// A layer is never larger, in bytes.
const MAX_LAYER: u64 = 1 << 30;

/// The link beside the artifacts that always leads to the newest.
const LATEST: &str = "latest.tar.gz";

/// A layer that was downloaded and is what its digest says.
pub struct Pulled {
    content: File,
    operation: OciLayerOperation,
    digest: String,
    annotations: BTreeMap<String, String>,
}

/// An artifact that was stored.
#[derive(Debug)]
pub struct Archived {
    /// The artifact.
    pub artifact: Artifact,
    /// Where the newest is always found.
    pub latest: Option<String>,
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
    let failed = |e: &crate::oci::OciError| pull_failed(&doing, e);
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
    let full = |e: io::Error| {
        let text = format!("cannot keep what is downloaded: {e}");
        Failure::storage_text(reason::ARCHIVE_OPERATION_FAILED, text)
    };
    let mut writer = BufWriter::new(storage.scratch().map_err(full)?);
    registry
        .download(repository, layer, MAX_LAYER, &mut writer)
        .await
        .map_err(|e| failed(&e))?;
    writer.flush().map_err(full)?;
    let mut content = writer.into_inner().map_err(|e| full(e.into_error()))?;
    content.rewind().map_err(full)?;
    Ok(Pulled {
        content,
        operation: request.operation,
        digest: digest.to_owned(),
        annotations: if manifest.annotations.is_empty() {
            annotations
        } else {
            manifest.annotations
        },
    })
}

/// Blocking: puts the layer on the shelf, its files packed anew or its bytes as they are.
pub fn archive(
    storage: &Storage,
    object: &OCIRepository,
    pulled: Pulled,
    revision: String,
) -> Result<Archived, Failure> {
    let key = Key::of(object);
    let path = Storage::path(KIND, &key, &format!("{}.tar.gz", pulled.digest));
    let mut content = pulled.content;
    let stored = match pulled.operation {
        OciLayerOperation::Copy => {
            storage.write(&path, |mut writer| io::copy(&mut content, &mut writer).map(drop))
        }
        OciLayerOperation::Extract => {
            let tree = unpack(BufReader::new(content), &Limits::default()).map_err(|e| {
                let text = format!("failed to extract layer contents from artifact: {}", chain(&e));
                Failure::fetch(reason::OCI_LAYER_OPERATION_FAILED, text)
            })?;
            let rules = files::rules(&tree, object.spec.ignore.as_deref());
            storage.write(&path, |writer| {
                pack(files::entries(&tree, &rules), writer).map(drop)
            })
        }
    };
    let (digest, size) = stored.map_err(|e| Failure::storage(reason::ARCHIVE_OPERATION_FAILED, &e))?;
    let artifact = Artifact {
        digest: digest.to_string(),
        last_update_time: runtime::conditions::now(),
        metadata: Some(pulled.annotations).filter(|notes| !notes.is_empty()),
        url: storage.url(&path),
        path,
        revision,
        size: i64::try_from(size).ok(),
    };
    // What cannot be cleared away now is cleared away next time; a link is a convenience.
    let _ = storage.collect(&artifact);
    let latest = storage.link(&artifact.path, LATEST).ok();
    Ok(Archived { artifact, latest })
}
