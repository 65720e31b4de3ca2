//! PURE: who made a signature: a key that is given, or a certificate that Sigstore gave to an identity for a moment.

use super::{
    Trust, identity, sct,
    tlog::{Entry, Expected},
};
use crate::verify::{
    certificate::{Certificate, Usage},
    timestamp,
};
use jiff::Timestamp;

/// What came with a signature.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The signer's certificate.
    pub certificate: Option<Certificate>,
    /// Certificates between that and the authority's.
    pub between: Vec<Certificate>,
    /// Entries of logs.
    pub entries: Vec<Entry>,
    /// The word of others on when it was signed (RFC 3161).
    pub timestamps: Vec<Vec<u8>>,
}

/// So many entries of logs are looked at.
const MAX_ENTRIES: usize = 8;

/// Checks who made a signature: `message` is what was signed, `payload` what of it a log has.
///
/// # Errors
/// What is wrong.
pub fn check(
    evidence: &Evidence,
    trust: &Trust,
    message: &[u8],
    payload: &[u8],
    signature: &[u8],
) -> Result<(), String> {
    let (root, identities) = match trust {
        Trust::Keys(keys) => {
            let by_one = keys.iter().any(|key| key.signed_by_kind(message, signature));
            return by_one
                .then_some(())
                .ok_or_else(|| "the signature is by another key".to_owned());
        }
        Trust::Root { root, identities } => (root, identities),
    };
    let certificate = evidence
        .certificate
        .as_ref()
        .ok_or("the signature has no certificate")?;
    let expected = Expected {
        signature,
        certificate,
        message,
        payload,
    };
    // When: by a log's word, or by that of an authority of time where the log gives none.
    let mut time: Result<Timestamp, String> = Err("the signature has no entry of a transparency log".into());
    for entry in evidence.entries.iter().take(MAX_ENTRIES) {
        time = if entry.is_second {
            stamped(evidence, root, signature).and_then(|time| entry.check_second(root, expected, time))
        } else {
            entry.check(root, expected)
        };
        if time.is_ok() {
            break;
        }
    }
    let time = time?;
    if !certificate.is_valid_at(time) {
        return Err("the certificate did not count when the log took the signature".into());
    }
    // Who: somebody to whom the authority gave the certificate, which a log of certificates has.
    let issuer = issuer(certificate, evidence, root, time)?;
    sct::check(certificate, &issuer, &root.certificate_logs)?;
    identity::check(certificate, identities)?;
    // What.
    let signed = certificate.key().signed_by_kind(message, signature);
    signed
        .then_some(())
        .ok_or_else(|| "the signature is wrong".into())
}

/// When an authority of time says that it saw the signature.
fn stamped(evidence: &Evidence, root: &super::TrustedRoot, signature: &[u8]) -> Result<Timestamp, String> {
    let mut found = Err("the signature has no timestamp, which entries of such logs need".to_owned());
    for token in &evidence.timestamps {
        for authority in &root.timestamp_authorities {
            let Some((anchor, given)) = authority.chain.split_last() else {
                continue;
            };
            let given: Vec<&Certificate> = given.iter().collect();
            found = timestamp::check(token, signature, &[anchor], &given);
            if let Ok(time) = found {
                if authority.counted_at(time) {
                    return Ok(time);
                }
                found = Err("the authority of time did not count when it gave the timestamp".into());
            }
        }
    }
    found
}

/// Whom of the trusted authorities the certificate is from.
fn issuer(
    certificate: &Certificate,
    evidence: &Evidence,
    root: &super::TrustedRoot,
    time: Timestamp,
) -> Result<Certificate, String> {
    if certificate.is_ca() || !certificate.signs_code() {
        return Err("the certificate is not for signing".into());
    }
    for authority in root
        .authorities
        .iter()
        .filter(|authority| authority.counted_at(time))
    {
        let Some((anchor, given)) = authority.chain.split_last() else {
            continue;
        };
        // All that the root trusts must count at the time, not only the anchor.
        if !authority.chain.iter().all(|link| link.is_valid_at(time)) {
            continue;
        }
        let between: Vec<&Certificate> = given.iter().chain(&evidence.between).collect();
        if certificate.leads_to(&[anchor], &between, time, Usage::CodeSigning) {
            let all = between.iter().copied().chain([anchor]);
            let issuer = all.into_iter().find(|link| certificate.is_issued_by(link));
            return issuer
                .cloned()
                .ok_or_else(|| "the certificate's issuer is missing".into());
        }
    }
    Err("the certificate is from none of the trusted authorities".into())
}
