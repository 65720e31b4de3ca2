//! An instance of Sigstore in a test's hand: an authority that gives certificates to identities, a log of certificates and a
//! log of signatures. What it makes is what cosign accepts, and each part can be made wrong.

mod bundle;
mod public;
mod signing;

pub use bundle::refer;
pub use public::TufRepository;

use anyhow::Result;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData as _,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::{Duration, SystemTime};

use super::Registry;

/// The issuer of identities that it believes.
pub const ISSUER: &str = "https://issuer.example.com";
/// The identity that it gives certificates to.
pub const SUBJECT: &str = "https://example.com/org/app/.github/workflows/release.yaml@refs/heads/main";

const HOUR: i64 = 3600;

/// An instance of Sigstore.
pub struct Sigstore {
    authority: CertifiedIssuer<'static, KeyPair>,
    certificates: Signer,
    signatures: Signer,
}

/// What is wrong with a signature, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flaw {
    /// Nothing.
    #[default]
    None,
    /// The log entry is missing.
    NoEntry,
    /// The log took the signature when the certificate had expired.
    Late,
    /// The log's promise is of other bytes.
    Promise,
    /// The log entry is about another signature.
    OtherEntry,
    /// The certificate has no timestamp of a log of certificates.
    NoTimestamp,
    /// The timestamp of the log of certificates is of another certificate.
    Timestamp,
    /// The signature is of other bytes.
    Signature,
    /// The certificate is not for signing.
    Usage,
    /// What is signed is an attestation of something else.
    Attestation,
    /// The path in the log's tree leads elsewhere.
    Path,
    /// The log's note about its tree is not signed by the log.
    Checkpoint,
    /// There is no word of an authority of time.
    Unstamped,
    /// The word of the authority of time is of another signature.
    OtherStamp,
}

/// A key of P-256.
struct Signer {
    pair: EcdsaKeyPair,
    /// SubjectPublicKeyInfo in DER.
    spki: Vec<u8>,
}

/// A signature and all that goes with it.
struct Signed {
    certificate: String,
    der: Vec<u8>,
    signature: Vec<u8>,
    entry: Vec<u8>,
    time: i64,
    promise: Vec<u8>,
}

impl Signer {
    fn new() -> Result<Self> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        Self::of(&pair)
    }

    fn of(pair: &KeyPair) -> Result<Self> {
        let der = pair.serialize_der();
        Ok(Self {
            spki: pair.subject_public_key_info(),
            pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der)
                .map_err(|e| anyhow::anyhow!("{e}"))?,
        })
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signed = self.pair.sign(&SystemRandom::new(), message);
        Ok(signed
            .map_err(|_| anyhow::anyhow!("cannot sign"))?
            .as_ref()
            .to_vec())
    }

    fn id(&self) -> Vec<u8> {
        debug_assert!(!self.pair.public_key().as_ref().is_empty());
        Sha256::digest(&self.spki).to_vec()
    }
}

impl Sigstore {
    /// A new instance; nobody trusts it yet.
    ///
    /// # Errors
    /// When no keys can be made.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "sigstore in a test");
        (params.not_before, params.not_after) = period(now() - 100 * HOUR, now() + 100 * HOUR);
        Ok(Self {
            authority: CertifiedIssuer::self_signed(params, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)?,
            certificates: Signer::new()?,
            signatures: Signer::new()?,
        })
    }

    /// What it is trusted by: `trusted_root.json`.
    pub fn trusted_root(&self) -> String {
        self.trusted_root_with(None)
    }

    /// The same, with an authority of time that has these certificates in PEM, the leaf first.
    pub fn trusted_root_with(&self, times: Option<&str>) -> String {
        let times = times.map(|chain| {
            let begin = "-----BEGIN CERTIFICATE-----";
            let certificates = chain.split(begin).skip(1).map(|block| {
                let text: String = block
                    .lines()
                    .take_while(|line| !line.starts_with("-----"))
                    .collect();
                json!({"rawBytes": text})
            });
            json!({
                "subject": {"organization": "test", "commonName": "time in a test"}, "uri": "https://time.example.com",
                "certChain": {"certificates": certificates.collect::<Vec<_>>()},
                "validFor": {"start": time(now() - 50 * HOUR)},
            })
        });
        let start = time(now() - 50 * HOUR);
        let log = |signer: &Signer, url: &str| {
            json!({
                "baseUrl": url, "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": STANDARD.encode(&signer.spki), "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": {"start": start},
                },
                "logId": {"keyId": STANDARD.encode(signer.id())},
            })
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.signatures, "https://rekor.example.com")],
            "ctlogs": [log(&self.certificates, "https://ct.example.com")],
            "certificateAuthorities": [{
                "subject": {"organization": "test", "commonName": "sigstore in a test"},
                "uri": "https://fulcio.example.com",
                "certChain": {"certificates": [{"rawBytes": STANDARD.encode(self.authority.der())}]},
                "validFor": {"start": start},
            }],
            "timestampAuthorities": times.into_iter().collect::<Vec<_>>(),
        })
        .to_string()
    }

    /// Signs an artifact as cosign does under a tag, with a flaw.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn sign_tag(
        &self,
        registry: &Registry,
        repository: &str,
        digest: &str,
        flaw: Flaw,
    ) -> Result<()> {
        let payload = json!({
            "critical": {
                "identity": {"docker-reference": format!("{}/{repository}", registry.address())},
                "image": {"docker-manifest-digest": digest},
                "type": if flaw == Flaw::Attestation { "something else" } else { "cosign container image signature" },
            },
            "optional": null,
        })
        .to_string();
        let entry = |certificate: &str, signature: &[u8]| {
            json!({
                "apiVersion": "0.0.1", "kind": "hashedrekord",
                "spec": {
                    "data": {"hash": {"algorithm": "sha256", "value": hex::encode(Sha256::digest(&payload))}},
                    "signature": {
                        "content": STANDARD.encode(signature),
                        "publicKey": {"content": STANDARD.encode(certificate)},
                    },
                },
            })
        };
        let signed = self.signed(payload.as_bytes(), entry, flaw)?;
        let mut notes = json!({
            "dev.cosignproject.cosign/signature": STANDARD.encode(&signed.signature),
            "dev.sigstore.cosign/certificate": signed.certificate,
            "dev.sigstore.cosign/chain": self.authority.pem(),
        });
        if flaw != Flaw::NoEntry {
            notes["dev.sigstore.cosign/bundle"] = json!(
                json!({
                    "SignedEntryTimestamp": STANDARD.encode(&signed.promise),
                    "Payload": {
                        "body": STANDARD.encode(&signed.entry), "integratedTime": signed.time, "logIndex": 7,
                        "logID": hex::encode(self.signatures.id()),
                    },
                })
                .to_string()
            );
        }
        let mut layer = registry.blob(repository, payload.as_bytes()).await?;
        layer["mediaType"] = json!("application/vnd.dev.cosign.simplesigning.v1+json");
        layer["annotations"] = notes;
        let config = json!({
            "architecture": "", "os": "", "config": {}, "created": "0001-01-01T00:00:00Z",
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        });
        let mut config = registry.blob(repository, config.to_string().as_bytes()).await?;
        config["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": [layer],
        });
        let tag = format!("{}.sig", digest.replace(':', "-"));
        registry.manifest(repository, &tag, &manifest).await.map(drop)
    }
}

impl std::fmt::Debug for Sigstore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sigstore")
    }
}

fn sorted(value: &Value) -> Value {
    let Value::Object(map) = value else {
        return value.clone();
    };
    let mut pairs: Vec<(String, Value)> = map.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    Value::Object(pairs.into_iter().collect())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.map_or(0, |since| since.as_secs())).unwrap_or_default()
}

fn time(seconds: i64) -> String {
    let time = k8s_openapi::jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.to_string()
}

fn period<T: From<SystemTime>>(from: i64, to: i64) -> (T, T) {
    let at = |seconds: i64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    (at(from).into(), at(to).into())
}
