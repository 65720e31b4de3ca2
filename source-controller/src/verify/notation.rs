//! Notation's signatures (Notary Project specifications 1.1): envelopes that refer to the artifact, judged by a trust policy.

mod envelope;
mod trust_policy;

pub use trust_policy::TrustPolicy;

use super::{
    Verdict, VerifyError,
    certificate::{Certificate, Usage},
    reference, timestamp,
};
use crate::oci::{OciError, Registry, Repository};
pub(super) use envelope::Envelope;
use envelope::Scheme;
use jiff::Timestamp;
use serde::Deserialize;
use trust_policy::{Action, Check, Statement};

/// What a signature is an artifact of.
const ARTIFACT: &str = "application/vnd.cncf.notary.signature";
/// What is signed.
const PAYLOAD: &str = "application/vnd.cncf.notary.payload.v1+json";
/// So many signatures are tried, as in Flux.
const MAX_SIGNATURES: usize = 3;
/// An envelope is never larger, in bytes.
const MAX_ENVELOPE: u64 = 1 << 20;

/// A trust policy, and the certificates of all its trust stores.
#[derive(Debug)]
pub struct Policy {
    /// What has to be checked, and what a failure means.
    pub policy: TrustPolicy,
    /// Whom to trust.
    pub certificates: Vec<Certificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    target_artifact: Target,
}

#[derive(Deserialize)]
struct Target {
    digest: String,
}

/// Looks for a signature of the artifact with a digest.
pub(super) async fn verify(
    registry: &Registry,
    repository: &Repository,
    digest: &str,
    policy: &Policy,
    now: Timestamp,
) -> Result<Verdict, VerifyError> {
    let name = repository.to_string();
    let statement = policy.policy.statement(&name).ok_or_else(|| {
        let text = format!("artifact {name:?} has no applicable oci trust policy statement; trust policy is default to be strict");
        VerifyError::Policy(text)
    })?;
    if statement.is_skip() {
        return Ok(Verdict::Ignored);
    }
    let unread = |source| VerifyError::Registry {
        reference: reference(repository, digest),
        source,
    };
    let (mut problems, mut tried) = (Vec::new(), 0);
    for referrer in registry.referrers(repository, digest).await.map_err(unread)? {
        // Some indexes of referrers say only of what media type the configuration is.
        if referrer.artifact_type != ARTIFACT && !referrer.artifact_type.is_empty() {
            continue;
        }
        let found = envelope(registry, repository, &referrer.digest)
            .await
            .map_err(unread)?;
        let Some(found) = found else { continue };
        match found.and_then(|envelope| judge(&envelope, digest, statement, &policy.certificates, now)) {
            Ok(verdict) => return Ok(verdict),
            Err(problem) => problems.push(problem),
        }
        tried += 1;
        if tried == MAX_SIGNATURES {
            break;
        }
    }
    Err(VerifyError::NoMatch {
        reference: reference(repository, digest),
        problems,
    })
}

/// The envelope in a signature's manifest; `None` if the manifest is none of a signature.
async fn envelope(
    registry: &Registry,
    repository: &Repository,
    digest: &str,
) -> Result<Option<Result<Envelope, String>>, OciError> {
    let manifest = match registry.manifest(repository, digest).await {
        Ok(manifest) => manifest,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    let by_config = manifest
        .config
        .as_ref()
        .is_some_and(|config| config.media_type == ARTIFACT);
    if manifest.artifact_type != ARTIFACT && !by_config {
        return Ok(None);
    }
    let [layer] = manifest.layers.as_slice() else {
        return Ok(Some(Err("a signature must have one envelope".into())));
    };
    match registry.blob(repository, layer, MAX_ENVELOPE).await {
        Ok(text) => Ok(Some(Envelope::parse(&layer.media_type, &text))),
        Err(error @ (OciError::Digest { .. } | OciError::TooLarge { .. })) => {
            Ok(Some(Err(error.to_string())))
        }
        Err(error) => Err(error),
    }
}

/// What an envelope comes to under a statement. Integrity must always hold; of the rest the statement says what a failure means.
pub(super) fn judge(
    envelope: &Envelope,
    digest: &str,
    statement: &Statement,
    trusted: &[Certificate],
    now: Timestamp,
) -> Result<Verdict, String> {
    integrity(envelope, digest)?;
    let mut verdict = Verdict::Verified;
    let checks = [
        (Check::Authenticity, authenticity(envelope, statement, trusted)),
        (Check::Expiry, expiry(envelope, now)),
        (
            Check::AuthenticTimestamp,
            signed_in_time(envelope, statement, trusted, now),
        ),
        (Check::Revocation, revocation(envelope)),
    ];
    for (check, outcome) in checks {
        match (statement.action(check), outcome) {
            (Action::Enforce, Err(problem)) => return Err(problem),
            // As in Flux: what is not authentic is let through by such a policy, and not called verified.
            (Action::Log, Err(_)) if check == Check::Authenticity => verdict = Verdict::Ignored,
            (Action::Skip, _) if check == Check::Authenticity => verdict = Verdict::Ignored,
            (Action::Enforce, Ok(())) | (Action::Log | Action::Skip, _) => {}
        }
    }
    Ok(verdict)
}

/// The envelope is whole, and is about this artifact.
fn integrity(envelope: &Envelope, digest: &str) -> Result<(), String> {
    if envelope.content_type != PAYLOAD {
        return Err(format!(
            "what is signed is of the type '{}'",
            envelope.content_type
        ));
    }
    if !envelope.is_signed() {
        return Err("the signature is wrong".into());
    }
    let payload: Payload =
        serde_json::from_slice(&envelope.payload).map_err(|_| "what is signed cannot be read".to_owned())?;
    if payload.target_artifact.digest != digest {
        return Err("the signature is of another artifact".into());
    }
    Ok(())
}

/// The signer's certificate leads to one that is trusted, and names somebody who is.
fn authenticity(envelope: &Envelope, statement: &Statement, trusted: &[Certificate]) -> Result<(), String> {
    let store = match envelope.scheme {
        Scheme::X509 => "ca",
        Scheme::SigningAuthority => "signingAuthority",
    };
    if !statement.has_store(store) {
        return Err(format!(
            "the trust policy has no trust store of the type '{store}'"
        ));
    }
    let leaf = envelope.leaf();
    if leaf.has_unknown_critical() {
        return Err("the signer's certificate has an extension that must be understood and is not".into());
    }
    let is_trusted = |certificate: &Certificate| trusted.iter().any(|its| its == certificate);
    let anchor = envelope.chain.iter().position(is_trusted);
    let anchor = anchor.ok_or("the signer's certificate leads to none that is trusted")?;
    // A certificate that is trusted itself needs no path.
    if anchor > 0 {
        let between: Vec<&Certificate> = envelope.chain[1..anchor].iter().collect();
        // Whether certificates count is another question: here, they must have when they say they signed.
        if !leaf.leads_to(
            &[&envelope.chain[anchor]],
            &between,
            envelope.signing_time,
            Usage::CodeSigningOrAny,
        ) {
            return Err("the signer's certificate leads to none that is trusted".into());
        }
    }
    if !statement.trusts(&leaf.subject()) {
        return Err("the signer's certificate names none of the trusted identities".into());
    }
    Ok(())
}

/// The signature has no end, or it has not come.
fn expiry(envelope: &Envelope, now: Timestamp) -> Result<(), String> {
    match envelope.expiry {
        Some(end) if end <= now => Err(format!("the signature has expired at {end}")),
        _ => Ok(()),
    }
}

/// The certificates count: now, or when they signed, by the word of whoever is trusted for that.
fn signed_in_time(
    envelope: &Envelope,
    statement: &Statement,
    trusted: &[Certificate],
    now: Timestamp,
) -> Result<(), String> {
    let count_at = |time: Timestamp| {
        let all = envelope
            .chain
            .iter()
            .all(|certificate| certificate.is_valid_at(time));
        all.then_some(())
            .ok_or_else(|| format!("a certificate of the signer does not count at {time}"))
    };
    match envelope.scheme {
        Scheme::SigningAuthority => count_at(envelope.signing_time),
        Scheme::X509 if !statement.has_store("tsa") => count_at(now),
        Scheme::X509 if statement.asks_when_expired() && count_at(now).is_ok() => Ok(()),
        Scheme::X509 => {
            let token = envelope
                .timestamp
                .as_ref()
                .ok_or("the signature has no timestamp")?;
            let anchors: Vec<&Certificate> = trusted.iter().collect();
            let time = timestamp::check(token, envelope.signature(), &anchors, &[])?;
            count_at(time)
        }
    }
}

/// Certificates that name somebody to ask whether they were revoked cannot be checked: nobody is asked.
fn revocation(envelope: &Envelope) -> Result<(), String> {
    // CRL distribution points, and authority information access.
    let asks = |certificate: &Certificate| {
        ["2.5.29.31", "1.3.6.1.5.5.7.1.1"]
            .iter()
            .any(|id| certificate.extension(id).is_some())
    };
    if envelope.chain.iter().any(asks) {
        return Err(
            "whether the signer's certificates were revoked is not checked by this version; say so in the trust policy \
             (signatureVerification.override.revocation: skip)"
                .into(),
        );
    }
    Ok(())
}
