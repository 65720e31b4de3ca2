//! I/O: the ServiceAccount that acts for an object, and a token of it for a provider.

use super::{Cloud, CloudError, Who};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, api::PostParams};
use peer::secret::Secret;
use runtime::telemetry::said;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// A ServiceAccount.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) namespace: String,
    pub(super) name: String,
    uid: String,
    annotations: BTreeMap<String, String>,
}

/// A token of a ServiceAccount.
pub(super) type Token = Secret;

impl Account {
    /// The value of an annotation.
    pub(super) fn note(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }

    /// Who it is at the providers: changes when its annotations do, or when another one takes its name.
    pub(super) fn print(&self) -> String {
        let notes: Vec<String> = [&self.uid]
            .into_iter()
            .chain(self.annotations.iter().flat_map(|(key, value)| [key, value]))
            .map(|part| format!("{}:{part}", part.len()))
            .collect();
        hex::encode(Sha256::digest(notes.concat()))
    }

    /// `namespace/name`.
    pub(super) fn full(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl Cloud {
    /// The ServiceAccount that acts for an object: the one that it names, or the one that a flag names; `None` if the
    /// controller itself does, as it does for whoever is in no namespace.
    pub(super) async fn account(&self, who: &Who<'_>) -> Result<Option<Account>, CloudError> {
        let named = who.account.filter(|name| !name.is_empty());
        if named.is_some() && !self.settings.object_level {
            return Err(CloudError::Gate);
        }
        let default = Some(self.settings.default_account.as_str());
        let default = default.filter(|name| !name.is_empty() && !who.namespace.is_empty());
        let Some(name) = named.or(default) else {
            return Ok(None);
        };
        let (namespace, name) = (who.namespace.to_owned(), name.to_owned());
        let api = Api::<ServiceAccount>::namespaced(self.kube.clone(), &namespace);
        let found = api.get(&name).await.map_err(|error| {
            let text = format!(
                "failed to get service account '{namespace}/{name}': {}",
                said(&error)
            );
            CloudError::Setup(text)
        })?;
        Ok(Some(Account {
            namespace,
            name,
            uid: found.metadata.uid.unwrap_or_default(),
            annotations: found.metadata.annotations.unwrap_or_default(),
        }))
    }

    /// A token of a ServiceAccount for these audiences.
    pub(super) async fn token(&self, account: &Account, audiences: Vec<String>) -> Result<Token, CloudError> {
        let api = Api::<ServiceAccount>::namespaced(self.kube.clone(), &account.namespace);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(audiences),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let params = PostParams::default();
        let answer = api.create_token_request(&account.name, &params, &request).await;
        let answer = answer.map_err(|error| {
            let text = format!(
                "failed to create kubernetes token for service account '{}': {}",
                account.full(),
                said(&error)
            );
            CloudError::Setup(text)
        })?;
        Ok(Secret::new(
            answer.status.unwrap_or_default().token.unwrap_or_default(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use std::time::Duration;

    #[tokio::test]
    async fn who_is_in_no_namespace_acts_as_the_controller() {
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let settings = Settings {
            object_level: true,
            controller: "source-controller",
            default_account: "reader".to_owned(),
            most: 1,
            life: Duration::from_secs(60),
        };
        let cloud = Cloud::new(kube::Client::try_from(config).unwrap(), settings);
        for (namespace, asks) in [("", false), ("n", true)] {
            let who = Who {
                namespace,
                account: None,
                proxy: None,
            };
            assert_eq!(cloud.account(&who).await.is_err(), asks, "'{namespace}'");
        }
    }
}
