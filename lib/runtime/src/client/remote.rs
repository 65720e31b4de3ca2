//! Another cluster's API server, which a tenant names: its client, and what is known of whether it answers.

mod breaker;
mod by_token;
mod tokens;

use super::{
    Clients, Identity, ServiceAccount,
    bounds::{BEGIN, Bounded},
    kubeconfig::{self, KubeconfigError, Permits},
    path,
};
use crate::{metrics::Metrics, telemetry::chain};
use breaker::Breaker;
pub use by_token::Federated;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
    config::{AuthInfo, KubeConfigOptions},
};
use sha2::{Digest as _, Sha256};
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};
use thiserror::Error;
use tokens::Tokens;
use tower::BoxError;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may be silent; watches have deadlines of their own.
const SILENCE: Duration = Duration::from_secs(295);

/// Who a kubeconfig says, at the cluster it names. Equal for equal kubeconfigs.
#[derive(Clone)]
pub struct Remote(pub(super) Arc<Connection>);

/// What all clients for one [`Remote`] share.
pub(super) struct Connection {
    pub(super) fingerprint: [u8; 32],
    pub(super) address: String,
    pub(super) client: Client,
    breaker: Arc<Breaker>,
}

/// Why there is no client for another cluster.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The kubeconfig is not used.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// Its values cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Build(String),
    /// The address is none.
    #[error("'{0}' is no address of an API server")]
    Address(String),
    /// The cloud provider does not vouch for us there.
    #[error("cannot be used: {0}")]
    Vouch(String),
    /// Nobody here knows cloud providers.
    #[error("names a cloud provider, which this controller knows nothing of")]
    Nobody,
}

impl Clients {
    /// The identity that a kubeconfig gives at the cluster it names; with an account, that ServiceAccount's there.
    ///
    /// # Errors
    /// See [`RemoteError`].
    pub async fn remote(
        &self,
        kubeconfig: &[u8],
        permits: Permits,
        account: Option<&ServiceAccount>,
    ) -> Result<Identity, RemoteError> {
        let user = account.map(|account| account.user.to_str().unwrap_or_default());
        let fingerprint = fingerprint(&[
            kubeconfig,
            user.unwrap_or_default().as_bytes(),
            &[u8::from(permits.exec), u8::from(permits.insecure_tls)],
        ]);
        if let Some(known) = self.known(&fingerprint) {
            return Ok(known);
        }
        let read = kubeconfig::read(kubeconfig, permits)?;
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
        let mut config = config.map_err(|e| RemoteError::Build(chain(&e)))?;
        if let Some(user) = user {
            config.auth_info = AuthInfo {
                impersonate: Some(user.to_owned()),
                impersonate_uid: None,
                impersonate_groups: None,
                impersonate_user_extra: None,
                ..config.auth_info
            };
        }
        self.connect(config, fingerprint, None).await
    }

    fn known(&self, fingerprint: &[u8; 32]) -> Option<Identity> {
        let remotes = self.remotes.lock().unwrap_or_else(PoisonError::into_inner);
        let known = remotes.get(fingerprint)?.upgrade()?;
        Some(Identity::Remote(Remote(known)))
    }

    async fn connect(
        &self,
        mut config: Config,
        fingerprint: [u8; 32],
        tokens: Option<Arc<Tokens>>,
    ) -> Result<Identity, RemoteError> {
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(SILENCE);
        let (address, namespace) = (config.cluster_url.to_string(), config.default_namespace.clone());
        // A program that a kubeconfig names, where that is allowed, is run here.
        let built =
            tokio::task::spawn_blocking(move || ClientBuilder::try_from(config).map(ClientBuilder::build));
        let built = match tokio::time::timeout(BEGIN, built).await {
            Ok(Ok(built)) => built.map_err(|e| RemoteError::Build(chain(&e)))?,
            Ok(Err(_)) | Err(_) => return Err(RemoteError::Build("it gives no client in time".to_owned())),
        };
        let breaker = Arc::new(Breaker::new(&address));
        let client = bounded(built, namespace, &breaker, tokens, self.metrics.clone());
        let mut remotes = self.remotes.lock().unwrap_or_else(PoisonError::into_inner);
        remotes.retain(|_, known| known.strong_count() > 0);
        // Somebody else may have been faster.
        if let Some(known) = remotes.get(&fingerprint).and_then(Weak::upgrade) {
            return Ok(Identity::Remote(Remote(known)));
        }
        let connection = Arc::new(Connection {
            fingerprint,
            address,
            client,
            breaker,
        });
        remotes.insert(fingerprint, Arc::downgrade(&connection));
        Ok(Identity::Remote(Remote(connection)))
    }
}

/// A client that holds its peer to the bounds that a stranger has.
fn bounded(
    http: Client,
    namespace: String,
    breaker: &Arc<Breaker>,
    tokens: Option<Arc<Tokens>>,
    metrics: Metrics,
) -> Client {
    let breaker = breaker.clone();
    let service = tower::service_fn(move |mut request: Request<Body>| {
        let (http, tokens, metrics, breaker) =
            (http.clone(), tokens.clone(), metrics.clone(), breaker.clone());
        async move {
            path::check(request.uri().path())?;
            breaker.check()?;
            let query = request.uri().query().unwrap_or_default();
            let watches = query
                .split('&')
                .any(|pair| matches!(pair, "watch=true" | "watch=1"));
            let method = request.method().as_str().to_owned();
            let mut again = None;
            if let Some(tokens) = &tokens {
                let token = tokens.get().await?;
                again = copy(&request).map(|copy| (copy, token.clone()));
                request.headers_mut().insert(AUTHORIZATION, token);
            }
            let mut answer = sent(&http, request).await;
            if let (Some(tokens), Some((mut request, refused))) = (tokens, again)
                && matches!(&answer, Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED)
                && let Some(token) = tokens.instead_of(&refused).await?
            {
                request.headers_mut().insert(AUTHORIZATION, token);
                answer = sent(&http, request).await;
            }
            metrics.requested(&method, answer.as_ref().map_or(0, |a| a.status().as_u16()));
            match answer {
                Ok(answer) => {
                    breaker.answered();
                    Ok::<Response<_>, BoxError>(answer.map(|body| Bounded::new(body, watches)))
                }
                Err(error) => Err(breaker.failed(chain(&*error)).into()),
            }
        }
    });
    Client::new(service, namespace)
}

/// A request that can be sent once more, if it can.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

async fn sent(http: &Client, request: Request<Body>) -> Result<Response<Body>, BoxError> {
    match tokio::time::timeout(BEGIN, http.send(request)).await {
        Ok(answer) => answer.map_err(BoxError::from),
        Err(_) => Err(format!("no answer within {} s", BEGIN.as_secs()).into()),
    }
}

fn fingerprint(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

impl Remote {
    /// The server's address.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// How long the server is not asked because it did not answer; `None` if it does.
    pub fn away(&self) -> Option<Duration> {
        self.0.breaker.pause()
    }

    /// Whether nobody but the asker holds it.
    pub fn is_forgotten(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl PartialEq for Remote {
    fn eq(&self, other: &Self) -> bool {
        self.0.fingerprint == other.0.fingerprint
    }
}

impl Eq for Remote {}

impl Hash for Remote {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.fingerprint.hash(state);
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.0.address).finish()
    }
}
