//! Clients of API servers. Each is built from an identity; there is no other way to get one.

mod bounds;
mod kubeconfig;
mod per_cluster;
mod remote;
mod vouch;

pub use kubeconfig::{KubeconfigError, Permits};
pub use per_cluster::PerCluster;
pub use remote::{Federated, Remote, RemoteError};
pub use vouch::{Managed, Pass, Place, Provider, Vouches};

mod path;

use crate::metrics::Metrics;
use http::HeaderValue;
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
};
use remote::Connection;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};
use thiserror::Error;

/// In whose name requests are made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The controller's own ServiceAccount.
    Controller,
    /// A tenant's ServiceAccount, impersonated.
    ServiceAccount(ServiceAccount),
    /// Whoever a kubeconfig says, at the cluster it names. Built only by [`Clients`].
    Remote(Remote),
}

/// A ServiceAccount with a name that can be impersonated. Built only by [`Identity::service_account`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceAccount {
    namespace: String,
    name: String,
    /// The user name as it goes on the wire: made here once, so that no request can be sent without it.
    user: HeaderValue,
}

impl Identity {
    /// The identity of a ServiceAccount in a namespace.
    ///
    /// # Errors
    /// When a part is empty or no Kubernetes name: an empty user would silently be the controller itself
    /// (CVE-2026-23990).
    pub fn service_account(namespace: &str, name: &str) -> Result<Self, IdentityError> {
        ServiceAccount::new(namespace, name).map(Self::ServiceAccount)
    }

    /// The cluster that is not the controller's own, if it is one.
    pub fn cluster(&self) -> Option<&Remote> {
        match self {
            Self::Controller | Self::ServiceAccount(_) => None,
            Self::Remote(remote) => Some(remote),
        }
    }
}

impl ServiceAccount {
    /// As [`Identity::service_account`], where it is to be combined with a kubeconfig.
    ///
    /// # Errors
    /// As there.
    pub fn new(namespace: &str, name: &str) -> Result<Self, IdentityError> {
        for part in [namespace, name] {
            let fine = !part.is_empty()
                && part.len() <= 253
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.');
            if !fine {
                return Err(IdentityError::Name {
                    namespace: namespace.into(),
                    name: name.into(),
                });
            }
        }
        let user =
            HeaderValue::try_from(format!("system:serviceaccount:{namespace}:{name}")).map_err(|_| {
                IdentityError::Name {
                    namespace: namespace.into(),
                    name: name.into(),
                }
            })?;
        Ok(Self {
            namespace: namespace.into(),
            name: name.into(),
            user,
        })
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Controller => f.write_str("the controller"),
            Self::ServiceAccount(account) => {
                write!(f, "system:serviceaccount:{}:{}", account.namespace, account.name)
            }
            Self::Remote(remote) => write!(f, "the kubeconfig for {}", remote.address()),
        }
    }
}

/// Why an identity or a client cannot be had.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The name could not be a ServiceAccount's.
    #[error("'{namespace}/{name}' is not the name of a ServiceAccount")]
    Name {
        /// The namespace given.
        namespace: String,
        /// The name given.
        name: String,
    },
}

/// Builds clients for identities; all of one cluster share one pool of connections.
#[derive(Clone)]
pub struct Clients {
    own: Client,
    metrics: Metrics,
    remotes: Arc<Mutex<HashMap<[u8; 32], Weak<Connection>>>>,
    vouches: Option<Arc<dyn Vouches>>,
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clients")
    }
}

impl Clients {
    /// Prepares clients for the cluster that the environment names (`KUBECONFIG`, or the pod's own ServiceAccount).
    ///
    /// # Errors
    /// When neither is there, or the certificate authority cannot be read.
    pub async fn from_environment(metrics: &Metrics) -> Result<Self, ClientsError> {
        let mut config = Config::infer().await.map_err(ClientsError::Infer)?;
        // Watches have their own deadlines; a request that is neither answered nor refused must not hold a worker.
        config.read_timeout = Some(std::time::Duration::from_secs(295));
        let namespace = config.default_namespace.clone();
        let (metrics, counter) = (metrics.clone(), metrics.clone());
        let http = ClientBuilder::try_from(config)
            .map_err(ClientsError::Build)?
            .build();
        let counted = tower::service_fn(move |request: http::Request<Body>| {
            let (http, metrics) = (http.clone(), counter.clone());
            async move {
                path::check(request.uri().path()).map_err(|e| kube::Error::Service(Box::new(e)))?;
                let method = request.method().as_str().to_owned();
                let answer = http.send(request).await;
                metrics.requested(&method, answer.as_ref().map_or(0, |r| r.status().as_u16()));
                answer
            }
        });
        Ok(Self {
            own: Client::new(counted, namespace),
            metrics,
            remotes: Arc::default(),
            vouches: None,
        })
    }

    /// The same clients, for which somebody vouches at the clusters of cloud providers.
    #[must_use]
    pub fn vouched_for(mut self, vouches: Arc<dyn Vouches>) -> Self {
        self.vouches = Some(vouches);
        self
    }

    /// A client that acts in the name of `identity`.
    pub fn of(&self, identity: &Identity) -> Client {
        let user = match identity {
            Identity::Controller => return self.own.clone(),
            Identity::Remote(remote) => return remote.0.client.clone(),
            Identity::ServiceAccount(account) => account.user.clone(),
        };
        let own = self.own.clone();
        let impersonating = tower::service_fn(move |mut request: http::Request<Body>| {
            request.headers_mut().insert("impersonate-user", user.clone());
            let own = own.clone();
            async move { own.send(request).await }
        });
        Client::new(impersonating, self.own.default_namespace())
    }
}

/// Why the cluster cannot be reached at all.
#[derive(Debug, Error)]
pub enum ClientsError {
    /// No configuration was found.
    #[error("found neither KUBECONFIG nor a ServiceAccount to talk to the API server with")]
    Infer(#[source] kube::config::InferConfigError),
    /// The configuration cannot be used.
    #[error("the configuration for the API server cannot be used")]
    Build(#[source] kube::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_without_a_name_cannot_be_built() {
        for (namespace, name) in [
            ("", "a"),
            ("a", ""),
            (" ", "a"),
            ("a", "b\r\nimpersonate-group: system:masters"),
            ("a", "B"),
            ("a", "b:c"),
        ] {
            assert!(
                Identity::service_account(namespace, name).is_err(),
                "{namespace:?} {name:?}"
            );
        }
        let tenant = Identity::service_account("team-a", "deployer").unwrap();
        assert_eq!(tenant.to_string(), "system:serviceaccount:team-a:deployer");
    }
}
