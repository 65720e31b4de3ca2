//! I/O: what a Git host is shown: the Secret's token, that of an identity, or that of a GitHub App's installation, which is asked
//! for with a signed statement of who the app is (GitHub, authenticating as a GitHub App installation).

use super::{Access, Secret, Service, identity::entra_token, send};
use crate::message::{DeliveryError, Repository, Request};
use cloud::azure::DEVOPS;
use crds::notification::ProviderType;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::Url;

/// The statement is dated back a little, because clocks differ.
const BACKDATED: u64 = 30;
/// The statement is good for so long, in seconds.
const STATEMENT: u64 = 120;
/// An installation's token is good for so long, if its end cannot be read.
const LIFE: Duration = Duration::from_secs(600);

/// What a Git host is shown: `token`, else `password`, else the token of a GitHub App, or of the identity that the Provider acts
/// as.
///
/// # Errors
/// When there is none of them, or GitHub gives no token.
pub(crate) async fn git_token(service: &Service) -> Result<Access, DeliveryError> {
    if let Some(token) = service.auth.git() {
        let token = token.clone();
        return Ok(Access { token, user: None });
    }
    let missing = |what: &str| DeliveryError::later(format!("the Provider's Secret has no {what}"));
    let app = match service.kind {
        ProviderType::GitHub | ProviderType::GitHubDispatch | ProviderType::GitHubPullRequestComment => {
            App::of(service)?.ok_or_else(|| missing("'token', and no keys of a GitHub App"))?
        }
        ProviderType::AzureDevOps => {
            let to = Repository::of(service)?.host;
            let token = entra_token(service, DEVOPS, &to).await?;
            return Ok(Access { token, user: None });
        }
        _ => return Err(missing("'token'")),
    };
    let key = app.fingerprint();
    if let Some(access) = service.peers.tokens.get(&key) {
        return Ok(access);
    }
    let (access, life) = app.exchange(service).await?;
    service.peers.tokens.keep(key, &access, life);
    Ok(access)
}

struct App<'s> {
    id: &'s str,
    installation: Option<&'s str>,
    owner: Option<&'s str>,
    key: &'s Secret,
    api: Url,
    /// Whether it is asked for the user's name as well: whoever looks for a comment of one's own has to know it.
    names_user: bool,
}

impl<'s> App<'s> {
    /// Reads `githubAppID`, `githubAppInstallationID` or `githubAppInstallationOwner`, `githubAppPrivateKey`,
    /// `githubAppBaseURL`.
    fn of(service: &'s Service) -> Result<Option<Self>, DeliveryError> {
        let wrong = |what: &str| DeliveryError::later(format!("the Provider's Secret: {what}"));
        let secret = |key: &str| service.auth.data.get(key).filter(|value| !value.is_blank());
        let value = |key: &str| secret(key).and_then(Secret::text);
        let Some(id) = value("githubAppID") else {
            return Ok(None);
        };
        let key = secret("githubAppPrivateKey").ok_or_else(|| wrong("'githubAppPrivateKey' is missing"))?;
        let (installation, owner) = (
            value("githubAppInstallationID"),
            value("githubAppInstallationOwner"),
        );
        if installation.is_some() == owner.is_some() {
            return Err(wrong(
                "one of 'githubAppInstallationID' and 'githubAppInstallationOwner' is needed",
            ));
        }
        let base = value("githubAppBaseURL")
            .unwrap_or("https://api.github.com")
            .trim_end_matches('/');
        let is_api = base.ends_with("/api/v3") || base.contains("://api.");
        let base = if is_api {
            base.to_owned()
        } else {
            format!("{base}/api/v3")
        };
        let api = Url::parse(&base).map_err(|_| wrong("'githubAppBaseURL' is not a URL"))?;
        if !matches!(api.scheme(), "http" | "https") {
            return Err(wrong("'githubAppBaseURL' is not an http or https URL"));
        }
        Ok(Some(Self {
            id,
            installation,
            owner,
            key,
            api,
            names_user: service.kind == ProviderType::GitHubPullRequestComment,
        }))
    }

    fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [
            self.id,
            self.installation.unwrap_or_default(),
            self.owner.unwrap_or_default(),
            self.api.as_str(),
            if self.names_user { "user" } else { "" },
        ] {
            Secret::new(part).fingerprint(&mut hash);
        }
        self.key.fingerprint(&mut hash);
        hash.finalize().into()
    }

    async fn exchange(&self, service: &Service) -> Result<(Access, Duration), DeliveryError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let issued = now.saturating_sub(BACKDATED);
        let claims = json!({"iat": issued, "exp": issued + STATEMENT, "iss": self.id});
        let unusable = |_| DeliveryError::later("'githubAppPrivateKey' is no RSA key in PEM".into());
        let key = EncodingKey::from_rsa_pem(self.key.expose()).map_err(unusable)?;
        let statement = encode(&Header::new(Algorithm::RS256), &claims, &key).map_err(unusable)?;
        let statement = Secret::new(statement);

        let id = match (self.installation, self.owner) {
            (Some(id), _) => id.to_owned(),
            (None, owner) => {
                self.installation_of(service, owner.unwrap_or_default(), &statement)
                    .await?
            }
        };
        let path = ["app", "installations", &id, "access_tokens"];
        let issued = self.call(service, Method::POST, &path, &statement).await?;
        let issued = issued
            .ok_or_else(|| DeliveryError::later(format!("GitHub knows no installation '{id}' of the app")))?;
        let unreadable =
            || DeliveryError::later("GitHub's answer has no token of the app's installation".into());
        let token = Secret::new(issued["token"].as_str().ok_or_else(unreadable)?);
        let expires: Option<jiff::Timestamp> =
            issued["expires_at"].as_str().and_then(|text| text.parse().ok());
        let life = expires.map(|expires| {
            u64::try_from(expires.as_second())
                .unwrap_or_default()
                .saturating_sub(now)
        });
        let user = match self.names_user {
            true => self.user(service, &statement).await?,
            false => None,
        };
        Ok((Access { token, user }, life.map_or(LIFE, Duration::from_secs)))
    }

    /// The name of the user that writes what the app writes.
    async fn user(&self, service: &Service, statement: &Secret) -> Result<Option<String>, DeliveryError> {
        let app = self.call(service, Method::GET, &["app"], statement).await?;
        let app = app.unwrap_or_default();
        Ok(app["slug"].as_str().map(|slug| format!("{slug}[bot]")))
    }

    /// Where the app is installed for an organisation, or else a user, of this name.
    async fn installation_of(
        &self,
        service: &Service,
        owner: &str,
        statement: &Secret,
    ) -> Result<String, DeliveryError> {
        for kind in ["orgs", "users"] {
            let path = [kind, owner, "installation"];
            let found = self.call(service, Method::GET, &path, statement).await?;
            if let Some(id) = found.and_then(|found| found["id"].as_u64()) {
                return Ok(id.to_string());
            }
        }
        Err(DeliveryError::later(format!(
            "the GitHub App is not installed for '{owner}'"
        )))
    }

    /// An answer, or nothing if GitHub says 404.
    async fn call(
        &self,
        service: &Service,
        method: Method,
        path: &[&str],
        statement: &Secret,
    ) -> Result<Option<Value>, DeliveryError> {
        let mut request = Request::get(crate::message::below(&self.api, path));
        request.method = method;
        let request = crate::message::authorized(request, statement)?;
        let answer = send(service, &request).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !answer.is_taken() {
            return Err(answer.refused(service, &request));
        }
        let unreadable = |_| DeliveryError::later("GitHub's answer is no JSON".into());
        serde_json::from_slice(&answer.body).map(Some).map_err(unreadable)
    }
}
