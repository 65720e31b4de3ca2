//! PURE: what an instance of Sigstore is trusted by (Sigstore's `TrustedRoot`, media type version 0.1 and 0.2, in JSON).

use crate::verify::{certificate::Certificate, key::PublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// What an instance of Sigstore is trusted by.
#[derive(Debug)]
pub struct TrustedRoot {
    /// Logs of signatures (Rekor).
    pub logs: Vec<Log>,
    /// Logs of certificates.
    pub certificate_logs: Vec<Log>,
    /// Those who give certificates (Fulcio).
    pub authorities: Vec<Authority>,
    /// Those who say when something was signed.
    pub timestamp_authorities: Vec<Authority>,
}

/// A log, and when its key counted.
#[derive(Debug)]
pub struct Log {
    /// SHA-256 of its key.
    pub id: Vec<u8>,
    /// Its key.
    pub key: PublicKey,
    valid: Period,
}

/// Who gives certificates or timestamps, and when they counted.
#[derive(Debug)]
pub struct Authority {
    /// Between the leaves and the root, and the root at the end; of timestamps, the leaf first.
    pub chain: Vec<Certificate>,
    valid: Period,
}

#[derive(Debug, Clone, Copy)]
struct Period {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    tlogs: Vec<JsonLog>,
    #[serde(default)]
    ctlogs: Vec<JsonLog>,
    #[serde(default)]
    certificate_authorities: Vec<JsonAuthority>,
    #[serde(default)]
    timestamp_authorities: Vec<JsonAuthority>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonLog {
    public_key: JsonKey,
    log_id: Option<JsonId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonKey {
    raw_bytes: String,
    valid_for: Option<JsonPeriod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonAuthority {
    cert_chain: JsonChain,
    valid_for: Option<JsonPeriod>,
}

#[derive(Deserialize)]
struct JsonChain {
    certificates: Vec<JsonCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonCertificate {
    raw_bytes: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonPeriod {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl TrustedRoot {
    /// Reads `trusted_root.json`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let json: Json = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        if !json
            .media_type
            .starts_with("application/vnd.dev.sigstore.trustedroot")
        {
            return Err(format!(
                "'{}' is not the media type of a trusted root",
                json.media_type
            ));
        }
        let authority = |authority: JsonAuthority| {
            let chain = authority.cert_chain.certificates.iter().map(|certificate| {
                Certificate::from_der(&decoded(&certificate.raw_bytes)?)
                    .ok_or_else(|| "a certificate authority has no certificate that can be read".to_owned())
            });
            let chain: Vec<Certificate> = chain.collect::<Result<_, _>>()?;
            if chain.is_empty() {
                return Err("a certificate authority has no certificates".to_owned());
            }
            Ok(Authority {
                chain,
                valid: period(authority.valid_for),
            })
        };
        Ok(Self {
            logs: json
                .tlogs
                .into_iter()
                .filter_map(|l| log(l).transpose())
                .collect::<Result<_, _>>()?,
            certificate_logs: json
                .ctlogs
                .into_iter()
                .filter_map(|l| log(l).transpose())
                .collect::<Result<_, _>>()?,
            timestamp_authorities: json
                .timestamp_authorities
                .into_iter()
                .map(authority)
                .collect::<Result<_, _>>()?,
            authorities: json
                .certificate_authorities
                .into_iter()
                .map(authority)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Log {
    /// Whether its key counted at a time.
    pub fn counted_at(&self, time: Timestamp) -> bool {
        self.valid.has(time)
    }
}

impl Authority {
    /// Whether its certificates counted at a time.
    pub fn counted_at(&self, time: Timestamp) -> bool {
        self.valid.has(time)
    }
}

impl Period {
    fn has(&self, time: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }
}

/// A log; one with a key of a kind that we do not know is passed over, since nothing of it can be checked.
fn log(log: JsonLog) -> Result<Option<Log>, String> {
    let Some(key) = PublicKey::from_spki(&decoded(&log.public_key.raw_bytes)?) else {
        return Ok(None);
    };
    let id = match log.log_id {
        Some(id) => decoded(&id.key_id)?,
        None => Sha256::digest(key.spki()).to_vec(),
    };
    Ok(Some(Log {
        id,
        key,
        valid: period(log.public_key.valid_for),
    }))
}

fn period(json: Option<JsonPeriod>) -> Period {
    let JsonPeriod { start, end } = json.unwrap_or_default();
    Period { start, end }
}

fn decoded(text: &str) -> Result<Vec<u8>, String> {
    STANDARD
        .decode(text)
        .map_err(|_| "something in it is not base64".into())
}
