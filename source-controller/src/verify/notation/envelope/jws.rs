//! PURE: JWS in JSON, flattened (RFC 7515, section 7.2.2), with Notation's headers.

use super::{AUTHENTIC_TIME, EXPIRY, Envelope, Headers, SCHEME, TIME, TIMESTAMP, assemble};
use crate::verify::key::Scheme;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Json {
    payload: String,
    protected: String,
    signature: String,
    header: Header,
}

#[derive(Deserialize)]
struct Header {
    x5c: Vec<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

pub(super) fn parse(text: &[u8]) -> Result<Envelope, String> {
    let odd = || "the envelope is no JWS".to_owned();
    let json: Json = serde_json::from_slice(text).map_err(|_| odd())?;
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| odd());
    let protected: Map<String, Value> =
        serde_json::from_slice(&decoded(&json.protected)?).map_err(|_| odd())?;
    let text = |name: &str| {
        protected
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let time = |name: &str| match protected.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(|text| text.parse().ok())
            .map(Some)
            .ok_or_else(odd),
    };
    let critical = protected
        .get("crit")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let algorithm = text("alg");
    let headers = Headers {
        algorithm: match algorithm.as_str() {
            "PS256" | "ES256" => Some(Scheme::Jose256),
            "PS384" | "ES384" => Some(Scheme::Jose384),
            "PS512" | "ES512" => Some(Scheme::Jose512),
            _ => None,
        },
        is_rsa: algorithm.starts_with("PS"),
        content_type: text("cty"),
        critical: critical
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(odd)?,
        scheme: text(SCHEME),
        time: time(TIME)?,
        authentic_time: time(AUTHENTIC_TIME)?,
        expiry: time(EXPIRY)?,
        timestamp: match json.header.more.get(TIMESTAMP) {
            None => None,
            Some(value) => Some(
                STANDARD
                    .decode(value.as_str().ok_or_else(odd)?)
                    .map_err(|_| odd())?,
            ),
        },
    };
    let chain = json
        .header
        .x5c
        .iter()
        .map(|der| STANDARD.decode(der).map_err(|_| odd()));
    let message = format!("{}.{}", json.protected, json.payload).into_bytes();
    assemble(
        headers,
        chain.collect::<Result<_, _>>()?,
        decoded(&json.payload)?,
        message,
        decoded(&json.signature)?,
    )
}
