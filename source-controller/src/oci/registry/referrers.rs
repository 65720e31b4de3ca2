//! What refers to a manifest: by the referrers API, or by a tag where a registry has none (OCI Distribution Spec 1.1).

use super::{
    super::{
        error::OciError,
        manifest::{Descriptor, Manifest},
        name::{Reference, Repository},
    },
    MAX_MANIFEST, Registry, following, manifest_path, read,
};
use peer::http::bare;
use reqwest::{Method, StatusCode, header::LINK};
use std::collections::BTreeMap;

/// So many referrers are looked at.
const MAX_REFERRERS: usize = 1000;
/// All pages of them together are never larger, in bytes.
const MAX_BYTES: u64 = 8 << 20;
/// So many pages of them are read.
const MAX_PAGES: usize = 100;

impl Registry {
    /// All that refers to the manifest with a digest.
    ///
    /// # Errors
    /// See [`OciError`].
    pub async fn referrers(
        &self,
        repository: &Repository,
        digest: &str,
    ) -> Result<Vec<Descriptor>, OciError> {
        if !Reference::Digest(digest.to_owned()).is_safe() {
            return Err(OciError::Reference(digest.to_owned()));
        }
        let mut next = Some(self.url(repository, &format!("referrers/{digest}")).await?);
        let (mut found, mut pages, mut left) = (Vec::new(), 0, MAX_BYTES);
        while let Some(url) = next.take() {
            let answer = match self.send(Method::GET, &url, repository).await {
                Ok(answer) => answer,
                Err(OciError::Refused { status, .. }) if pages == 0 && has_no_api(status) => {
                    let tag = digest.replacen(':', "-", 1);
                    let index = self.tagged(repository, &tag).await?;
                    return Ok(index.map(|index| index.manifests).unwrap_or_default());
                }
                Err(error) => return Err(error),
            };
            let more = answer.headers().get(LINK).and_then(|link| following(&url, link));
            let body = read(answer, &url, left.min(MAX_MANIFEST)).await?;
            left -= body.len() as u64;
            let index: Manifest = serde_json::from_slice(&body).map_err(|error| OciError::Answer {
                url: bare(url.as_str()),
                problem: format!("this is no index of referrers: {error}"),
            })?;
            // Nobody asks for the notes of a referrer, and they may be long.
            found.extend(index.manifests.into_iter().map(|mut referrer| {
                referrer.annotations = BTreeMap::new();
                referrer
            }));
            pages += 1;
            if found.len() > MAX_REFERRERS || pages > MAX_PAGES {
                return Err(OciError::Answer {
                    url: bare(url.as_str()),
                    problem: format!("more than {MAX_REFERRERS} referrers"),
                });
            }
            next = more;
        }
        Ok(found)
    }

    /// The manifest that a tag points to; `None` if there is no such tag.
    ///
    /// # Errors
    /// See [`OciError`].
    pub async fn tagged(&self, repository: &Repository, tag: &str) -> Result<Option<Manifest>, OciError> {
        let path = manifest_path(&Reference::Tag(tag.to_owned()))?;
        let url = self.url(repository, &path).await?;
        let answer = match self.send(Method::GET, &url, repository).await {
            Ok(answer) => answer,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error),
        };
        let body = read(answer, &url, MAX_MANIFEST).await?;
        let manifest = serde_json::from_slice(&body).map_err(|error| OciError::Answer {
            url: bare(url.as_str()),
            problem: format!("this is no manifest: {error}"),
        })?;
        Ok(Some(manifest))
    }

    /// A small blob, checked against its digest.
    ///
    /// # Errors
    /// See [`OciError`].
    pub async fn blob(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
    ) -> Result<Vec<u8>, OciError> {
        let mut content = Vec::new();
        self.download(repository, blob, limit, &mut content).await?;
        Ok(content)
    }
}

/// What registries without the API answer: that there is no such thing, or that one may not, as to anything unknown. That one
/// should come later is no such answer.
fn has_no_api(status: StatusCode) -> bool {
    (status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS)
        || status == StatusCode::NOT_IMPLEMENTED
}
