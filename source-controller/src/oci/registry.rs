//! A client of one registry, for one login: resolves, lists and downloads (OCI Distribution Spec 1.1, pull).

mod referrers;
mod tokens;

use super::{
    error::{OciError, problem},
    keychain::Login,
    looks::Looks,
    manifest::{ACCEPTED, Descriptor, Manifest},
    name::{Reference, Repository},
    registries::Access,
};
use crate::{at_most::at_most, downloads::Downloads};
use peer::http::{Pace, at_home, bare, builder, retry_after, send};
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{ACCEPT, HeaderMap, HeaderValue, LINK, WWW_AUTHENTICATE},
};
use sha2::{Digest as _, Sha256};
use std::io::Write;
use tokens::Tokens;
use tokio::sync::OnceCell;

/// A manifest is never larger, in bytes; registries have the same limit.
const MAX_MANIFEST: u64 = 4 << 20;
/// An error's body is not read beyond so many bytes.
const MAX_ERROR: u64 = 64 << 10;
/// All pages of tags together are never larger, in bytes: a hundred thousand of the longest that there may be.
const MAX_TAG_BYTES: u64 = 16 << 20;
/// So many tags are looked at.
const MAX_TAGS: usize = 100_000;
/// So many pages of them are read.
const MAX_TAG_PAGES: usize = 10_000;

/// A client of one registry. It has no timeout of its own: whoever calls it waits with a deadline.
#[derive(Debug)]
pub struct Registry {
    http: Client,
    host: String,
    /// Whether plain HTTP may be spoken.
    plain: bool,
    /// `https` or `http`, once somebody answered.
    scheme: OnceCell<&'static str>,
    tokens: Tokens,
    /// Equal only for equal host, trust, proxy and login.
    pub(super) id: [u8; 32],
    pub(super) downloads: Downloads,
    pub(super) looks: Looks,
}

impl Registry {
    /// A client for the registry of a repository.
    pub(super) fn new(
        repository: &Repository,
        access: &Access,
        login: Login,
        id: [u8; 32],
        downloads: Downloads,
        looks: Looks,
    ) -> Result<Self, OciError> {
        let tls = access.tls.clone().unwrap_or_default();
        let mut client = builder(&tls, access.proxy.as_ref()).map_err(OciError::Client)?;
        if access.insecure && access.tls.is_none() {
            client = client.tls_danger_accept_invalid_certs(true);
        }
        // Flux's clients call themselves so, and registries count by it.
        let client = client.user_agent("flux/v2");
        // Where a token comes from is not left for elsewhere: the login is in the body, too.
        let mut issuer = builder(&tls, access.proxy.as_ref()).map_err(OciError::Client)?;
        if access.insecure && access.tls.is_none() {
            issuer = issuer.tls_danger_accept_invalid_certs(true);
        }
        let issuer = issuer.user_agent("flux/v2").redirect(peer::http::policy(true));
        let issuer = issuer.build().map_err(OciError::Client)?;
        Ok(Self {
            http: client.redirect(at_home()).build().map_err(OciError::Client)?,
            host: repository.registry.clone(),
            plain: access.insecure || repository.is_local(),
            scheme: OnceCell::new(),
            tokens: Tokens::new(login, issuer),
            id,
            downloads,
            looks,
        })
    }

    /// What a reference points to now: the digest of a manifest or index. One HEAD, or a GET where that is not answered.
    ///
    /// # Errors
    /// See [`OciError`].
    pub async fn resolve(&self, repository: &Repository, reference: &Reference) -> Result<String, OciError> {
        if let Reference::Digest(digest) = reference {
            return Ok(digest.clone());
        }
        let path = manifest_path(reference)?;
        let url = self.url(repository, &path).await?;
        match self.send(Method::HEAD, &url, repository).await {
            Ok(answer) => {
                if let Some(digest) = announced(&answer) {
                    return Ok(digest);
                }
            }
            // Who asks to be left alone is not asked once more at once.
            Err(error) if error.asks_for_rest() => return Err(error),
            Err(_) => {}
        }
        // Some registries do not answer HEAD, and what a refusal says is only in the body of a GET.
        let answer = self.send(Method::GET, &url, repository).await?;
        let announced = announced(&answer);
        let body = read(answer, &url, MAX_MANIFEST).await?;
        let digest = digest(&body);
        match announced {
            Some(announced) if announced != digest => Err(OciError::Digest {
                url: bare(url.as_str()),
                expected: announced,
                found: digest,
            }),
            _ => Ok(digest),
        }
    }

    /// The manifest with a digest.
    ///
    /// # Errors
    /// See [`OciError`]; also when it is not what its digest says.
    pub async fn manifest(&self, repository: &Repository, wanted: &str) -> Result<Manifest, OciError> {
        let path = manifest_path(&Reference::Digest(wanted.to_owned()))?;
        let url = self.url(repository, &path).await?;
        let answer = self.send(Method::GET, &url, repository).await?;
        let body = read(answer, &url, MAX_MANIFEST).await?;
        let found = digest(&body);
        if found != wanted {
            return Err(OciError::Digest {
                url: bare(url.as_str()),
                expected: wanted.to_owned(),
                found,
            });
        }
        serde_json::from_slice(&body).map_err(|error| OciError::Answer {
            url: bare(url.as_str()),
            problem: format!("this is no manifest: {error}"),
        })
    }

    /// Writes the content of a blob, at most `limit` bytes of it, and checks it against its digest.
    ///
    /// # Errors
    /// See [`OciError`]. What was written is worth nothing then.
    pub async fn download(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
        into: &mut (impl Write + Send),
    ) -> Result<(), OciError> {
        let reference = Reference::Digest(blob.digest.clone());
        if !reference.is_safe() {
            return Err(OciError::Reference(blob.digest.clone()));
        }
        let url = self
            .url(repository, &format!("blobs/{}", reference.as_str()))
            .await?;
        let too_large = || OciError::TooLarge {
            url: bare(url.as_str()),
            limit,
        };
        if blob.size > limit {
            return Err(too_large());
        }
        let mut answer = self.send(Method::GET, &url, repository).await?;
        let (mut hash, mut received, mut pace) = (Sha256::new(), 0u64, Pace::default());
        while let Some(piece) = answer.chunk().await.map_err(|e| failed("GET", &url, e))? {
            pace.keeps(piece.len()).map_err(|slow| odd(&url, &slow))?;
            received += piece.len() as u64;
            if received > limit {
                return Err(too_large());
            }
            // A manifest that does not say has zero.
            if blob.size > 0 && received > blob.size {
                return Err(OciError::Answer {
                    url: bare(url.as_str()),
                    problem: format!("larger than the {} bytes that its manifest says", blob.size),
                });
            }
            hash.update(&piece);
            into.write_all(&piece).map_err(OciError::Write)?;
        }
        let found = format!("sha256:{}", hex::encode(hash.finalize()));
        if found == blob.digest {
            return Ok(());
        }
        Err(OciError::Digest {
            url: bare(url.as_str()),
            expected: blob.digest.clone(),
            found,
        })
    }

    /// All tags of a repository, page by page.
    ///
    /// # Errors
    /// See [`OciError`]; also when there are more than a hundred thousand.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<String>, OciError> {
        #[derive(serde::Deserialize)]
        struct Page {
            #[serde(default, deserialize_with = "at_most::<_, _, MAX_TAGS>")]
            tags: Vec<String>,
        }
        let (mut tags, mut left, mut pages) = (Vec::new(), MAX_TAG_BYTES, 0);
        let mut next = Some(self.url(repository, "tags/list?n=1000").await?);
        while let Some(url) = next.take() {
            let answer = self.send(Method::GET, &url, repository).await?;
            let more = answer.headers().get(LINK).and_then(|link| following(&url, link));
            let body = read(answer, &url, left).await?;
            left -= body.len() as u64;
            pages += 1;
            let page: Page = serde_json::from_slice(&body).map_err(|error| OciError::Answer {
                url: bare(url.as_str()),
                problem: format!("this is no list of tags: {error}"),
            })?;
            let found = page.tags;
            // A page without tags says that there is nothing more, whatever its link says.
            next = more.filter(|_| !found.is_empty());
            tags.extend(found);
            if tags.len() > MAX_TAGS || pages > MAX_TAG_PAGES {
                return Err(OciError::Answer {
                    url: bare(url.as_str()),
                    problem: format!("more than {MAX_TAGS} tags"),
                });
            }
        }
        Ok(tags)
    }

    async fn url(&self, repository: &Repository, rest: &str) -> Result<Url, OciError> {
        let scheme = self.scheme.get_or_try_init(|| self.probe()).await?;
        let text = format!("{scheme}://{}/v2/{}/{rest}", self.host, repository.path);
        Url::parse(&text).map_err(|error| OciError::Answer {
            url: text,
            problem: error.to_string(),
        })
    }

    /// Which scheme the registry speaks. HTTPS wherever that is answered; plain HTTP only where it may be, and is answered:
    /// a registry that is away is asked again the next time.
    async fn probe(&self) -> Result<&'static str, OciError> {
        if !self.plain {
            return Ok("https");
        }
        let secure = self.http.head(format!("https://{}/v2/", self.host)).send().await;
        match secure {
            // A certificate that cannot be trusted is no reason to do without.
            Err(error) if error.is_connect() && !speaks_tls(&error) => {}
            _ => return Ok("https"),
        }
        let url = format!("http://{}/v2/", self.host);
        match self.http.head(&url).send().await {
            Ok(_) => Ok("http"),
            Err(source) => Err(OciError::Request {
                method: "HEAD",
                url,
                source: source.without_url(),
            }),
        }
    }

    /// Sends a request, with a token where the registry wants one; an answer that is no success is an error.
    async fn send(&self, method: Method, url: &Url, repository: &Repository) -> Result<Response, OciError> {
        let scope = format!("repository:{}:pull", repository.path);
        let answer = self.once(&method, url, self.tokens.ready(&scope)).await?;
        let answer = match challenge(&answer, url) {
            Some(header) => {
                let login = self.tokens.answer(url, &header, &scope).await?;
                match login {
                    Some(login) => self.once(&method, url, Some(login)).await?,
                    None => answer,
                }
            }
            None => answer,
        };
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (status, retry_after) = (answer.status(), retry_after(&answer));
        let body = read(answer, url, MAX_ERROR).await.unwrap_or_default();
        Err(OciError::Refused {
            method: name(&method),
            url: bare(url.as_str()),
            status,
            problem: problem(status, &body),
            retry_after,
        })
    }

    async fn once(
        &self,
        method: &Method,
        url: &Url,
        login: Option<HeaderValue>,
    ) -> Result<Response, OciError> {
        let mut headers = HeaderMap::new();
        if url.path().contains("/manifests/")
            && let Ok(accepted) = HeaderValue::from_str(&ACCEPTED.join(", "))
        {
            headers.insert(ACCEPT, accepted);
        }
        let sent = send(&self.http, method, url, &headers, login).await;
        sent.map_err(|e| failed(name(method), url, e))
    }
}

/// Whether a connection failed in TLS's own terms: who answers in something else does not speak it.
fn speaks_tls(error: &reqwest::Error) -> bool {
    let mut next = Some(error as &(dyn std::error::Error + 'static));
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return !matches!(tls, rustls::Error::InvalidMessage(_));
        }
        let inner = error.downcast_ref().and_then(std::io::Error::get_ref);
        next = inner
            .map(|inner| inner as &(dyn std::error::Error + 'static))
            .or_else(|| error.source());
    }
    false
}

fn manifest_path(reference: &Reference) -> Result<String, OciError> {
    if reference.is_safe() {
        Ok(format!("manifests/{}", reference.as_str()))
    } else {
        Err(OciError::Reference(reference.as_str().to_owned()))
    }
}

/// The digest that an answer says its content has.
fn announced(answer: &Response) -> Option<String> {
    let value = answer.headers().get("docker-content-digest")?.to_str().ok()?;
    let hex = value.strip_prefix("sha256:")?;
    (hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit())).then(|| value.to_ascii_lowercase())
}

/// What the registry wants in order to let us in. What a host wants that it sent us to is not heeded: it would name the
/// place where our login goes.
fn challenge(answer: &Response, asked: &Url) -> Option<String> {
    let host = |url: &Url| (url.host_str().map(str::to_owned), url.port());
    if answer.status() != StatusCode::UNAUTHORIZED || host(answer.url()) != host(asked) {
        return None;
    }
    let header = answer.headers().get(WWW_AUTHENTICATE)?.to_str().ok()?;
    Some(header.to_owned())
}

/// The page that a `Link` names (RFC 8288), on the same host.
fn following(url: &Url, link: &HeaderValue) -> Option<Url> {
    let text = link.to_str().ok()?;
    let (target, attributes) = text.strip_prefix('<')?.split_once('>')?;
    let next = url.join(target).ok()?;
    let same = next.origin() == url.origin() && attributes.contains("next");
    same.then_some(next)
}

async fn read(mut answer: Response, url: &Url, limit: u64) -> Result<Vec<u8>, OciError> {
    let (mut body, mut pace) = (Vec::new(), Pace::default());
    while let Some(piece) = answer.chunk().await.map_err(|e| failed("GET", url, e))? {
        pace.keeps(piece.len()).map_err(|slow| odd(url, &slow))?;
        if (body.len() + piece.len()) as u64 > limit {
            return Err(OciError::TooLarge {
                url: bare(url.as_str()),
                limit,
            });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn odd(url: &Url, problem: &dyn std::fmt::Display) -> OciError {
    OciError::Answer {
        url: bare(url.as_str()),
        problem: problem.to_string(),
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn name(method: &Method) -> &'static str {
    if *method == Method::HEAD { "HEAD" } else { "GET" }
}

fn failed(method: &'static str, url: &Url, source: reqwest::Error) -> OciError {
    OciError::Request {
        method,
        url: bare(url.as_str()),
        source: source.without_url(),
    }
}

#[cfg(test)]
mod tests;
