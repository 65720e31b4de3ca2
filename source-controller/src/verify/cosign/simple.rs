//! PURE: signatures under a tag: a payload that names the artifact, and annotations with signature, certificate and log entry.

use super::{
    Trust,
    signer::{self, Evidence},
    tlog::Entry,
};
use crate::verify::certificate::Certificate;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The media type of what is signed.
pub const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// What a payload says that it is; others are made with the same keys.
const TYPE: &str = "cosign container image signature";
/// So many certificates may come along.
const MAX_CHAIN: usize = 8;

/// A signature.
#[derive(Debug)]
pub struct Signature {
    payload: Vec<u8>,
    signature: Vec<u8>,
    evidence: Evidence,
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(default)]
    r#type: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RekorBundle {
    signed_entry_timestamp: String,
    payload: RekorPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RekorPayload {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

impl Signature {
    /// Reads the annotations of a layer, whose content is the payload.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(notes: &BTreeMap<String, String>, payload: Vec<u8>) -> Result<Self, String> {
        let note = |name: &str| {
            notes
                .get(name)
                .map(String::as_str)
                .filter(|text| !text.is_empty())
        };
        let signature = note("dev.cosignproject.cosign/signature").ok_or("the signature is missing")?;
        let signature = STANDARD
            .decode(signature)
            .map_err(|_| "the signature is not base64")?;
        let certificates = |name: &str| match note(name) {
            None => Ok(Vec::new()),
            Some(pem) => {
                Certificate::all(pem.as_bytes()).ok_or_else(|| "a certificate cannot be read".to_owned())
            }
        };
        let certificate = certificates("dev.sigstore.cosign/certificate")?
            .into_iter()
            .next();
        let mut between = certificates("dev.sigstore.cosign/chain")?;
        between.truncate(MAX_CHAIN);
        let entries = note("dev.sigstore.cosign/bundle").map(entry).transpose()?;
        Ok(Self {
            payload,
            signature,
            evidence: Evidence {
                certificate,
                between,
                entries: entries.into_iter().collect(),
                timestamps: Vec::new(),
            },
        })
    }

    /// Checks that this is a signature of the artifact with a digest, by somebody trusted.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, digest: &str, trust: &Trust) -> Result<(), String> {
        signer::check(
            &self.evidence,
            trust,
            &self.payload,
            &self.payload,
            &self.signature,
        )?;
        let payload: Payload =
            serde_json::from_slice(&self.payload).map_err(|_| "what is signed cannot be read".to_owned())?;
        if payload.critical.r#type != TYPE {
            return Err("what is signed is no signature of an image".into());
        }
        if payload.critical.image.digest != digest {
            return Err("the signature is of another artifact".into());
        }
        Ok(())
    }
}

fn entry(text: &str) -> Result<Entry, String> {
    let odd = || "the log entry cannot be read".to_owned();
    let bundle: RekorBundle = serde_json::from_str(text).map_err(|_| odd())?;
    Ok(Entry {
        log: hex::decode(&bundle.payload.log_id).map_err(|_| odd())?,
        index: bundle.payload.log_index,
        time: bundle.payload.integrated_time,
        body: STANDARD.decode(&bundle.payload.body).map_err(|_| odd())?,
        promise: Some(
            STANDARD
                .decode(&bundle.signed_entry_timestamp)
                .map_err(|_| odd())?,
        ),
        proof: None,
        is_second: false,
    })
}
