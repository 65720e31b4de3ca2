//! I/O: the keys of issuers of tokens, fetched where they publish them, kept for a while, and asked for anew when a token
//! names one that is not known; never more often than issuers can bear.

use super::{jwt::Keys, sender::Signer};
use crate::provider::reach::{Names, is_off_limits};
use reqwest::{Client, redirect::Policy};
use serde::Deserialize;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use thiserror::Error;
use url::Url;

/// So long keys are taken for current.
const FRESH: Duration = Duration::from_secs(3600);
/// So long keys are good for, when there are no newer ones to be had.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// An issuer is not asked more often than this, whatever tokens say.
const PAUSE: Duration = Duration::from_secs(10);
/// How long an issuer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How large an answer may be, in bytes.
const LARGEST: usize = 512 << 10;
/// So many issuers are remembered,
const REMEMBERED: usize = 256;
/// but those of a namespace that has no more than this: what others have does not keep it out.
const FEW: usize = 8;

/// The issuers whose keys are known, whoever names them.
#[derive(Debug)]
pub struct Issuers {
    http: Client,
    google: String,
    known: Mutex<Known>,
}

/// Issuers by name; Google has none.
type Known = HashMap<Option<String>, Arc<Issuer>>;

#[derive(Debug)]
struct Issuer {
    /// Of the Receiver that named it first.
    namespace: String,
    used: Mutex<Instant>,
    state: Mutex<State>,
    /// Held while it is asked, so that it is asked once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    keys: Option<(Arc<Keys>, Instant)>,
    asked: Option<(Instant, Option<IssuerError>)>,
}

/// Why the keys of an issuer are not to be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IssuerError {
    /// It does not answer, or not with what was asked for.
    #[error("GET {url}: {problem}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What came instead.
        problem: String,
    },
    /// Its description is that of another.
    #[error("{url} describes the issuer {found:?}")]
    Other {
        /// Where the description is.
        url: String,
        /// Who it says it is.
        found: String,
    },
    /// So many were asked lately that none can be forgotten.
    #[error("too many issuers are asked at once")]
    TooMany,
    /// Its keys are where nobody can be sure whose they are.
    #[error("the keys are at {0:?}, which is no address to trust")]
    Address(String),
}

/// As much of an issuer's description as is needed (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

impl Issuers {
    /// `google` is where Google publishes its keys.
    ///
    /// # Errors
    /// When there are no root certificates.
    pub fn new(google: &str) -> reqwest::Result<Self> {
        // What is asked for is what is answered: no issuer sends us elsewhere.
        let http = Client::builder()
            .connect_timeout(TIMEOUT / 2)
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .dns_resolver(Names)
            .build()?;
        Ok(Self {
            http,
            google: google.to_owned(),
            known: Mutex::default(),
        })
    }

    /// The keys of a signer whom a Receiver of this namespace names, with the one of this id among them if there is one.
    ///
    /// # Errors
    /// When there are none to be had.
    pub async fn keys(
        &self,
        namespace: &str,
        signer: &Signer,
        id: Option<&str>,
    ) -> Result<Arc<Keys>, IssuerError> {
        let issuer = self.issuer(namespace, signer)?;
        if let Some(keys) = issuer.known(id, FRESH) {
            return Ok(keys);
        }
        let _asking = match issuer.asking.try_lock() {
            Ok(asking) => asking,
            // Another asks: who names a key that is known need not wait for that.
            Err(_) => match issuer.known(id, STALE) {
                Some(keys) => return Ok(keys),
                None => issuer.asking.lock().await,
            },
        };
        if let Some(keys) = issuer.known(id, FRESH) {
            return Ok(keys);
        }
        if let Some(lately) = issuer.lately(id) {
            return lately;
        }
        issuer.answered(id, self.fetch(signer).await)
    }

    fn issuer(&self, namespace: &str, signer: &Signer) -> Result<Arc<Issuer>, IssuerError> {
        let name = match signer {
            Signer::Google => None,
            Signer::Issuer(url) => Some(url.clone()),
        };
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(&name) && !has_room(&mut known, namespace) {
            return Err(IssuerError::TooMany);
        }
        let issuer = known.entry(name).or_insert_with(|| {
            Arc::new(Issuer {
                namespace: namespace.to_owned(),
                used: Mutex::new(now),
                state: Mutex::default(),
                asking: tokio::sync::Mutex::default(),
            })
        });
        *issuer.used.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(issuer.clone())
    }

    async fn fetch(&self, signer: &Signer) -> Result<Keys, IssuerError> {
        let address = match signer {
            Signer::Google => self.google.clone(),
            Signer::Issuer(issuer) => self.described(issuer).await?,
        };
        let text = self.get(&address).await?;
        let problem = |problem: &str| IssuerError::Answer {
            url: address.clone(),
            problem: problem.to_owned(),
        };
        Keys::parse(&text).map_err(problem)
    }

    /// Where an issuer says its keys are.
    async fn described(&self, issuer: &str) -> Result<String, IssuerError> {
        let url = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let text = self.get(&url).await?;
        let description: Description = serde_json::from_slice(&text).map_err(|e| IssuerError::Answer {
            url: url.clone(),
            problem: e.to_string(),
        })?;
        if description.issuer != issuer {
            return Err(IssuerError::Other {
                url,
                found: description.issuer,
            });
        }
        // Who speaks in the clear himself has nothing to lose; who does not must not begin to.
        let secure = |text: &str| Url::parse(text).ok().map(|url| url.scheme().to_owned());
        match (
            secure(issuer).as_deref(),
            secure(&description.jwks_uri).as_deref(),
        ) {
            (_, Some("https")) | (Some("http"), Some("http")) => Ok(description.jwks_uri),
            _ => Err(IssuerError::Address(description.jwks_uri)),
        }
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, IssuerError> {
        let failed = |problem: String| IssuerError::Answer {
            url: url.to_owned(),
            problem,
        };
        if Url::parse(url).is_ok_and(|url| is_off_limits(&url)) {
            return Err(failed(
                "metadata services and link-local addresses are not asked".to_owned(),
            ));
        }
        let error = |e: reqwest::Error| failed(runtime::telemetry::chain(&e.without_url()));
        let mut answer = self.http.get(url).send().await.map_err(error)?;
        if !answer.status().is_success() {
            return Err(failed(answer.status().to_string()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(error)? {
            text.extend_from_slice(&chunk);
            if text.len() > LARGEST {
                return Err(failed(format!("more than {LARGEST} bytes")));
            }
        }
        Ok(text)
    }
}

/// Whether there is room for one more of a namespace. If there is none, those are forgotten that were not used for the longest time,
/// of the namespace that has most; but none that was asked a moment ago: it would be asked again in a hurry.
fn has_room(known: &mut Known, namespace: &str) -> bool {
    while known.len() >= REMEMBERED {
        let mut of: HashMap<&str, usize> = HashMap::new();
        for issuer in known.values() {
            *of.entry(&issuer.namespace).or_default() += 1;
        }
        let own = of.get(namespace).copied().unwrap_or_default();
        let most = of.values().copied().max().unwrap_or_default();
        let leaves = |issuer: &Arc<Issuer>| of[&*issuer.namespace] == most && issuer.is_at_rest();
        let oldest = known
            .iter()
            .filter(|(_, issuer)| leaves(issuer))
            .min_by_key(|(_, issuer)| issuer.used())
            .map(|(name, _)| name.clone());
        match oldest {
            Some(name) => known.remove(&name),
            None => return own < FEW,
        };
    }
    true
}

impl Issuer {
    fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody asks it, and nobody did a moment ago.
    fn is_at_rest(self: &Arc<Self>) -> bool {
        let lately = self
            .state()
            .asked
            .as_ref()
            .is_some_and(|(when, _)| when.elapsed() < PAUSE);
        !lately && Arc::strong_count(self) == 1
    }

    /// The keys that are known, if they are not older than this and the one of this id is among them.
    fn known(&self, id: Option<&str>, age: Duration) -> Option<Arc<Keys>> {
        let state = self.state();
        let (keys, since) = state.keys.as_ref()?;
        let fits = since.elapsed() < age && id.is_none_or(|id| keys.has(id));
        fits.then(|| keys.clone())
    }

    /// What came of asking, if that was a moment ago.
    fn lately(&self, id: Option<&str>) -> Option<Result<Arc<Keys>, IssuerError>> {
        let state = self.state();
        let (when, problem) = state.asked.as_ref()?;
        (when.elapsed() < PAUSE).then(|| state.outcome(id, problem.as_ref()))
    }

    /// Takes in what it has answered.
    fn answered(
        &self,
        id: Option<&str>,
        answer: Result<Keys, IssuerError>,
    ) -> Result<Arc<Keys>, IssuerError> {
        let (mut state, now) = (self.state(), Instant::now());
        let problem = match answer {
            Ok(keys) => {
                state.keys = Some((Arc::new(keys), now));
                None
            }
            Err(problem) => Some(problem),
        };
        state.asked = Some((now, problem.clone()));
        state.outcome(id, problem.as_ref())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is known, new or not so new, or why there is nothing. What is not so new says nothing of a key that is not in it.
    fn outcome(&self, id: Option<&str>, problem: Option<&IssuerError>) -> Result<Arc<Keys>, IssuerError> {
        let has = |keys: &Keys| problem.is_none() || id.is_none_or(|id| keys.has(id));
        match (&self.keys, problem) {
            (Some((keys, since)), _) if since.elapsed() < STALE && has(keys) => Ok(keys.clone()),
            (_, Some(problem)) => Err(problem.clone()),
            (_, None) => Ok(Arc::default()),
        }
    }
}

#[cfg(test)]
mod tests;
