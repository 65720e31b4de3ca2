//! I/O: logins for Azure's container registries: a token of Entra ID is exchanged for one of the registry.

use super::{Cloud, CloudError, Who, call, client_of, env};
use crate::registry::Login;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use peer::secret::Secret;
use serde::Deserialize;
use std::time::Duration;

/// The name that stands for a token.
const USER: &str = "00000000-0000-0000-0000-000000000000";

/// A cloud of one's own, as the file that `AZURE_ENVIRONMENT_FILEPATH` names describes it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in super::super) struct Environment {
    #[serde(rename = "containerRegistryDNSSuffix")]
    suffix: String,
    storage_endpoint_suffix: String,
    resource_manager_endpoint: String,
    token_audience: String,
}

impl Environment {
    /// Where its resources are managed, and whom tokens for that are for.
    pub(in super::super) fn manager(&self) -> Result<(&str, &str), CloudError> {
        if self.resource_manager_endpoint.is_empty() || self.token_audience.is_empty() {
            let text = "resourceManagerEndpoint and tokenAudience must be set in the environment file";
            return Err(CloudError::Setup(text.into()));
        }
        Ok((&self.resource_manager_endpoint, &self.token_audience))
    }

    /// Below which domain its storage accounts are.
    pub(super) fn storage_suffix(&self) -> &str {
        &self.storage_endpoint_suffix
    }
}

#[derive(Deserialize)]
struct Exchanged {
    refresh_token: String,
}

#[derive(Deserialize)]
struct Claims {
    exp: i64,
}

impl Cloud {
    /// A login for a registry of Azure's; one that is on this machine is spoken to without TLS.
    pub(in super::super) async fn acr(
        &self,
        who: &Who<'_>,
        registry: &str,
        local: bool,
    ) -> Result<Login, CloudError> {
        let scope = scope(registry, environment()?.as_ref())?;
        let nobody =
            || CloudError::Setup("no Azure identity: neither the environment nor the machine has one".into());
        let token = self.azure(who, &scope).await?.ok_or_else(nobody)?;
        let token = String::from_utf8_lossy(token.expose()).into_owned();
        let question = ["acr", registry, token.as_str()];
        let ask = async {
            let scheme = if local { "http" } else { "https" };
            let url = format!("{scheme}://{registry}/oauth2/exchange");
            let pairs = [
                ("grant_type", "access_token"),
                ("service", registry),
                ("access_token", token.as_str()),
            ];
            let http = client_of(who)?;
            let exchanged: Exchanged = call::json(call::form(&http, &url, &pairs)).await?;
            let life = life(&exchanged.refresh_token).ok_or(CloudError::Answer(url))?;
            let login = Login {
                username: USER.into(),
                password: Secret::new(exchanged.refresh_token),
            };
            Ok((login, life))
        };
        self.logins.get(&question, ask).await
    }
}

/// The cloud of one's own, if the environment names one.
pub(in super::super) fn environment() -> Result<Option<Environment>, CloudError> {
    let Some(file) = env("AZURE_ENVIRONMENT_FILEPATH") else {
        return Ok(None);
    };
    let odd = |e: String| CloudError::Setup(format!("cannot use '{file}' (AZURE_ENVIRONMENT_FILEPATH): {e}"));
    let text = std::fs::read(&file).map_err(|e| odd(e.to_string()))?;
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|e| odd(e.to_string()))
}

/// What tokens for a registry are for; refuses registries that are not Azure's.
fn scope(registry: &str, environment: Option<&Environment>) -> Result<String, CloudError> {
    let known = [".azurecr.io", ".azurecr.cn", ".azurecr.de", ".azurecr.us"];
    let is_known = known
        .iter()
        .any(|suffix| registry.len() > suffix.len() && registry.ends_with(suffix));
    match environment {
        Some(own) => {
            let suffix = own.suffix.trim_start_matches('.');
            let below = registry.strip_suffix(suffix);
            let named =
                !suffix.is_empty() && below.is_some_and(|below| below.is_empty() || below.ends_with('.'));
            if !is_known && !named {
                let text = format!(
                    "invalid Azure registry: '{registry}'. must end with {}",
                    own.suffix
                );
                return Err(CloudError::Setup(text));
            }
            let (endpoint, _) = own.manager()?;
            Ok(format!("{}/.default", endpoint.trim_end_matches('/')))
        }
        None if !is_known => {
            let pattern = r"^.+\.(azurecr\.io|azurecr\.cn|azurecr\.de|azurecr\.us)$";
            Err(CloudError::Setup(format!(
                "invalid Azure registry: '{registry}'. must match {pattern}"
            )))
        }
        None => Ok("https://containerregistry.azure.net/.default".into()),
    }
}

/// How long a token lasts, by its own word. It is the registry's to check it; we only want to know when to ask anew.
fn life(token: &str) -> Option<Duration> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    let left = claims.exp.saturating_sub(jiff::Timestamp::now().as_second());
    Some(Duration::from_secs(u64::try_from(left).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_azures_registries_get_its_logins() {
        for (registry, good) in [
            ("app.azurecr.io", true),
            ("app.azurecr.cn", true),
            (".azurecr.io", false),
            ("app.azurecr.io.evil.org", false),
            ("evil.org", false),
        ] {
            assert_eq!(scope(registry, None).is_ok(), good, "{registry}");
        }
    }
}
