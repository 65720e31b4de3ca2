//! I/O: in whose name a Kustomization or a HelmRelease acts, and in which cluster.

mod config_map;

use crate::{
    client::{Clients, Identity, IdentityError, Permits, RemoteError, ServiceAccount},
    telemetry::{chain, said},
};
use config_map::ByToken;
use crds::meta::{KubeConfigReference, SecretKeyReference};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use thiserror::Error;

/// What an object says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// `spec.serviceAccountName`.
    pub account: Option<&'a str>,
    /// `spec.kubeConfig`.
    pub kube_config: Option<&'a KubeConfigReference>,
}

/// What flags say.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Who an object acts as that names no account (`--default-service-account`); empty for the controller itself.
    pub default_account: String,
    /// What a kubeconfig may say.
    pub permits: Permits,
    /// Whose token is used where a ConfigMap names nobody (`--default-kubeconfig-service-account`).
    pub default_token_account: String,
}

impl Rules {
    /// The ServiceAccount that an object acts as; empty for none.
    pub fn account<'a>(&'a self, asked: &Asked<'a>) -> &'a str {
        asked
            .account
            .filter(|name| !name.is_empty())
            .unwrap_or(&self.default_account)
    }
}

/// What a kubeconfig's reference names: whether it is a Secret (or else a ConfigMap), and its name.
pub fn named(reference: &KubeConfigReference) -> Option<(bool, &str)> {
    let secret = reference
        .secret_ref
        .as_ref()
        .map(|secret| (true, secret.name.as_str()));
    let map = reference.config_map_ref.as_ref();
    secret.or_else(|| map.map(|map| (false, map.name.as_str())))
}

/// Why there is no identity. Display has no value of a Secret in it.
#[derive(Debug, Error)]
pub enum ActingError {
    /// The account cannot be one.
    #[error("spec.serviceAccountName: {0}")]
    Account(#[from] IdentityError),
    /// The Secret cannot be read.
    #[error("unable to read KubeConfig secret '{name}' error: {problem}")]
    Secret {
        /// Its namespace and name.
        name: String,
        /// What the API server says.
        problem: String,
        /// It is not there.
        gone: bool,
    },
    /// The ConfigMap cannot be read.
    #[error("unable to read KubeConfig ConfigMap '{name}' error: {problem}")]
    ConfigMap {
        /// Its namespace and name.
        name: String,
        /// What the API server says.
        problem: String,
        /// It is not there.
        gone: bool,
    },
    /// A key is missing, or has a value that cannot be used.
    #[error("KubeConfig {kind} '{name}' {problem}")]
    Content {
        /// `secret` or `ConfigMap`.
        kind: &'static str,
        /// Its namespace and name.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

impl ActingError {
    /// Whether what the object refers to is gone, and with it all that was known of how to reach its cluster.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Secret { gone, .. } | Self::ConfigMap { gone, .. } => *gone,
            Self::Account(_) | Self::Content { .. } => false,
        }
    }
}

/// The identity that an object acts as: of its kubeconfig, of its ServiceAccount, or the controller's own. Both together are
/// that ServiceAccount at the cluster that the kubeconfig names (Flux does the same).
///
/// # Errors
/// See [`ActingError`].
pub async fn identity(clients: &Clients, rules: &Rules, asked: Asked<'_>) -> Result<Identity, ActingError> {
    let namespace = asked.namespace;
    let account = match rules.account(&asked) {
        "" => None,
        name => Some(ServiceAccount::new(namespace, name)?),
    };
    let Some(reference) = asked.kube_config else {
        return Ok(account.map_or(Identity::Controller, Identity::ServiceAccount));
    };
    if let Some(secret) = &reference.secret_ref {
        let name = format!("{namespace}/{}", secret.name);
        let content = read_secret(clients, namespace, secret, &name).await?;
        return clients
            .remote(&content, rules.permits, account.as_ref())
            .await
            .map_err(|error| wrong("secret", name, error));
    }
    let name = reference.config_map_ref.as_ref().map(|map| map.name.as_str());
    let name = name.unwrap_or_default();
    let full = format!("{namespace}/{name}");
    let identity = match read_map(clients, rules, namespace, name, &full).await? {
        ByToken::Federated(federated) => clients.federated(&federated, account.as_ref()).await,
        ByToken::Managed(cluster) => clients.managed(&cluster, account.as_ref()).await,
    };
    identity.map_err(|error| wrong("ConfigMap", full, error))
}

async fn read_secret(
    clients: &Clients,
    namespace: &str,
    reference: &SecretKeyReference,
    name: &str,
) -> Result<Vec<u8>, ActingError> {
    let api: Api<Secret> = Api::namespaced(clients.of(&Identity::Controller), namespace);
    let secret = api
        .get(&reference.name)
        .await
        .map_err(|error| ActingError::Secret {
            name: name.to_owned(),
            gone: is_gone(&error),
            problem: said(&error),
        })?;
    let mut data = secret.data.unwrap_or_default();
    let key = reference.key.as_deref().filter(|key| !key.is_empty());
    let content = match key {
        Some(key) => data.remove(key),
        None => data.remove("value").or_else(|| data.remove("value.yaml")),
    };
    let content = content.map(|bytes| bytes.0).filter(|bytes| !bytes.is_empty());
    content.ok_or_else(|| ActingError::Content {
        kind: "secret",
        name: name.to_owned(),
        problem: format!("does not contain a '{}' key with data", key.unwrap_or("value")),
    })
}

async fn read_map(
    clients: &Clients,
    rules: &Rules,
    namespace: &str,
    name: &str,
    full: &str,
) -> Result<ByToken, ActingError> {
    let api: Api<ConfigMap> = Api::namespaced(clients.of(&Identity::Controller), namespace);
    let map = api.get(name).await.map_err(|error| ActingError::ConfigMap {
        name: full.to_owned(),
        gone: is_gone(&error),
        problem: said(&error),
    })?;
    let content = |problem: String| ActingError::Content {
        kind: "ConfigMap",
        name: full.to_owned(),
        problem,
    };
    let data = map.data.unwrap_or_default();
    config_map::read(&data, namespace, &rules.default_token_account).map_err(content)
}

fn wrong(kind: &'static str, name: String, error: RemoteError) -> ActingError {
    ActingError::Content {
        kind,
        name,
        problem: chain(&error),
    }
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
