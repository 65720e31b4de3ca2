//! Another cluster's API server, which a tenant names: its client, and what is known of whether it answers.

mod breaker;

use super::{
    Clients, Identity, ServiceAccount,
    bounds::{BEGIN, Bounded},
    kubeconfig::{self, KubeconfigError, Permits},
    path,
};
use crate::{metrics::Metrics, telemetry::chain};
use breaker::Breaker;
use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1,
};
use kube::{
    Api, Client, Config,
    api::PostParams,
    client::{Body, ClientBuilder},
    config::{AuthInfo, KubeConfigOptions},
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use sha2::{Digest as _, Sha256};
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};
use thiserror::Error;
use tokio::{sync::Mutex, time::Instant};
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

/// How a workload identity is let in at another cluster, as a ConfigMap says (`spec.kubeConfig.configMapRef`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Federated {
    /// The server's address, with its scheme.
    pub address: String,
    /// Its authority, in PEM; without one, the system's.
    pub authority: Option<String>,
    /// Whom the token is for.
    pub audiences: Vec<String>,
    /// The namespace of the ServiceAccount that it is a token of.
    pub namespace: String,
    /// Its name.
    pub account: String,
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

    /// The identity of a ServiceAccount's token at another cluster; with an account, that ServiceAccount's there.
    ///
    /// # Errors
    /// See [`RemoteError`].
    pub async fn federated(
        &self,
        federated: &Federated,
        account: Option<&ServiceAccount>,
    ) -> Result<Identity, RemoteError> {
        let user = account.map(|account| account.user.to_str().unwrap_or_default());
        let fingerprint = fingerprint(&[
            federated.address.as_bytes(),
            federated.authority.as_deref().unwrap_or_default().as_bytes(),
            federated.audiences.join("\n").as_bytes(),
            federated.namespace.as_bytes(),
            federated.account.as_bytes(),
            user.unwrap_or_default().as_bytes(),
        ]);
        if let Some(known) = self.known(&fingerprint) {
            return Ok(known);
        }
        let address = federated.address.parse::<http::Uri>().ok();
        // A token goes nowhere where others could hear it.
        let address = address.filter(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
        let address = address.ok_or_else(|| RemoteError::Address(federated.address.clone()))?;
        let mut config = Config::new(address);
        if let Some(pem) = &federated.authority {
            let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
            let certificates = certificates.map_err(|e| RemoteError::Build(format!("ca.crt: {e}")))?;
            config.root_cert = Some(certificates.iter().map(|der| der.to_vec()).collect());
        }
        config.auth_info.impersonate = user.map(str::to_owned);
        let tokens = Tokens {
            accounts: Api::namespaced(self.own.clone(), &federated.namespace),
            account: federated.account.clone(),
            audiences: federated.audiences.clone(),
            kept: Mutex::default(),
        };
        self.connect(config, fingerprint, Some(Arc::new(tokens))).await
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
            if let Some(tokens) = tokens {
                request.headers_mut().insert(AUTHORIZATION, tokens.get().await?);
            }
            let query = request.uri().query().unwrap_or_default();
            let watches = query
                .split('&')
                .any(|pair| matches!(pair, "watch=true" | "watch=1"));
            let method = request.method().as_str().to_owned();
            let answer = match tokio::time::timeout(BEGIN, http.send(request)).await {
                Ok(answer) => answer.map_err(BoxError::from),
                Err(_) => Err(format!("no answer within {} s", BEGIN.as_secs()).into()),
            };
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

/// The tokens of a ServiceAccount, for others' servers.
struct Tokens {
    accounts: Api<v1::ServiceAccount>,
    account: String,
    audiences: Vec<String>,
    kept: Mutex<Option<(HeaderValue, Instant)>>,
}

impl Tokens {
    /// How long before its end a token is exchanged, and how long one lives, in seconds, at least.
    const EARLY: Duration = Duration::from_secs(300);
    const LIFE: i64 = 3600;

    async fn get(&self) -> Result<HeaderValue, BoxError> {
        let mut kept = self.kept.lock().await;
        if let Some((token, _)) = kept.as_ref().filter(|(_, until)| *until > Instant::now()) {
            return Ok(token.clone());
        }
        let wanted = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(self.audiences.clone()),
                expiration_seconds: Some(Self::LIFE),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = self
            .accounts
            .create_token_request(&self.account, &PostParams::default(), &wanted)
            .await
            .map_err(|e| format!("no token of ServiceAccount '{}': {}", self.account, chain(&e)))?;
        let status = answer.status.unwrap_or_default();
        let (token, end) = status
            .token
            .zip(status.expiration_timestamp)
            .ok_or("the API server gave no token")?;
        let mut token = HeaderValue::try_from(format!("Bearer {token}"))?;
        token.set_sensitive(true);
        let life = end.0.duration_since(jiff::Timestamp::now());
        let life = Duration::try_from(life)
            .unwrap_or_default()
            .saturating_sub(Self::EARLY);
        *kept = Some((token.clone(), Instant::now() + life));
        Ok(token)
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
