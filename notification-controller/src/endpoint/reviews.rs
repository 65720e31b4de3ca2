//! I/O: whether a token is one of this cluster, as the API server says: asked once in a while for each, and never by more at once than
//! it bears.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::{Api, Client, api::PostParams};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// A verdict is good for so long: as long as the API server itself keeps those of others. A token that was revoked is taken no longer.
const GOOD_FOR: Duration = Duration::from_secs(10);
/// So many verdicts are kept.
const KEPT: usize = 1000;
/// So many tokens are reviewed at once.
const AT_ONCE: usize = 8;

/// Who has tokens reviewed.
pub struct Reviews {
    api: Api<TokenReview>,
    verdicts: Mutex<Verdicts>,
    places: Semaphore,
}

impl Reviews {
    /// By this client.
    pub fn new(client: Client) -> Self {
        Self {
            api: Api::all(client),
            verdicts: Mutex::default(),
            places: Semaphore::new(AT_ONCE),
        }
    }

    /// Whether the sender's token is one of this cluster.
    ///
    /// # Errors
    /// When the API server does not say.
    pub async fn is_known(&self, headers: &HeaderMap) -> kube::Result<bool> {
        let token = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let Some(token) = token else { return Ok(false) };
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let verdict = || {
            let verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
            verdicts.get(&digest, Instant::now())
        };
        if let Some(verdict) = verdict() {
            return Ok(verdict);
        }
        // Never closed.
        let _place = self.places.acquire().await;
        // One that was before this may have asked.
        if let Some(verdict) = verdict() {
            return Ok(verdict);
        }
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: token.to_owned(),
                ..Default::default()
            },
            ..Default::default()
        };
        let reviewed = self.api.create(&PostParams::default(), &review).await?;
        let is_known = reviewed.status.and_then(|status| status.authenticated) == Some(true);
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.keep(digest, is_known, Instant::now());
        Ok(is_known)
    }
}

/// Verdicts by the digest of the token.
#[derive(Debug, Default)]
struct Verdicts(HashMap<[u8; 32], (bool, Instant)>);

impl Verdicts {
    fn get(&self, digest: &[u8; 32], now: Instant) -> Option<bool> {
        let (verdict, since) = self.0.get(digest)?;
        (now.duration_since(*since) < GOOD_FOR).then_some(*verdict)
    }

    /// Where there is no room, those go first that are over, then those of strangers, then all.
    fn keep(&mut self, digest: [u8; 32], verdict: bool, now: Instant) {
        let full = |kept: &HashMap<_, _>| kept.len() >= KEPT;
        if full(&self.0) {
            self.0
                .retain(|_, (_, since)| now.duration_since(*since) < GOOD_FOR);
        }
        if full(&self.0) {
            self.0.retain(|_, (known, _)| *known);
        }
        if full(&self.0) {
            self.0.clear();
        }
        self.0.insert(digest, (verdict, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: usize) -> [u8; 32] {
        Sha256::digest(n.to_string().as_bytes()).into()
    }

    #[test]
    fn verdicts_are_good_for_a_while() {
        let (mut verdicts, now) = (Verdicts::default(), Instant::now());
        verdicts.keep(digest(1), true, now);
        verdicts.keep(digest(2), false, now);
        for (after, expected) in [
            (Duration::ZERO, (Some(true), Some(false), None)),
            (
                GOOD_FOR - Duration::from_millis(1),
                (Some(true), Some(false), None),
            ),
            (GOOD_FOR, (None, None, None)),
        ] {
            let get = |n| verdicts.get(&digest(n), now + after);
            assert_eq!((get(1), get(2), get(3)), expected, "{after:?}");
        }
    }

    #[test]
    fn strangers_do_not_push_out_who_is_known() {
        let (mut verdicts, now) = (Verdicts::default(), Instant::now());
        verdicts.keep(digest(0), true, now);
        for n in 1..5 * KEPT {
            verdicts.keep(digest(n), false, now);
            assert!(verdicts.0.len() <= KEPT);
        }
        assert_eq!(verdicts.get(&digest(0), now), Some(true));
        // Many that are known are bounded as well.
        for n in 0..5 * KEPT {
            verdicts.keep(digest(n), true, now);
            assert!(verdicts.0.len() <= KEPT);
        }
    }
}
