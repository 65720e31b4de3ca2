//! Bundles that refer to an artifact, with an entry of either kind of log.

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Flaw, Signed, Sigstore, sorted};
use crate::origin::{Registry, TimestampServer};

impl Sigstore {
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
