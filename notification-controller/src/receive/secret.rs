//! I/O: the Secret of a Receiver, whose values are used and never shown.

use crds::notification::Receiver;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use runtime::telemetry::chain;
use std::{collections::BTreeMap, fmt};
use thiserror::Error;

/// What the Secret of a Receiver holds.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, Vec<u8>>);

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why there is no token. The words are those that Flux puts in conditions.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The Secret or the key in it is not there, or cannot be used.
    #[error("{0}")]
    Missing(String),
    /// The API server does not answer.
    #[error("unable to read token from secret '{name}' error: {problem}")]
    Unread {
        /// `namespace/name`.
        name: String,
        /// Why.
        problem: String,
    },
}

impl Credentials {
    /// Those of a list, for tests.
    #[cfg(test)]
    pub fn of(values: &[(&str, &str)]) -> Self {
        Self(
            values
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec()))
                .collect(),
        )
    }

    /// The token, as it is in the Secret. A Receiver that needs none has an empty one.
    pub fn token(&self) -> &[u8] {
        self.0.get("token").map(Vec::as_slice).unwrap_or_default()
    }

    /// A value that is text and not blank.
    pub fn text(&self, key: &str) -> Option<&str> {
        let text = std::str::from_utf8(self.0.get(key)?).ok()?.trim();
        (!text.is_empty()).then_some(text)
    }
}

/// Reads the Secret of a Receiver that names one; one of type `generic-oidc` names none.
///
/// # Errors
/// When there is no token to be had.
pub async fn read(client: &Client, receiver: &Receiver) -> Result<Credentials, SecretError> {
    let Some(reference) = &receiver.spec.secret_ref else {
        return Ok(Credentials::default());
    };
    let namespace = receiver.metadata.namespace.as_deref().unwrap_or_default();
    let name = format!("{namespace}/{}", reference.name);
    if !runtime::name::is_object_name(&reference.name) {
        return Err(SecretError::Missing(format!(
            "'{name}' is not the name of a Secret"
        )));
    }
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = match api.get(&reference.name).await {
        Ok(secret) => secret,
        Err(error @ kube::Error::Api(_)) => {
            let problem = chain(&error);
            let text = format!("unable to read token from secret '{name}' error: {problem}");
            return Err(match &error {
                kube::Error::Api(status) if status.code == 404 => SecretError::Missing(text),
                _ => SecretError::Unread { name, problem },
            });
        }
        Err(error) => {
            return Err(SecretError::Unread {
                name,
                problem: chain(&error),
            });
        }
    };
    let data: BTreeMap<String, Vec<u8>> = secret
        .data
        .unwrap_or_default()
        .into_iter()
        .map(|(k, v)| (k, v.0))
        .collect();
    match data.get("token") {
        None => Err(SecretError::Missing(format!(
            "invalid '{name}' secret data: required field 'token'"
        ))),
        // Everybody knows an empty token: its path can be computed, and what it signs proves nothing.
        Some(token) if token.is_empty() => Err(SecretError::Missing(format!(
            "invalid '{name}' secret data: the field 'token' is empty"
        ))),
        Some(_) => Ok(Credentials(data)),
    }
}
