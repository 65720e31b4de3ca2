//! An instance of Sigstore in a test's hand: an authority that gives certificates to identities, a log of certificates and a
//! log of signatures. What it makes is what cosign accepts, and each part can be made wrong.

use anyhow::{Context as _, Result};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType, SerialNumber,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::{Duration, SystemTime};

use super::{Registry, TimestampServer};

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

    /// Signs an artifact with a bundle that refers to it, with a flaw.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn sign_bundle(
        &self,
        registry: &Registry,
        repository: &str,
        digest: &str,
        flaw: Flaw,
    ) -> Result<()> {
        let predicate = match flaw {
            Flaw::Attestation => "https://slsa.dev/provenance/v1",
            _ => "https://sigstore.dev/cosign/sign/v1",
        };
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {"sha256": digest.trim_start_matches("sha256:")}}],
            "predicateType": predicate, "predicate": {},
        })
        .to_string();
        let kind = "application/vnd.in-toto+json";
        let message = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
        let entry = |certificate: &str, signature: &[u8]| {
            let envelope = json!({
                "payload": STANDARD.encode(&statement), "payloadType": kind,
                "signatures": [{"sig": STANDARD.encode(signature)}],
            });
            json!({
                "apiVersion": "0.0.1", "kind": "dsse",
                "spec": {
                    "envelopeHash": {"algorithm": "sha256", "value": hex::encode(Sha256::digest(envelope.to_string()))},
                    "payloadHash": {"algorithm": "sha256", "value": hex::encode(Sha256::digest(&statement))},
                    "signatures": [{"signature": STANDARD.encode(signature), "verifier": STANDARD.encode(certificate)}],
                },
            })
        };
        let signed = self.signed(message.as_bytes(), entry, flaw)?;
        let mut material = json!({"certificate": {"rawBytes": STANDARD.encode(&signed.der)}});
        if flaw != Flaw::NoEntry {
            material["tlogEntries"] = json!([self.entry(&signed, "dsse", flaw)?]);
        }
        let bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": material,
            "dsseEnvelope": {
                "payload": STANDARD.encode(&statement), "payloadType": kind,
                "signatures": [{"sig": STANDARD.encode(&signed.signature)}],
            },
        });
        refer(registry, repository, digest, &bundle.to_string(), predicate).await
    }

    /// Signs an artifact with a bundle whose log (Rekor version 2) has no times, but an authority of time does.
    ///
    /// # Errors
    /// When the registry refuses, or the authority of time.
    pub async fn sign_second(
        &self,
        registry: &Registry,
        repository: &str,
        digest: &str,
        times: &TimestampServer,
        flaw: Flaw,
    ) -> Result<()> {
        let predicate = "https://sigstore.dev/cosign/sign/v1";
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {"sha256": digest.trim_start_matches("sha256:")}}],
            "predicateType": predicate, "predicate": {},
        })
        .to_string();
        let kind = "application/vnd.in-toto+json";
        let message = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
        let mut signed = self.signed(message.as_bytes(), |_, _| json!({}), flaw)?;
        let about = match flaw {
            Flaw::OtherEntry => STANDARD.encode(b"another signature"),
            _ => STANDARD.encode(&signed.signature),
        };
        let entry = json!({
            "apiVersion": "0.0.2", "kind": "hashedrekord",
            "spec": {"hashedRekordV002": {
                "data": {"algorithm": "SHA2_256", "digest": STANDARD.encode(Sha256::digest(&message))},
                "signature": {
                    "content": about,
                    "verifier": {
                        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                        "x509Certificate": {"rawBytes": STANDARD.encode(&signed.der)},
                    },
                },
            }},
        });
        signed.entry = sorted(&entry).to_string().into_bytes();
        let mut entry = self.entry(&signed, "hashedrekord", flaw)?;
        entry["kindVersion"]["version"] = json!("0.0.2");
        entry["logIndex"] = json!("0");
        for key in ["integratedTime", "inclusionPromise"] {
            entry.as_object_mut().context("an object")?.remove(key);
        }
        let mut material =
            json!({"certificate": {"rawBytes": STANDARD.encode(&signed.der)}, "tlogEntries": [entry]});
        if flaw != Flaw::Unstamped {
            let about = if flaw == Flaw::OtherStamp {
                &b"another signature"[..]
            } else {
                &signed.signature
            };
            let token = STANDARD.encode(times.stamp(about).await?);
            material["timestampVerificationData"] =
                json!({"rfc3161Timestamps": [{"signedTimestamp": token}]});
        }
        let bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": material,
            "dsseEnvelope": {
                "payload": STANDARD.encode(&statement), "payloadType": kind,
                "signatures": [{"sig": STANDARD.encode(&signed.signature)}],
            },
        });
        refer(registry, repository, digest, &bundle.to_string(), predicate).await
    }

    fn entry(&self, signed: &Signed, kind: &str, flaw: Flaw) -> Result<Value> {
        let leaf = Sha256::digest([&[0][..], &signed.entry].concat());
        let other = Sha256::digest(b"another leaf");
        let root = Sha256::digest([&[1][..], &leaf, &other].concat());
        // Logs of the first kind have a number after their name.
        let origin = if kind == "hashedrekord" {
            "rekor.example.com"
        } else {
            "rekor.example.com - 1"
        };
        let note = format!("{origin}\n2\n{}\n", STANDARD.encode(root));
        let by = if flaw == Flaw::Checkpoint {
            &self.certificates
        } else {
            &self.signatures
        };
        let seal = [&by.id()[..4], &by.sign(note.as_bytes())?].concat();
        let path = if flaw == Flaw::Path {
            Sha256::digest(b"elsewhere")
        } else {
            other
        };
        Ok(json!({
            "logIndex": "7", "logId": {"keyId": STANDARD.encode(self.signatures.id())},
            "kindVersion": {"kind": kind, "version": "0.0.1"},
            "integratedTime": signed.time.to_string(),
            "inclusionPromise": {"signedEntryTimestamp": STANDARD.encode(&signed.promise)},
            "inclusionProof": {
                "logIndex": "0", "rootHash": STANDARD.encode(root), "treeSize": "2",
                "hashes": [STANDARD.encode(path)],
                "checkpoint": {"envelope": format!("{note}\n— rekor.example.com {}\n", STANDARD.encode(seal))},
            },
            "canonicalizedBody": STANDARD.encode(&signed.entry),
        }))
    }

    fn signed(&self, message: &[u8], entry: impl Fn(&str, &[u8]) -> Value, flaw: Flaw) -> Result<Signed> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let signer = Signer::of(&pair)?;
        let der = self.certificate(&pair, flaw)?;
        let certificate = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            wrapped(&STANDARD.encode(&der))
        );
        let signature = match flaw {
            Flaw::Signature => signer.sign(b"something else")?,
            _ => signer.sign(message)?,
        };
        let about = match flaw {
            Flaw::OtherEntry => signer.sign(b"another signature")?,
            _ => signature.clone(),
        };
        // Keys in order and without spaces: that is how logs write their entries.
        let entry = sorted(&entry(&certificate, &about)).to_string().into_bytes();
        let time = if flaw == Flaw::Late {
            now() - HOUR
        } else {
            now() - 10
        };
        let promised = format!(
            r#"{{"body":"{}","integratedTime":{time},"logID":"{}","logIndex":7}}"#,
            STANDARD.encode(&entry),
            hex::encode(self.signatures.id()),
        );
        let promise = match flaw {
            Flaw::Promise => self.signatures.sign(b"another promise")?,
            _ => self.signatures.sign(promised.as_bytes())?,
        };
        Ok(Signed {
            certificate,
            der,
            signature,
            entry,
            time,
            promise,
        })
    }

    /// A certificate for the identity, for ten minutes, with a timestamp of the log of certificates.
    fn certificate(&self, pair: &KeyPair, flaw: Flaw) -> Result<Vec<u8>> {
        let make = |timestamp: Option<Vec<u8>>| -> Result<Vec<u8>> {
            let mut params = CertificateParams::default();
            params.subject_alt_names = vec![SanType::URI(SUBJECT.try_into()?)];
            params.serial_number = Some(SerialNumber::from_slice(&[7; 8]));
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![match flaw {
                Flaw::Usage => ExtendedKeyUsagePurpose::ServerAuth,
                _ => ExtendedKeyUsagePurpose::CodeSigning,
            }];
            (params.not_before, params.not_after) = period(now() - 60, now() + 540);
            let text = ISSUER.as_bytes();
            let mut extensions = vec![
                CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 1], text.to_vec()),
                CustomExtension::from_oid_content(
                    &[1, 3, 6, 1, 4, 1, 57264, 1, 8],
                    [&[0x0c, u8::try_from(text.len())?][..], text].concat(),
                ),
            ];
            extensions.extend(timestamp.map(|timestamp| {
                CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], timestamp)
            }));
            params.custom_extensions = extensions;
            Ok(params.signed_by(pair, &self.authority)?.der().to_vec())
        };
        let before = make(None)?;
        if flaw == Flaw::NoTimestamp {
            return Ok(before);
        }
        let tbs = match flaw {
            Flaw::Timestamp => b"another certificate",
            _ => first_element(&before).context("no TBSCertificate")?,
        };
        let issuer = Sha256::digest(self.authority.key().subject_public_key_info());
        let milliseconds = u64::try_from(now() - 30)? * 1000;
        let message = [
            &[0, 0][..],
            &milliseconds.to_be_bytes(),
            &[0, 1],
            &issuer,
            &u32::try_from(tbs.len())?.to_be_bytes()[1..],
            tbs,
            &[0, 0],
        ]
        .concat();
        let vector = |bytes: &[u8]| -> Result<Vec<u8>> {
            Ok([&u16::try_from(bytes.len())?.to_be_bytes()[..], bytes].concat())
        };
        let one = [
            &[0][..],
            &self.certificates.id(),
            &milliseconds.to_be_bytes(),
            &[0, 0, 4, 3],
            &vector(&self.certificates.sign(&message)?)?,
        ]
        .concat();
        let list = vector(&vector(&one)?)?;
        let octets = match u8::try_from(list.len())? {
            short @ ..0x80 => [&[0x04, short][..], &list].concat(),
            long => [&[0x04, 0x81, long][..], &list].concat(),
        };
        make(Some(octets))
    }
}

impl std::fmt::Debug for Sigstore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sigstore")
    }
}

/// Puts a bundle into a registry, as what refers to an artifact.
///
/// # Errors
/// When the registry refuses.
pub async fn refer(
    registry: &Registry,
    repository: &str,
    digest: &str,
    bundle: &str,
    predicate: &str,
) -> Result<()> {
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let mut layer = registry.blob(repository, bundle.as_bytes()).await?;
    layer["mediaType"] = json!(kind);
    let mut config = registry.blob(repository, b"{}").await?;
    config["mediaType"] = json!("application/vnd.oci.empty.v1+json");
    let subject = registry.get(repository, digest).await?.to_string();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [layer], "artifactType": kind,
        "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": subject.len()},
        "annotations": {"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": predicate},
    });
    let size = manifest.to_string().len();
    let tag = digest.replace(':', "-");
    let referrer = registry
        .manifest(repository, &format!("bundle-{size}"), &manifest)
        .await?;
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": referrer, "size": size,
            "artifactType": kind,
        }],
    });
    registry.manifest(repository, &tag, &index).await.map(drop)
}

fn sorted(value: &Value) -> Value {
    let Value::Object(map) = value else {
        return value.clone();
    };
    let mut pairs: Vec<(String, Value)> = map.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    Value::Object(pairs.into_iter().collect())
}

/// The first element inside a DER sequence.
fn first_element(der: &[u8]) -> Option<&[u8]> {
    let header = |der: &[u8]| match *der.get(1)? {
        short @ ..0x80 => Some((2, usize::from(short))),
        long => {
            let count = usize::from(long & 0x7f);
            let bytes = der.get(2..2 + count)?;
            Some((
                2 + count,
                bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            ))
        }
    };
    let inside = &der[header(der)?.0..];
    let (start, length) = header(inside)?;
    inside.get(..start + length)
}

fn wrapped(base64: &str) -> String {
    let lines: Vec<String> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    lines.join("\n")
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
