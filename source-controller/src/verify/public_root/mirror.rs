//! I/O: a TUF repository over HTTP.

use peer::http::{self, Tls, bare};
use reqwest::{Client, StatusCode};
use runtime::telemetry::chain;
use sigstore_tuf::{Error, Repository, transport::FetchFuture};
use url::Url;

/// A repository: its files, and those that it is about below `targets/`. Nothing of it is believed here.
#[derive(Debug)]
pub struct Mirror {
    client: Client,
    base: Url,
}

impl Mirror {
    /// A repository at an address. Proxies and certificates are those of the environment.
    pub fn new(base: &Url) -> Result<Self, String> {
        let client = http::client(&Tls::default(), None, http::policy(false));
        Ok(Self {
            client: client.map_err(|e| chain(&e))?,
            base: base.clone(),
        })
    }

    /// A file; `None` if it is not there. Stores without the right to list answer 403 for what they do not have.
    async fn get(&self, path: &str, max: u64) -> Result<Option<Vec<u8>>, Error> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        let shown = bare(url.as_str());
        let failed = |error: reqwest::Error| Error::transport_with_source(shown.clone(), error.without_url());
        let mut answer = self.client.get(url).send().await.map_err(failed)?;
        match answer.status() {
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => return Ok(None),
            status if !status.is_success() => {
                return Err(Error::transport(format!("{shown} answered {status}")));
            }
            _ => {}
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(failed)? {
            if (body.len() + part.len()) as u64 > max {
                return Err(Error::transport(format!("{shown} is larger than {max} bytes")));
            }
            body.extend_from_slice(&part);
        }
        Ok(Some(body))
    }
}

impl Repository for Mirror {
    fn fetch_metadata<'a>(&'a self, name: &'a str, max_length: u64) -> FetchFuture<'a> {
        Box::pin(self.get(name, max_length))
    }

    fn fetch_target<'a>(&'a self, path: &'a str, max_length: u64) -> FetchFuture<'a> {
        Box::pin(async move { self.get(&format!("targets/{path}"), max_length).await })
    }
}
