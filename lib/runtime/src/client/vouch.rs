//! Clusters of cloud providers: what a ConfigMap says of one, and what is asked of whoever knows the provider.

use futures::future::BoxFuture;
use http::HeaderValue;
use std::time::Duration;

/// A cloud provider that runs clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Amazon's EKS.
    Aws,
    /// Azure's AKS.
    Azure,
    /// Google's GKE.
    Gcp,
}

impl Provider {
    /// Its name, as a ConfigMap writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }
}

/// A provider's cluster, and who is to be let in there, as a ConfigMap says (`spec.kubeConfig.configMapRef`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Managed {
    /// Whose it is.
    pub provider: Provider,
    /// Its name at the provider, in full; empty if the ConfigMap does not say.
    pub cluster: String,
    /// The address that the ConfigMap names, with its scheme.
    pub address: Option<String>,
    /// The authority that the ConfigMap names, in PEM.
    pub authority: Option<String>,
    /// Whom the ServiceAccount's token is for, if not whom the provider wants.
    pub audiences: Vec<String>,
    /// The namespace of the ConfigMap.
    pub namespace: String,
    /// The ServiceAccount there that is let in; without one, the controller's own identity.
    pub account: Option<String>,
}

/// Where a cluster is, and who is let in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The server's address, with its scheme.
    pub address: String,
    /// Its authority, in PEM; without one, the system's.
    pub authority: Option<String>,
    /// Who it is at the provider: differs if the ServiceAccount has become somebody else.
    pub identity: String,
}

/// What lets one in, for a while.
#[derive(Debug, Clone)]
pub struct Pass {
    /// The value of `Authorization`.
    pub login: HeaderValue,
    /// How long it lasts.
    pub life: Duration,
}

impl Pass {
    /// A bearer token (RFC 6750); `None` if it cannot be one.
    pub fn bearer(token: &str, life: Duration) -> Option<Self> {
        let mut login = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        login.set_sensitive(true);
        Some(Self { login, life })
    }
}

/// Whoever knows the providers. Errors are sentences about the ConfigMap, and tell no secret.
pub trait Vouches: Send + Sync {
    /// Where a cluster is. What cannot be let in is found here, before there is any request to the cluster.
    fn place<'a>(&'a self, cluster: &'a Managed) -> BoxFuture<'a, Result<Place, String>>;

    /// What lets one in at a cluster; `anew` if the last one was refused there.
    fn pass<'a>(&'a self, cluster: &'a Managed, anew: bool) -> BoxFuture<'a, Result<Pass, String>>;
}
