//! PURE: bundles of Sigstore (media type version 0.3, and 0.1 and 0.2 before it), with a signed statement about the artifact.

use super::{
    Trust,
    signer::{self, Evidence},
    tlog::{Entry, Proof},
};
use crate::verify::certificate::Certificate;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;

/// The kind of a statement (in-toto Attestation Framework 1).
const PAYLOAD: &str = "application/vnd.in-toto+json";
/// What a statement states if it is a signature and not an attestation of something else.
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
/// So many subjects of a statement are looked at.
const MAX_SUBJECTS: usize = 1024;
/// So many timestamps are looked at.
const MAX_TIMESTAMPS: usize = 8;
/// So many certificates may come along.
const MAX_CHAIN: usize = 8;

/// A bundle that claims to be a signature.
#[derive(Debug)]
pub struct Bundle {
    payload: Vec<u8>,
    payload_type: String,
    statement: Statement,
    signatures: Vec<Vec<u8>>,
    evidence: Result<Evidence, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    #[serde(default)]
    media_type: String,
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    #[serde(default)]
    signatures: Vec<Signed>,
}

#[derive(Deserialize)]
struct Signed {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    certificate: Option<Raw>,
    x509_certificate_chain: Option<Chain>,
    #[serde(default)]
    tlog_entries: Vec<JsonEntry>,
    timestamp_verification_data: Option<Timestamps>,
}

#[derive(Deserialize)]
struct Timestamps {
    #[serde(default, rename = "rfc3161Timestamps")]
    tokens: Vec<Token>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    signed_timestamp: String,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    raw_bytes: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonEntry {
    #[serde(default)]
    log_index: Value,
    log_id: LogId,
    #[serde(default)]
    kind_version: KindVersion,
    #[serde(default)]
    integrated_time: Value,
    inclusion_promise: Option<Promise>,
    inclusion_proof: Option<JsonProof>,
    #[serde(default)]
    canonicalized_body: String,
}

#[derive(Default, Deserialize)]
struct KindVersion {
    #[serde(default)]
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Promise {
    signed_entry_timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonProof {
    #[serde(default)]
    log_index: Value,
    root_hash: String,
    #[serde(default)]
    tree_size: Value,
    #[serde(default)]
    hashes: Vec<String>,
    checkpoint: Option<Checkpoint>,
}

#[derive(Deserialize)]
struct Checkpoint {
    envelope: String,
}

#[derive(Debug, Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate: String,
    #[serde(default)]
    subject: Vec<Subject>,
}

#[derive(Debug, Deserialize)]
struct Subject {
    #[serde(default)]
    digest: std::collections::BTreeMap<String, String>,
}

/// Whether this is the media type of a bundle.
pub fn is_media_type(text: &str) -> bool {
    text.starts_with("application/vnd.dev.sigstore.bundle")
}

impl Bundle {
    /// Reads a bundle; `None` if it is none, or states something else than a signature.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let json: Json = serde_json::from_slice(text).ok()?;
        let envelope = json.dsse_envelope?;
        let payload = STANDARD.decode(&envelope.payload).ok()?;
        let statement: Statement = serde_json::from_slice(&payload).ok()?;
        if !is_media_type(&json.media_type) || statement.predicate != SIGNATURE {
            return None;
        }
        let signatures = envelope
            .signatures
            .iter()
            .map(|signed| STANDARD.decode(&signed.sig));
        Some(Self {
            payload,
            payload_type: envelope.payload_type,
            statement,
            signatures: signatures.collect::<Result<_, _>>().ok()?,
            evidence: json.verification_material.evidence(),
        })
    }

    /// Checks that this is a signature of the artifact with a digest, by somebody trusted.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, digest: &str, trust: &Trust) -> Result<(), String> {
        if self.payload_type != PAYLOAD {
            return Err(format!("what is signed is of the type '{}'", self.payload_type));
        }
        let [signature] = self.signatures.as_slice() else {
            return Err("the bundle must have one signature".into());
        };
        let evidence = self.evidence.as_ref().map_err(Clone::clone)?;
        let message = [
            format!(
                "DSSEv1 {} {} {} ",
                self.payload_type.len(),
                self.payload_type,
                self.payload.len()
            )
            .as_bytes(),
            &self.payload,
        ]
        .concat();
        signer::check(evidence, trust, &message, &self.payload, signature)?;
        if !self.statement.kind.starts_with("https://in-toto.io/Statement/") {
            return Err("what is signed is no statement".into());
        }
        let wanted = digest
            .strip_prefix("sha256:")
            .ok_or("the artifact's digest is not SHA-256")?;
        let mut subjects = self.statement.subject.iter().take(MAX_SUBJECTS);
        let is_subject =
            subjects.any(|subject| subject.digest.get("sha256").is_some_and(|hex| hex == wanted));
        is_subject
            .then_some(())
            .ok_or_else(|| "the signature is of another artifact".into())
    }
}

impl Material {
    fn evidence(self) -> Result<Evidence, String> {
        let raw = self.certificate.into_iter().chain(
            self.x509_certificate_chain
                .into_iter()
                .flat_map(|c| c.certificates),
        );
        let mut certificates = Vec::new();
        for raw in raw.take(MAX_CHAIN) {
            let der = STANDARD
                .decode(&raw.raw_bytes)
                .map_err(|_| "a certificate is not base64")?;
            certificates.push(Certificate::from_der(&der).ok_or("a certificate cannot be read")?);
        }
        let mut certificates = certificates.into_iter();
        let entries = self.tlog_entries.into_iter().map(JsonEntry::entry);
        let timestamps = self
            .timestamp_verification_data
            .into_iter()
            .flat_map(|data| data.tokens);
        let timestamps = timestamps
            .take(MAX_TIMESTAMPS)
            .map(|token| STANDARD.decode(token.signed_timestamp).ok());
        Ok(Evidence {
            certificate: certificates.next(),
            between: certificates.collect(),
            timestamps: timestamps
                .collect::<Option<_>>()
                .ok_or("a timestamp is not base64")?,
            entries: entries
                .collect::<Option<_>>()
                .ok_or("a log entry cannot be read")?,
        })
    }
}

impl JsonEntry {
    fn entry(self) -> Option<Entry> {
        let promise = self
            .inclusion_promise
            .map(|promise| STANDARD.decode(promise.signed_entry_timestamp));
        let proof = match self.inclusion_proof {
            None => None,
            Some(proof) => Some(Proof {
                index: u64::try_from(number(&proof.log_index)?).ok()?,
                size: u64::try_from(number(&proof.tree_size)?).ok()?,
                hashes: proof
                    .hashes
                    .iter()
                    .map(|hash| STANDARD.decode(hash).ok())
                    .collect::<Option<_>>()?,
                root: STANDARD.decode(&proof.root_hash).ok()?,
                checkpoint: proof.checkpoint?.envelope,
            }),
        };
        Some(Entry {
            log: STANDARD.decode(&self.log_id.key_id).ok()?,
            is_second: self.kind_version.version == "0.0.2",
            index: number(&self.log_index)?,
            time: number(&self.integrated_time)?,
            body: STANDARD.decode(&self.canonicalized_body).ok()?,
            promise: promise.transpose().ok()?,
            proof,
        })
    }
}

/// A number as protobuf's JSON has large ones: as text, as a number, or left out if it is zero.
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Null => Some(0),
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    }
}
