//! What can go wrong between us and an object store.

use reqwest::StatusCode;
use std::time::Duration;
use thiserror::Error;

/// How much of what a store says goes into a message, in characters.
const MAX_TOLD: usize = 512;

/// What can go wrong between us and an object store. No message has the query of a URL: it may hold a login.
#[derive(Debug, Error)]
pub enum ObjectsError {
    /// There is no such bucket.
    #[error("the bucket is not there")]
    NoBucket,
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
    /// The store refused.
    #[error("{problem}")]
    Refused {
        /// What it said.
        problem: String,
        /// The status.
        status: StatusCode,
        /// Its word for it, `AccessDenied`.
        code: String,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The answer is not what was asked for.
    #[error("{0}")]
    Answer(String),
    /// A body is larger than is let in.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What came.
        what: String,
        /// How much is let in.
        limit: u64,
    },
    /// The listing has no end.
    #[error(
        "the bucket has more than a million objects, or its listing does not end; narrow it with spec.prefix"
    )]
    TooMany,
    /// A key that no URL can hold.
    #[error("the key '{0}' cannot be asked for")]
    Key(String),
    /// The address cannot be used.
    #[error("'{0}' is no address of an object store")]
    Endpoint(String),
    /// There is no client for such certificates or such a proxy.
    #[error("cannot make a client for the object store")]
    Client(#[source] reqwest::Error),
    /// What was to be sent cannot be read.
    #[error("cannot read what is to be stored")]
    Read(#[source] std::io::Error),
    /// The file for the content failed.
    #[error("cannot write what was downloaded")]
    Write(#[source] std::io::Error),
}

impl ObjectsError {
    /// A refusal in the store's words, or by its status if it has none.
    pub(super) fn refused(
        status: StatusCode,
        code: String,
        message: &str,
        retry_after: Option<Duration>,
    ) -> Self {
        let clean: String = message
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(MAX_TOLD)
            .collect();
        let clean = peer::http::without_queries(clean.trim());
        let reason = status.canonical_reason().unwrap_or_default();
        let problem = match (clean.as_str(), code.as_str()) {
            ("", "") => format!("unexpected status code {} {reason}", status.as_u16()),
            ("", code) => format!("{code} (status code {})", status.as_u16()),
            (text, _) => text.to_owned(),
        };
        Self::Refused {
            problem,
            status,
            code,
            retry_after,
        }
    }

    /// How long the store asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
