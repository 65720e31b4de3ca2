//! What can go wrong between us and a registry.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use thiserror::Error;

/// How much of an answer that is no error list goes into a message, in bytes.
const MAX_REASON: usize = 512;

/// What can go wrong between us and a registry.
#[derive(Debug, Error)]
pub enum OciError {
    /// A request could not be sent, or its answer broke off.
    #[error("{method} {url}")]
    Request {
        /// The method.
        method: &'static str,
        /// Where it went.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The registry refused.
    #[error("{method} {url}: {problem}")]
    Refused {
        /// The method.
        method: &'static str,
        /// Where it went.
        url: String,
        /// The status.
        status: StatusCode,
        /// What it said.
        problem: String,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// A token could not be had.
    #[error("cannot get a token from '{realm}': {problem}")]
    Token {
        /// Where.
        realm: String,
        /// Why.
        problem: String,
        /// How long its issuer asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The answer is not what was asked for.
    #[error("{url}: {problem}")]
    Answer {
        /// Where it came from.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The bytes are not those that the digest names.
    #[error("{url}: the content is not what its digest says: expected {expected}, found {found}")]
    Digest {
        /// Where they came from.
        url: String,
        /// What was asked for.
        expected: String,
        /// What came.
        found: String,
    },
    /// The answer is larger than is let in.
    #[error("{url}: larger than {limit} bytes")]
    TooLarge {
        /// Where it came from.
        url: String,
        /// How much is let in.
        limit: u64,
    },
    /// A name would lead elsewhere.
    #[error("'{0}' is no tag or digest")]
    Reference(String),
    /// There is no client for such certificates or such a proxy.
    #[error("cannot make a client for the registry")]
    Client(#[source] reqwest::Error),
    /// Another one asked, and was told this.
    #[error(transparent)]
    Shared(Arc<OciError>),
    /// The file for the content failed.
    #[error("cannot write what was downloaded")]
    Write(#[source] std::io::Error),
}

impl OciError {
    /// Whether the registry says that there is no such thing.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status == StatusCode::NOT_FOUND,
            Self::Shared(error) => error.is_missing(),
            _ => false,
        }
    }

    /// Whether whoever was asked wants to be left alone for a while.
    pub fn asks_for_rest(&self) -> bool {
        let many = |status: &StatusCode| *status == StatusCode::TOO_MANY_REQUESTS;
        self.retry_after().is_some() || matches!(self, Self::Refused { status, .. } if many(status))
    }

    /// How long the registry, or who issues its tokens, asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } | Self::Token { retry_after, .. } => *retry_after,
            Self::Shared(error) => error.retry_after(),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Entry {
    code: String,
    message: String,
    detail: Value,
}

/// What a refusal says, in the words of Flux's client: `CODE: message; detail` of each error in the body (OCI Distribution
/// Spec, "Error codes"), or the status and the beginning of the body.
pub(super) fn problem(status: StatusCode, body: &[u8]) -> String {
    if let Ok(Errors { errors }) = serde_json::from_slice(body)
        && !errors.is_empty()
    {
        let told: Vec<String> = errors.iter().take(8).map(Entry::told).collect();
        return match told.len() {
            1 => told.concat(),
            _ => format!("multiple errors returned: {}", told.join("; ")),
        };
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX_REASON)]);
    let text: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    let reason = status.canonical_reason().unwrap_or_default();
    match text.trim() {
        "" => format!("unexpected status code {} {reason}", status.as_u16()),
        text => format!("unexpected status code {} {reason}: {text}", status.as_u16()),
    }
}

impl Entry {
    fn told(&self) -> String {
        let mut text = format!("{}: {}", self.code, self.message);
        if !self.detail.is_null() {
            text = format!("{text}; {}", go(&self.detail));
        }
        text.chars().take(MAX_REASON).collect()
    }
}

/// A value as Go's `%v` prints it.
fn go(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(go).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut pairs: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", go(v))).collect();
            pairs.sort();
            format!("map[{}]", pairs.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_as_flux_tells_them() {
        for (status, body, expected) in [
            (
                404,
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"nope"}}]}"#,
                "MANIFEST_UNKNOWN: manifest unknown; map[Tag:nope]",
            ),
            (
                401,
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":[{"Type":"repository","Name":"a"}]}]}"#,
                "UNAUTHORIZED: authentication required; [map[Name:a Type:repository]]",
            ),
            (
                502,
                "<html>bad\u{7}</html>",
                "unexpected status code 502 Bad Gateway: <html>bad</html>",
            ),
            (404, "", "unexpected status code 404 Not Found"),
            (
                500,
                r#"{"errors":[]}"#,
                r#"unexpected status code 500 Internal Server Error: {"errors":[]}"#,
            ),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(problem(status, body.as_bytes()), expected);
        }
    }
}
