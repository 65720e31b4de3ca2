//! Tokens for a registry: had from where it says, kept until shortly before they end.

use super::super::{challenge::Challenge, error::OciError, keychain::Login};
use super::read;
use crate::lock::lock;
use peer::http::{bare, basic, bearer, retry_after};
use reqwest::{Client, Url, header::HeaderValue};
use serde::Deserialize;
use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

/// An answer with a token is never larger, in bytes.
const MAX_ANSWER: u64 = 1 << 20;
/// So many tokens are kept: one for each repository that is asked for with this login.
const MOST: usize = 256;
/// How long a token is good if its issuer does not say (Docker token protocol).
const UNSAID: u64 = 60;

/// The login of a client, and what it was exchanged for.
#[derive(Debug)]
pub(super) struct Tokens {
    login: Login,
    /// For whoever issues tokens.
    http: Client,
    /// Whether the registry wants the login itself.
    basic: Mutex<bool>,
    /// By scope.
    kept: Mutex<HashMap<String, (HeaderValue, Instant)>>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Issued {
    token: String,
    access_token: String,
    expires_in: u64,
}

impl Tokens {
    pub(super) fn new(login: Login, http: Client) -> Self {
        Self {
            login,
            http,
            basic: Mutex::new(false),
            kept: Mutex::default(),
        }
    }

    /// What to say without being asked: what the registry wanted the last time.
    pub(super) fn ready(&self, scope: &str) -> Option<HeaderValue> {
        if let Login::Bearer(token) = &self.login {
            return bearer(token.expose());
        }
        let kept = lock(&self.kept).get(scope).cloned();
        if let Some((token, until)) = kept
            && Instant::now() < until
        {
            return Some(token);
        }
        self.basic().filter(|_| *lock(&self.basic))
    }

    /// What to answer to a challenge; `None` if there is no answer.
    pub(super) async fn answer(
        &self,
        registry: &Url,
        header: &str,
        scope: &str,
    ) -> Result<Option<HeaderValue>, OciError> {
        match Challenge::parse(header) {
            None => Ok(None),
            Some(Challenge::Basic) => {
                *lock(&self.basic) = true;
                Ok(self.basic())
            }
            Some(Challenge::Bearer {
                realm,
                service,
                scope: asked,
            }) => {
                let asked = asked.unwrap_or_else(|| scope.to_owned());
                let (token, life) = self.exchange(registry, &realm, &service, &asked).await?;
                let mut kept = lock(&self.kept);
                if kept.len() >= MOST {
                    let now = Instant::now();
                    kept.retain(|_, (_, until)| now < *until);
                }
                if kept.len() < MOST {
                    kept.insert(scope.to_owned(), (token.clone(), Instant::now() + life));
                }
                Ok(Some(token))
            }
        }
    }

    async fn exchange(
        &self,
        registry: &Url,
        realm: &str,
        service: &str,
        scope: &str,
    ) -> Result<(HeaderValue, Duration), OciError> {
        let refused_until = |problem: String, retry_after: Option<Duration>| OciError::Token {
            realm: bare(realm),
            problem,
            retry_after,
        };
        let refused = |problem: String| refused_until(problem, None);
        let mut url = Url::parse(realm).map_err(|e| refused(format!("this is no URL: {e}")))?;
        // A registry may have its tokens from elsewhere, but no less safely than it is spoken to itself.
        let safe = url.scheme() == "https" || (url.scheme() == "http" && registry.scheme() == "http");
        if !safe {
            return Err(refused("the login would go over an unsafe line".into()));
        }
        let request = match &self.login {
            Login::Identity(token) => {
                let form = form(&[
                    ("grant_type", "refresh_token"),
                    ("service", service),
                    ("scope", scope),
                    ("client_id", "sluice"),
                    ("refresh_token", &String::from_utf8_lossy(token.expose())),
                ]);
                let kind = "application/x-www-form-urlencoded";
                self.http.post(url).header("content-type", kind).body(form)
            }
            Login::Basic { .. } | Login::Anonymous | Login::Bearer(_) => {
                let mut query = url.query_pairs_mut();
                if !service.is_empty() {
                    query.append_pair("service", service);
                }
                query.append_pair("scope", scope);
                drop(query);
                let request = self.http.get(url);
                match self.basic() {
                    Some(login) => request.header(reqwest::header::AUTHORIZATION, login),
                    None => request,
                }
            }
        };
        let answer = request.send().await;
        let answer = answer.map_err(|e| refused(runtime::telemetry::chain(&e.without_url())))?;
        let (status, at) = (answer.status(), answer.url().clone());
        if !status.is_success() {
            let rest = retry_after(&answer);
            let body = read(answer, &at, MAX_ANSWER).await.unwrap_or_default();
            return Err(refused_until(super::problem(status, &body), rest));
        }
        let body = read(answer, &at, MAX_ANSWER).await?;
        let issued: Issued =
            serde_json::from_slice(&body).map_err(|_| refused("the answer holds no token".into()))?;
        let token = if issued.token.is_empty() {
            issued.access_token
        } else {
            issued.token
        };
        let token = bearer(token.as_bytes()).filter(|_| !token.is_empty());
        let token = token.ok_or_else(|| refused("the answer holds no token".into()))?;
        let life = if issued.expires_in == 0 {
            UNSAID
        } else {
            issued.expires_in
        };
        // It is used for so much of its life that it does not end on the way.
        Ok((token, Duration::from_secs(life.min(3600) * 8 / 10)))
    }

    fn basic(&self) -> Option<HeaderValue> {
        let Login::Basic { username, password } = &self.login else {
            return None;
        };
        basic(username, password)
    }
}

/// `application/x-www-form-urlencoded`, as the query of a URL has it.
fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(pairs);
    text.finish().into_bytes()
}
