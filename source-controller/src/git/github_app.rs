//! A GitHub App's installation token: a short-lived password, asked for with a signed statement of who the app is.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Client, Method, StatusCode, redirect};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::auth::{Auth, GitHubApp, HttpAuth, Installation, Login, Proxy};
use super::deadline::{Deadline, runtime};
use super::error::{GitError, MirrorError, TokenError};
use super::http::{bare, client};
use crate::lock::lock;
use peer::http::retry_after;
use peer::secret::Secret;

/// The user name that goes with an installation token.
const USER: &str = "x-access-token";
/// The statement is dated back a little, because clocks differ.
const BACKDATED: u64 = 30;
/// The statement is good for so long.
const STATEMENT: u64 = 120;
/// An answer of the API is never larger, in bytes.
const MAX_ANSWER: usize = 1 << 20;
/// A token is used for so much of its life, in percent, as Flux does.
const USED: u32 = 80;

/// Tokens by the app that they are for.
pub(super) struct Tokens {
    /// So many are kept at the most.
    most: usize,
    /// None is kept for longer.
    longest: Duration,
    cached: Mutex<HashMap<[u8; 32], (Secret, SystemTime)>>,
}

#[derive(Serialize)]
struct Statement<'a> {
    iat: u64,
    exp: u64,
    iss: &'a str,
}

#[derive(Deserialize)]
struct Found {
    id: u64,
}

#[derive(Deserialize)]
struct Issued {
    token: String,
    expires_at: String,
}

impl Tokens {
    /// An empty cache (Flux flags `--token-cache-max-size`, `--token-cache-max-duration`).
    pub(super) fn new(most: usize, longest: Duration) -> Tokens {
        Tokens {
            most,
            longest,
            cached: Mutex::default(),
        }
    }

    /// The login as it can be sent: with a token in place of an app, fresh or from the cache.
    pub(super) fn login(
        &self,
        auth: &Auth,
        proxy: Option<&Proxy>,
        deadline: Deadline,
    ) -> Result<Auth, GitError> {
        let Auth::Http(HttpAuth {
            login: Login::GitHubApp(app),
            tls,
        }) = auth
        else {
            return Ok(auth.clone());
        };
        let mut hash = Sha256::new();
        auth.fingerprint(&mut hash);
        let key: [u8; 32] = hash.finalize().into();
        let now = SystemTime::now();
        let cached = lock(&self.cached)
            .get(&key)
            .filter(|(_, until)| now < *until)
            .map(|(token, _)| token.clone());
        let token = match cached {
            Some(token) => token,
            None => {
                let runtime = runtime().map_err(|source| GitError::Mirror(MirrorError::Runtime(source)))?;
                let client = client(tls, proxy, redirect::Policy::none());
                let client = client.map_err(|source| GitError::Token(TokenError::Client(source)))?;
                let exchanged = deadline.wait(&runtime, exchange(&client, app, now));
                let timed_out = |_| GitError::Token(TokenError::Timeout(deadline.span()));
                let (token, expires) = exchanged.map_err(timed_out)?.map_err(GitError::Token)?;
                let life = expires.duration_since(now).unwrap_or_default();
                self.keep(key, &token, now, (life * USED / 100).min(self.longest));
                token
            }
        };
        let login = Login::Basic {
            username: USER.to_owned(),
            password: token,
        };
        Ok(Auth::Http(HttpAuth {
            login,
            tls: tls.clone(),
        }))
    }
}

impl Tokens {
    /// Keeps a token; the one that ends soonest makes room.
    fn keep(&self, key: [u8; 32], token: &Secret, now: SystemTime, life: Duration) {
        let mut cached = lock(&self.cached);
        cached.retain(|_, (_, until)| now < *until);
        cached.insert(key, (token.clone(), now + life));
        while cached.len() > self.most {
            let soonest = cached.iter().min_by_key(|(_, (_, until))| *until);
            let Some(soonest) = soonest.map(|(key, _)| *key) else {
                break;
            };
            cached.remove(&soonest);
        }
    }
}

async fn exchange(
    client: &Client,
    app: &GitHubApp,
    now: SystemTime,
) -> Result<(Secret, SystemTime), TokenError> {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let issued = seconds.saturating_sub(BACKDATED);
    let statement = Statement {
        iat: issued,
        exp: issued + STATEMENT,
        iss: &app.id,
    };
    let key = EncodingKey::from_rsa_pem(app.key.expose()).map_err(TokenError::Key)?;
    let statement = encode(&Header::new(Algorithm::RS256), &statement, &key).map_err(TokenError::Key)?;

    let id = match &app.installation {
        Installation::Id(id) => id.clone(),
        Installation::Owner(owner) => installation(client, app, owner, &statement).await?.to_string(),
    };
    let url = format!("{}/app/installations/{}/access_tokens", app.api, segment(&id));
    let answer = call(client, Method::POST, &url, &statement).await?;
    let unusable = || TokenError::Answer(bare(&url));
    let issued: Issued = serde_json::from_slice(&answer).map_err(|_| unusable())?;
    let expires: jiff::Timestamp = issued.expires_at.parse().map_err(|_| unusable())?;
    Ok((
        Secret::new(issued.token),
        UNIX_EPOCH + Duration::from_secs(expires.as_second().max(0).unsigned_abs()),
    ))
}

/// Where the app is installed for an organisation, or else a user, of this name.
async fn installation(
    client: &Client,
    app: &GitHubApp,
    owner: &str,
    statement: &str,
) -> Result<u64, TokenError> {
    let url = |kind: &str| format!("{}/{kind}/{}/installation", app.api, segment(owner));
    let answer = match call(client, Method::GET, &url("orgs"), statement).await {
        Err(TokenError::Status { status: 404, .. }) => {
            call(client, Method::GET, &url("users"), statement).await?
        }
        other => other?,
    };
    let found: Found = serde_json::from_slice(&answer).map_err(|_| TokenError::Answer(bare(&url("orgs"))))?;
    Ok(found.id)
}

async fn call(client: &Client, method: Method, url: &str, statement: &str) -> Result<Vec<u8>, TokenError> {
    let failed = |source: reqwest::Error| TokenError::Request {
        url: bare(url),
        source: source.without_url(),
    };
    let request = client
        .request(method, url)
        .bearer_auth(statement)
        .header("Accept", "application/vnd.github+json")
        .header("User-Agent", "sluice");
    let mut response = request.send().await.map_err(failed)?;
    if !matches!(response.status(), StatusCode::OK | StatusCode::CREATED) {
        return Err(TokenError::Status {
            url: bare(url),
            status: response.status().as_u16(),
            retry_after: retry_after(&response),
        });
    }
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        answer.extend_from_slice(&chunk);
        if answer.len() > MAX_ANSWER {
            return Err(TokenError::Answer(bare(url)));
        }
    }
    Ok(answer)
}

/// One segment of a URL's path, whatever is in it.
fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
