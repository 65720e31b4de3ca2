//! Tokens for another cluster: each is used until shortly before it ends, and exchanged once if the cluster refuses it.

use crate::{
    client::vouch::{Managed, Pass, Vouches},
    telemetry::chain,
};
use http::HeaderValue;
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1,
};
use kube::{Api, api::PostParams};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};
use tower::BoxError;

/// How long before its end a token is exchanged, at most; one that is short-lived when a fifth of its life is left.
const EARLY: Duration = Duration::from_secs(300);
/// How long a ServiceAccount's token lives, in seconds, at least.
const LIFE: i64 = 3600;
/// A cluster that refuses what it is shown has a new token so often at the most.
const PAUSE: Duration = Duration::from_secs(60);

/// The tokens of one identity at one cluster.
pub(super) struct Tokens {
    issuer: Issuer,
    kept: Mutex<Kept>,
}

/// Where tokens come from.
pub(super) enum Issuer {
    /// The controller's own API server, for a ServiceAccount.
    Own {
        accounts: Api<v1::ServiceAccount>,
        account: String,
        audiences: Vec<String>,
    },
    /// A cloud provider.
    Cloud {
        vouches: Arc<dyn Vouches>,
        cluster: Managed,
    },
}

#[derive(Default)]
struct Kept {
    token: Option<(HeaderValue, Instant)>,
    /// When one was exchanged because it was refused.
    exchanged: Option<Instant>,
}

impl Tokens {
    pub(super) fn new(issuer: Issuer) -> Arc<Self> {
        Arc::new(Self {
            issuer,
            kept: Mutex::default(),
        })
    }

    /// A token that lasts; whoever asks while it is fetched waits for it.
    pub(super) async fn get(&self) -> Result<HeaderValue, BoxError> {
        let mut kept = self.kept.lock().await;
        if let Some((token, _)) = kept.token.as_ref().filter(|(_, until)| *until > Instant::now()) {
            return Ok(token.clone());
        }
        kept.keep(self.issuer.pass(false).await?)
    }

    /// Another token than the one that was refused; `None` if the refusal stands.
    pub(super) async fn instead_of(&self, refused: &HeaderValue) -> Result<Option<HeaderValue>, BoxError> {
        let mut kept = self.kept.lock().await;
        if let Some((token, _)) = kept.token.as_ref().filter(|(token, _)| token != refused) {
            // Somebody else was refused before us.
            return Ok(Some(token.clone()));
        }
        let now = Instant::now();
        if kept.exchanged.is_some_and(|last| now < last + PAUSE) {
            return Ok(None);
        }
        kept.exchanged = Some(now);
        let token = kept.keep(self.issuer.pass(true).await?)?;
        Ok(Some(token).filter(|token| token != refused))
    }
}

impl Kept {
    fn keep(&mut self, pass: Pass) -> Result<HeaderValue, BoxError> {
        let life = pass.life.saturating_sub(EARLY.min(pass.life / 5));
        self.token = Some((pass.login.clone(), Instant::now() + life));
        Ok(pass.login)
    }
}

impl Issuer {
    async fn pass(&self, anew: bool) -> Result<Pass, BoxError> {
        let (accounts, account, audiences) = match self {
            Self::Cloud { vouches, cluster } => {
                return vouches.pass(cluster, anew).await.map_err(BoxError::from);
            }
            Self::Own {
                accounts,
                account,
                audiences,
            } => (accounts, account, audiences),
        };
        let wanted = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(audiences.clone()),
                expiration_seconds: Some(LIFE),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(account, &PostParams::default(), &wanted)
            .await
            .map_err(|e| format!("no token of ServiceAccount '{account}': {}", chain(&e)))?;
        let status = answer.status.unwrap_or_default();
        let (token, end) = status
            .token
            .zip(status.expiration_timestamp)
            .ok_or("the API server gave no token")?;
        let life = end.0.duration_since(jiff::Timestamp::now());
        let life = Duration::try_from(life).unwrap_or_default();
        Pass::bearer(&token, life).ok_or_else(|| "the API server gave no token".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::vouch::{Place, Provider};
    use futures::future::BoxFuture;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Gives numbered tokens that last 100 seconds.
    struct Numbers(AtomicU32);

    impl Vouches for Numbers {
        fn place<'a>(&'a self, _: &'a Managed) -> BoxFuture<'a, Result<Place, String>> {
            Box::pin(async { Err("nowhere".to_owned()) })
        }

        fn pass<'a>(&'a self, _: &'a Managed, _: bool) -> BoxFuture<'a, Result<Pass, String>> {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                tokio::task::yield_now().await;
                Pass::bearer(&number.to_string(), Duration::from_secs(100)).ok_or_else(String::new)
            })
        }
    }

    fn tokens() -> Arc<Tokens> {
        Tokens::new(Issuer::Cloud {
            vouches: Arc::new(Numbers(AtomicU32::new(0))),
            cluster: Managed {
                provider: Provider::Aws,
                cluster: String::new(),
                address: None,
                authority: None,
                audiences: Vec::new(),
                namespace: "team".to_owned(),
                account: None,
            },
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_fetched_once_and_exchanged_before_its_end() {
        let tokens = tokens();
        let (first, second) = tokio::join!(tokens.get(), tokens.get());
        assert_eq!(first.unwrap(), "Bearer 0");
        assert_eq!(second.unwrap(), "Bearer 0");
        tokio::time::advance(Duration::from_secs(79)).await;
        assert_eq!(tokens.get().await.unwrap(), "Bearer 0");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(tokens.get().await.unwrap(), "Bearer 1");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_is_exchanged_once() {
        let tokens = tokens();
        let first = tokens.get().await.unwrap();
        let (one, other) = tokio::join!(tokens.instead_of(&first), tokens.instead_of(&first));
        assert_eq!(one.unwrap().unwrap(), "Bearer 1");
        assert_eq!(
            other.unwrap().unwrap(),
            "Bearer 1",
            "two who are refused share one"
        );
        let second = tokens.get().await.unwrap();
        assert_eq!(
            tokens.instead_of(&second).await.unwrap(),
            None,
            "the refusal stands"
        );
        tokio::time::advance(PAUSE).await;
        assert!(tokens.instead_of(&second).await.unwrap().is_some());
    }
}
