//! A Provider and what its Secrets hold: the service that messages are sent to.

mod assemble;
mod github_app;
mod google;
mod identity;
mod mask;
mod nats;
pub(crate) mod reach;
mod recent;
mod send;
mod tokens;
mod transport;

use crate::{judges::Judges, message::DeliveryError};
use cloud::Cloud;
use crds::notification::{Provider, ProviderType};
use expr::Expression;
use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::{Api, Client};
use runtime::{Key, telemetry::said};
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
use url::Url;

pub use assemble::{Held, assemble};
pub(crate) use assemble::{VARIABLES, object};
pub(crate) use github_app::git_token;
#[cfg(test)]
pub(crate) use google::asked;
pub(crate) use google::google_token;
pub(crate) use identity::entra_token;
pub use mask::Mask;
pub(crate) use nats::send_nats;
pub use peer::secret::Secret;
pub use send::Answer;
pub(crate) use send::{send, send_up_to};
pub use tokens::Access;
pub use transport::{Proxy, Tls, Transport};

/// What all services share: connections and tokens that are kept for the next message.
#[derive(Debug, Default)]
pub struct Peers {
    /// By the way that they go.
    clients: recent::Recent<reqwest::Client>,
    /// Of connections that are not HTTP, by what they trust and show.
    tls: recent::Recent<Arc<rustls::ClientConfig>>,
    tokens: tokens::Tokens,
    /// Where expressions of Providers are evaluated.
    pub(crate) judges: Judges,
    /// What stands for Google Pub/Sub.
    pub(crate) pubsub: Option<Url>,
    /// Identities at cloud providers.
    cloud: Option<Cloud>,
}

impl Peers {
    /// With identities, which Providers that have no Secret act as.
    pub fn with_cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = Some(cloud);
        self
    }

    /// With something that stands for Google Pub/Sub, such as its emulator.
    pub fn with_pubsub(mut self, url: Url) -> Self {
        self.pubsub = Some(url);
        self
    }
}

/// A service that can be told something. Debug prints nothing that is secret.
#[derive(Clone)]
pub struct Service {
    /// Its type.
    pub kind: ProviderType,
    /// The Provider.
    pub provider: Key,
    /// The Provider as CEL sees it.
    pub object: serde_json::Value,
    /// The Provider's uid.
    pub uid: String,
    /// Where it is. May hold a login or a key to it.
    pub address: Secret,
    /// The channel, room or topic, or nothing.
    pub channel: String,
    /// The name to post under, or nothing.
    pub username: String,
    /// The longest that a delivery may take.
    pub timeout: Duration,
    /// The CEL expression for the name of a commit status.
    pub commit_status: Option<Arc<Expression>>,
    /// The ServiceAccount that it acts as where the Secret holds nothing that proves who we are.
    pub account: Option<String>,
    /// What proves who we are.
    pub auth: Auth,
    /// The way to it.
    pub transport: Transport,
    /// What must not be in a text for people.
    pub mask: Mask,
    /// What is shared with other services.
    pub peers: Arc<Peers>,
}

/// What a Provider's Secret holds to prove who we are.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// `token`.
    pub token: Option<Secret>,
    /// `username` and `password`.
    pub login: Option<(String, Secret)>,
    /// `headers`, by name.
    pub headers: BTreeMap<String, Secret>,
    /// All keys, for services that have some of their own.
    pub data: BTreeMap<String, Secret>,
}

impl Auth {
    /// What a Git host is shown: `token`, else `password`.
    pub fn git(&self) -> Option<&Secret> {
        let password = self.login.as_ref().map(|(_, password)| password);
        self.token.as_ref().or(password)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({:?} of {})", self.kind, self.provider)
    }
}

/// Puts together what a Provider and its Secrets say.
///
/// # Errors
/// When a Secret or a key in it is missing, or what it holds cannot be used.
pub async fn resolve(
    client: &Client,
    provider: &Provider,
    peers: &Arc<Peers>,
) -> Result<Service, DeliveryError> {
    let namespace = provider.metadata.namespace.as_deref().unwrap_or_default();
    let spec = &provider.spec;
    let data = async |reference: &Option<crds::meta::LocalReference>| match reference {
        Some(reference) => read(client, namespace, &reference.name).await.map(Some),
        None => Ok(None),
    };
    let held = Held {
        auth: data(&spec.secret_ref).await?,
        certificates: data(&spec.cert_secret_ref).await?,
        proxy: data(&spec.proxy_secret_ref).await?,
    };
    assemble(provider, &held, peers)
}

/// A Secret's data. A Secret that is missing may still come.
async fn read(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<BTreeMap<String, Vec<u8>>, DeliveryError> {
    let failed = |error: kube::Error| {
        DeliveryError::later(format!(
            "failed to get secret '{namespace}/{name}': {}",
            said(&error)
        ))
    };
    let api = Api::<KubeSecret>::namespaced(client.clone(), namespace);
    let data = api.get(name).await.map_err(failed)?.data.unwrap_or_default();
    Ok(data.into_iter().map(|(key, value)| (key, value.0)).collect())
}
