//! PURE: entries of Rekor version 2: what is in the log follows from the signature, so that the entry need not say it.

use super::{Entry, Expected, hash};
use crate::verify::{cosign::trusted_root::TrustedRoot, key::Kind};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

impl Entry {
    /// Checks that a trusted log has an entry about this signature, at a time that somebody else vouches for; gives the
    /// time.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check_second(
        &self,
        root: &TrustedRoot,
        expected: Expected<'_>,
        time: Timestamp,
    ) -> Result<Timestamp, String> {
        let log = root.logs.iter().find(|log| log.id == self.log);
        let log = log.ok_or("the log entry is of a log that is not trusted")?;
        if !log.counted_at(time) {
            return Err("the log's key did not count when the signature was made".into());
        }
        let proof = self
            .proof
            .as_ref()
            .ok_or("the log entry has no inclusion proof")?;
        proof.check(hash(&[&[0], entry(expected)?.as_bytes()]), log)?;
        Ok(time)
    }
}

/// The entry for a signature: JSON in canonical form (RFC 8785) of a `hashedrekord` of version 0.0.2.
fn entry(expected: Expected<'_>) -> Result<String, String> {
    let (algorithm, digest, details) = match expected.certificate.key().kind() {
        Kind::P256 => (
            "SHA2_256",
            Sha256::digest(expected.message).to_vec(),
            "PKIX_ECDSA_P256_SHA_256",
        ),
        Kind::P384 => (
            "SHA2_384",
            Sha384::digest(expected.message).to_vec(),
            "PKIX_ECDSA_P384_SHA_384",
        ),
        Kind::P521 => (
            "SHA2_512",
            Sha512::digest(expected.message).to_vec(),
            "PKIX_ECDSA_P521_SHA_512",
        ),
        Kind::Rsa | Kind::Ed25519 => {
            return Err("log entries about signatures by such keys are not supported".into());
        }
    };
    let (digest, signature) = (STANDARD.encode(digest), STANDARD.encode(expected.signature));
    let certificate = STANDARD.encode(expected.certificate.der());
    Ok(format!(
        r#"{{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{{"hashedRekordV002":{{"data":{{"algorithm":"{algorithm}","digest":"{digest}"}},"signature":{{"content":"{signature}","verifier":{{"keyDetails":"{details}","x509Certificate":{{"rawBytes":"{certificate}"}}}}}}}}}}}}"#
    ))
}
