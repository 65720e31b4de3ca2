//! A client of one repository: its index if it changed, and its charts, each under bounds.

use super::{Access, url};
use ::url::Url;
use peer::http;
use reqwest::{
    Client, Method, Response, StatusCode,
    header::{ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
};
use serde::{Deserialize, Serialize};
use std::{io::Write, time::Duration};
use thiserror::Error;

/// What repositories see of us: some let only Helm in, and Flux's requests are Helm's.
const AGENT: &str = "Helm/4.2.2";

/// A client of one repository. It has no timeout of its own: whoever calls it waits with a deadline.
#[derive(Debug)]
pub struct Remote {
    http: Client,
    base: Url,
    login: Option<HeaderValue>,
    pass_credentials: bool,
}

/// By what a server knows the content that it gave (RFC 9110, "Conditional Requests").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

/// What came of a request for the index.
#[derive(Debug)]
pub enum Answer {
    /// The server has what it had.
    Same,
    /// The content was written.
    Written(Validators),
}

/// Why something could not be had. Display has Flux's words where it has some.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// A request could not be sent, or its answer broke off.
    #[error("Get {url:?}")]
    Request {
        /// Where it went.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The answer was not there in time.
    #[error("Get {url:?}: no answer within the timeout of {}", crds::meta::format_go(*.timeout))]
    Late {
        /// Where it was awaited from.
        url: String,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// The answer comes too slowly.
    #[error("Get {url:?}")]
    Slow {
        /// Where it comes from.
        url: String,
        /// How slowly.
        #[source]
        source: http::TooSlow,
    },
    /// The server refused.
    #[error("failed to fetch {url} : {status}")]
    Refused {
        /// Where it was looked for.
        url: String,
        /// The status.
        status: StatusCode,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// It is larger than is let in.
    #[error("{what} exceeds the maximum {what} file size of {limit} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How much is let in.
        limit: u64,
    },
    /// There is no client for such certificates.
    #[error("failed to construct Helm client")]
    Client(#[source] reqwest::Error),
    /// The file for the content failed.
    #[error("cannot write what was downloaded")]
    Write(#[source] std::io::Error),
}

impl RemoteError {
    /// How long the server asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Remote {
    /// A client of the repository at `base`, which is a normalized URL.
    pub(super) fn new(base: &Url, access: &Access) -> Result<Self, RemoteError> {
        let tls = access.tls.clone().unwrap_or_default();
        let client = http::builder(&tls, None).map_err(RemoteError::Client)?;
        let client = client
            .user_agent(AGENT)
            .referer(false)
            .redirect(http::at_home())
            .build();
        let login = access.login.as_ref();
        Ok(Self {
            http: client.map_err(RemoteError::Client)?,
            base: base.clone(),
            login: login.and_then(|(user, password)| http::basic(user, password)),
            pass_credentials: access.pass_credentials,
        })
    }

    /// The repository's URL.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Writes the index, at most `limit` bytes of it and before the time is over, unless the server has what it had.
    pub(super) async fn index(
        &self,
        known: Option<&Validators>,
        limit: u64,
        timeout: Duration,
        into: &mut (impl Write + Send),
    ) -> Result<Answer, RemoteError> {
        let url = url::index(&self.base);
        let work = self.index_at(&url, known, limit, into);
        let late = |_| RemoteError::Late {
            url: http::bare(url.as_str()),
            timeout,
        };
        tokio::time::timeout(timeout, work).await.map_err(late)?
    }

    async fn index_at(
        &self,
        url: &Url,
        known: Option<&Validators>,
        limit: u64,
        into: &mut (impl Write + Send),
    ) -> Result<Answer, RemoteError> {
        let mut conditions = HeaderMap::new();
        if let Some(known) = known {
            for (name, value) in [
                (IF_NONE_MATCH, &known.etag),
                (IF_MODIFIED_SINCE, &known.last_modified),
            ] {
                if let Some(value) = value.as_deref().and_then(|v| HeaderValue::from_str(v).ok()) {
                    conditions.insert(name, value);
                }
            }
        }
        let conditional = !conditions.is_empty();
        let answer = self.get(url, conditions).await?;
        if answer.status() == StatusCode::NOT_MODIFIED && conditional {
            return Ok(Answer::Same);
        }
        let header = |name| {
            let value = answer.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let validators = Validators {
            etag: header(ETAG),
            last_modified: header(LAST_MODIFIED),
        };
        copy(succeeded(answer, url)?, url, "index", limit, into).await?;
        Ok(Answer::Written(validators))
    }

    /// Writes the archive of a chart, at most `limit` bytes of it.
    ///
    /// # Errors
    /// See [`RemoteError`].
    pub async fn chart(
        &self,
        url: &Url,
        limit: u64,
        into: &mut (impl Write + Send),
    ) -> Result<(), RemoteError> {
        let answer = succeeded(self.get(url, HeaderMap::new()).await?, url)?;
        copy(answer, url, "chart", limit, into).await
    }

    /// The provenance file of a chart, at most `limit` bytes of it: where the chart is, with `.prov` behind its name.
    ///
    /// # Errors
    /// See [`RemoteError`].
    pub async fn provenance(&self, chart: &Url, limit: u64) -> Result<Vec<u8>, RemoteError> {
        let url = url::provenance(chart);
        let answer = succeeded(self.get(&url, HeaderMap::new()).await?, &url)?;
        let mut text = Vec::new();
        copy(answer, &url, "provenance", limit, &mut text).await?;
        Ok(text)
    }

    /// Sends the login where it belongs: to the repository's own scheme, host and port, or wherever its index says if its
    /// owner wants so. A redirect to another host loses it.
    async fn get(&self, url: &Url, conditions: HeaderMap) -> Result<Response, RemoteError> {
        let own = url.origin() == self.base.origin();
        let login = self.login.clone().filter(|_| own || self.pass_credentials);
        let sent = http::send(&self.http, &Method::GET, url, &conditions, login).await;
        sent.map_err(|e| failed(url, e))
    }
}

fn succeeded(answer: Response, url: &Url) -> Result<Response, RemoteError> {
    if answer.status() == StatusCode::OK {
        return Ok(answer);
    }
    Err(RemoteError::Refused {
        url: http::bare(url.as_str()),
        status: answer.status(),
        retry_after: http::retry_after(&answer),
    })
}

async fn copy(
    mut answer: Response,
    url: &Url,
    what: &'static str,
    limit: u64,
    into: &mut (impl Write + Send),
) -> Result<(), RemoteError> {
    let too_large = || RemoteError::TooLarge { what, limit };
    if answer.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let (mut received, mut pace) = (0, http::Pace::default());
    while let Some(piece) = answer.chunk().await.map_err(|e| failed(url, e))? {
        pace.keeps(piece.len()).map_err(|source| RemoteError::Slow {
            url: http::bare(url.as_str()),
            source,
        })?;
        received += piece.len() as u64;
        if received > limit {
            return Err(too_large());
        }
        into.write_all(&piece).map_err(RemoteError::Write)?;
    }
    Ok(())
}

fn failed(url: &Url, source: reqwest::Error) -> RemoteError {
    RemoteError::Request {
        url: http::bare(url.as_str()),
        source: source.without_url(),
    }
}
