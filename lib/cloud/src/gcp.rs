//! Tokens of Google: for a service account's key, an identity of the machine (metadata server), or a federated token.

mod exchange;

use super::{Ask, Cloud, CloudError, Who, account::Account, call, client_of, direct, env, is_safe};
use crate::registry::Login;
use exchange::Exchange;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use peer::secret::Secret;
use regex::Regex;
use reqwest::Client;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use url::Url;

/// What tokens are for, where an identity may do more than read buckets.
const SCOPES: &str =
    "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email";
/// What tokens for buckets are for.
const BUCKETS: &str = "https://www.googleapis.com/auth/devstorage.read_only";
const EMAIL: &str = "iam.gke.io/gcp-service-account";
const EMAIL_PATTERN: &str = r"^[a-zA-Z0-9-]{1,100}@[a-zA-Z0-9-]{1,100}\.iam\.gserviceaccount\.com$";
const PROVIDER: &str = "gcp.auth.fluxcd.io/workload-identity-provider";
const PROVIDER_PATTERN: &str =
    r"^projects/\d{1,30}/locations/global/workloadIdentityPools/[^/]{1,100}/providers/[^/]{1,100}$";
const REGISTRIES: &str = r"^(((.+\.)?gcr\.io)|(.+-docker\.pkg\.dev)|(docker\.s3nsregistry\.fr))$";
/// How long a statement about ourselves is good, in seconds.
const STATEMENT: i64 = 3600;

/// The key of a service account, or how else to become one (Google's credential files).
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Credentials {
    r#type: String,
    client_email: String,
    private_key: String,
    private_key_id: String,
    token_uri: String,
    audience: String,
    subject_token_type: String,
    token_url: String,
    service_account_impersonation_url: String,
    credential_source: Source,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Source {
    file: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
    #[serde(default)]
    expires_in: u64,
}

impl Cloud {
    /// A token for an object.
    ///
    /// # Errors
    /// See [`CloudError`].
    pub async fn gcp(&self, who: &Who<'_>) -> Result<Secret, CloudError> {
        let token = self.gcp_lasting(Ask::of(who)).await?;
        Ok(token.0)
    }

    /// As [`Self::gcp`], with how long it lasts.
    pub(super) async fn gcp_lasting(&self, ask: Ask<'_>) -> Result<(Secret, Duration), CloudError> {
        let who = ask.who;
        let http = client_of(who)?;
        let via = who
            .proxy
            .map(|proxy| proxy.address.to_string())
            .unwrap_or_default();
        let Some(account) = self.account(who).await? else {
            let question = ["gcp", via.as_str()];
            return self.tokens.lasting(&question, ask.anew, own(&http)).await;
        };
        let email = note(&account, EMAIL, EMAIL_PATTERN)?.unwrap_or_default();
        let provider = note(&account, PROVIDER, PROVIDER_PATTERN)?.unwrap_or_default();
        let (full, audiences) = (account.full(), ask.audiences.join("\n"));
        let question = [
            "gcp",
            via.as_str(),
            full.as_str(),
            email.as_str(),
            provider.as_str(),
            audiences.as_str(),
        ];
        let exchange = async {
            // Whom the token of the ServiceAccount is for, and whom Google thinks it is from.
            let (audience, issuer) = if provider.is_empty() {
                cluster().await?
            } else {
                let name = format!("//iam.googleapis.com/{provider}");
                (name.clone(), name)
            };
            let token = self.token(&account, ask.audiences(&audience)).await?;
            let place = |name: &str, default: &str| {
                let given = env(&format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}"));
                given
                    .unwrap_or_else(|| default.to_owned())
                    .trim_end_matches('/')
                    .to_owned()
            };
            let sts = place("STS", "https://sts.googleapis.com");
            let iam = place("IAMCREDENTIALS", "https://iamcredentials.googleapis.com");
            let exchange = Exchange {
                url: &format!("{sts}/v1/token"),
                audience: &issuer,
                kind: "urn:ietf:params:oauth:token-type:jwt",
                token: &token,
                impersonation: (!email.is_empty())
                    .then(|| format!("{iam}/v1/projects/-/serviceAccounts/{email}:generateAccessToken")),
            };
            exchange.grant(&http).await
        };
        self.tokens.lasting(&question, ask.anew, exchange).await
    }

    /// A token to read buckets with, for the key of a service account in a Secret.
    ///
    /// # Errors
    /// See [`CloudError`]; nothing of the key is told.
    pub async fn service_account(&self, who: &Who<'_>, key: &Secret) -> Result<Secret, CloudError> {
        let odd = || CloudError::Setup("'serviceaccount' is no key of a service account in JSON".into());
        let credentials: Credentials = serde_json::from_slice(key.expose()).map_err(|_| odd())?;
        // Other kinds name files and programs, which are not a tenant's to name.
        if credentials.r#type != "service_account" {
            return Err(odd());
        }
        let mut hash = Sha256::new();
        key.fingerprint(&mut hash);
        let print = hex::encode(hash.finalize());
        let via = who
            .proxy
            .map(|proxy| proxy.address.to_string())
            .unwrap_or_default();
        let http = client_of(who)?;
        let question = ["serviceaccount", via.as_str(), print.as_str()];
        self.tokens
            .get(&question, keyed(&http, &credentials, BUCKETS))
            .await
    }

    /// A login for a registry of Google's.
    pub(super) async fn gar(&self, who: &Who<'_>, registry: &str) -> Result<Login, CloudError> {
        if !Regex::new(REGISTRIES).is_ok_and(|pattern| pattern.is_match(registry)) {
            let text = format!("invalid GCP registry: '{registry}'. must match {REGISTRIES}");
            return Err(CloudError::Setup(text));
        }
        Ok(Login {
            username: "oauth2accesstoken".into(),
            password: self.gcp(who).await?,
        })
    }
}

/// The controller's own token: for the file that the environment names, or the machine's.
async fn own(http: &Client) -> Result<(Secret, Duration), CloudError> {
    let Some(file) = env("GOOGLE_APPLICATION_CREDENTIALS") else {
        let issued = metadata("instance/service-accounts/default/token").await?;
        let issued: Issued =
            serde_json::from_slice(&issued).map_err(|_| CloudError::Answer("the metadata server".into()))?;
        return issued.grant();
    };
    let odd = |why: String| {
        CloudError::Setup(format!(
            "cannot use '{file}' (GOOGLE_APPLICATION_CREDENTIALS): {why}"
        ))
    };
    let text = std::fs::read(&file).map_err(|e| odd(e.to_string()))?;
    let credentials: Credentials =
        serde_json::from_slice(&text).map_err(|_| odd("it is no JSON of that shape".into()))?;
    match credentials.r#type.as_str() {
        "service_account" => keyed(http, &credentials, SCOPES).await,
        "external_account" if !credentials.credential_source.file.is_empty() => {
            let token = std::fs::read_to_string(&credentials.credential_source.file);
            let token = Secret::new(token.map_err(|e| odd(e.to_string()))?.trim());
            let impersonation = credentials.service_account_impersonation_url.clone();
            let exchange = Exchange {
                url: &credentials.token_url,
                audience: &credentials.audience,
                kind: &credentials.subject_token_type,
                token: &token,
                impersonation: Some(impersonation).filter(|url| !url.is_empty()),
            };
            exchange.grant(http).await
        }
        other => Err(odd(format!(
            "credentials of the type '{other}' are not supported"
        ))),
    }
}

/// A token for a service account's key (RFC 7523).
async fn keyed(
    http: &Client,
    credentials: &Credentials,
    scope: &str,
) -> Result<(Secret, Duration), CloudError> {
    let default = "https://oauth2.googleapis.com/token";
    let url = Some(credentials.token_uri.as_str())
        .filter(|uri| !uri.is_empty())
        .unwrap_or(default);
    if !Url::parse(url).is_ok_and(|url| is_safe(&url)) {
        return Err(CloudError::Setup("'token_uri' must be an https URL".into()));
    }
    let key = EncodingKey::from_rsa_pem(credentials.private_key.as_bytes()).map_err(CloudError::Key)?;
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(credentials.private_key_id.clone()).filter(|id| !id.is_empty());
    let now = jiff::Timestamp::now().as_second() - 10;
    let claims = Claims {
        iss: &credentials.client_email,
        scope,
        aud: url,
        iat: now,
        exp: now + STATEMENT,
    };
    let statement = jsonwebtoken::encode(&header, &claims, &key).map_err(CloudError::Key)?;
    let pairs = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", statement.as_str()),
    ];
    call::json::<Issued>(call::form(http, url, &pairs)).await?.grant()
}

impl Issued {
    fn grant(self) -> Result<(Secret, Duration), CloudError> {
        let life = if self.expires_in == 0 {
            300
        } else {
            self.expires_in
        };
        Ok((Secret::new(self.access_token), Duration::from_secs(life)))
    }
}

/// What the cluster's metadata say of it: the audience of its ServiceAccounts' tokens, and who gives them.
async fn cluster() -> Result<(String, String), CloudError> {
    let mut found = Vec::new();
    for path in [
        "project/project-id",
        "instance/attributes/cluster-location",
        "instance/attributes/cluster-name",
    ] {
        let value = String::from_utf8_lossy(&metadata(path).await?).trim().to_owned();
        if value.is_empty() {
            let text = format!("failed to get '{path}' from the metadata service: empty value");
            return Err(CloudError::Setup(text));
        }
        found.push(value);
    }
    let [project, location, name] = &found[..] else {
        return Err(CloudError::Answer("the metadata server".into()));
    };
    let pool = format!("{project}.svc.id.goog");
    let issuer = format!(
        "identitynamespace:{pool}:https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{name}"
    );
    Ok((pool, issuer))
}

/// A value of the metadata server. It is on this machine: no proxy leads there.
async fn metadata(path: &str) -> Result<Vec<u8>, CloudError> {
    let host = env("GCE_METADATA_HOST").unwrap_or_else(|| "metadata.google.internal".into());
    let url = format!("http://{host}/computeMetadata/v1/{path}");
    let request = direct()?.get(url).header("metadata-flavor", "Google");
    call::call(request).await
}

fn note(account: &Account, key: &str, pattern: &str) -> Result<Option<String>, CloudError> {
    let Some(value) = account.note(key).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    if !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(value)) {
        let text = format!("invalid {key} annotation: '{value}'. must match {pattern}");
        return Err(CloudError::Setup(text));
    }
    Ok(Some(value.to_owned()))
}
