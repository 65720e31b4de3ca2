//! Cosign's signatures: bundles that refer to the artifact, or else those under the tag `sha256-….sig`.

mod bundle;
mod identity;
mod sct;
mod signer;
mod simple;
mod tlog;
mod trusted_root;

pub use identity::Identity;
pub use trusted_root::TrustedRoot;

use super::{Verdict, VerifyError, key::PublicKey, reference};
use crate::oci::{Descriptor, OciError, Registry, Repository};
use bundle::Bundle;
use simple::Signature;
use std::sync::Arc;

/// So many signatures of an artifact are looked at.
const MAX_SIGNATURES: usize = 50;
/// A signature, or what it signs, is never larger, in bytes.
const MAX_BLOB: u64 = 1 << 20;

/// By whom a signature has to be.
#[derive(Debug)]
pub enum Trust {
    /// By one of these keys. What logs say is of no interest then, as in Flux.
    Keys(Vec<PublicKey>),
    /// By one of these identities (any, if there is none), as an instance of Sigstore attests.
    Root {
        /// The instance.
        root: Arc<TrustedRoot>,
        /// The identities.
        identities: Vec<Identity>,
    },
}

/// Looks for a signature of the artifact with a digest.
pub(super) async fn verify(
    registry: &Registry,
    repository: &Repository,
    digest: &str,
    trust: &Trust,
) -> Result<Verdict, VerifyError> {
    let unread = |source| VerifyError::Registry {
        reference: reference(repository, digest),
        source,
    };
    let mut problems = Vec::new();
    let bundles = bundles(registry, repository, digest).await.map_err(unread)?;
    // Where there are bundles of signatures, only they count.
    if !bundles.is_empty() {
        for bundle in &bundles {
            match bundle.check(digest, trust) {
                Ok(()) => return Ok(Verdict::Verified),
                Err(problem) => problems.push(problem),
            }
        }
    } else {
        for signature in signatures(registry, repository, digest).await.map_err(unread)? {
            match signature.and_then(|signature| signature.check(digest, trust)) {
                Ok(()) => return Ok(Verdict::Verified),
                Err(problem) => problems.push(problem),
            }
        }
    }
    problems.dedup();
    Err(VerifyError::NoMatch {
        reference: reference(repository, digest),
        problems,
    })
}

/// The bundles among what refers to the artifact. What is none of them, or attests something else than a signature, is
/// passed over: an attestation is not a signature, whoever made it.
async fn bundles(
    registry: &Registry,
    repository: &Repository,
    digest: &str,
) -> Result<Vec<Bundle>, OciError> {
    let mut found = Vec::new();
    let referrers = registry.referrers(repository, digest).await?;
    for referrer in referrers.iter().filter(|r| may_be_bundle(r)).take(MAX_SIGNATURES) {
        let manifest = match registry.manifest(repository, &referrer.digest).await {
            Ok(manifest) => manifest,
            Err(error) if is_odd(&error) => continue,
            Err(error) => return Err(error),
        };
        let layer = manifest
            .layers
            .first()
            .filter(|layer| bundle::is_media_type(&layer.media_type));
        let Some(layer) = layer else { continue };
        match registry.blob(repository, layer, MAX_BLOB).await {
            Ok(text) => found.extend(Bundle::parse(&text)),
            Err(error) if is_odd(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Whether a referrer may be a bundle: one that says what it is must say so.
fn may_be_bundle(referrer: &Descriptor) -> bool {
    referrer.artifact_type.is_empty() || bundle::is_media_type(&referrer.artifact_type)
}

/// The signatures under the artifact's tag.
async fn signatures(
    registry: &Registry,
    repository: &Repository,
    digest: &str,
) -> Result<Vec<Result<Signature, String>>, OciError> {
    let tag = format!("{}.sig", digest.replacen(':', "-", 1));
    let Some(manifest) = registry.tagged(repository, &tag).await? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for layer in manifest.layers.iter().take(MAX_SIGNATURES) {
        if layer.media_type != simple::MEDIA_TYPE {
            found.push(Err(format!("'{}' is no signature", layer.media_type)));
            continue;
        }
        match registry.blob(repository, layer, MAX_BLOB).await {
            Ok(payload) => found.push(Signature::parse(&layer.annotations, payload)),
            Err(error) if is_odd(&error) => found.push(Err(error.to_string())),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Whether a thing in the registry is not what it should be, though the registry itself answers.
fn is_odd(error: &OciError) -> bool {
    error.is_missing()
        || matches!(
            error,
            OciError::Answer { .. }
                | OciError::Digest { .. }
                | OciError::TooLarge { .. }
                | OciError::Reference(_)
        )
}
