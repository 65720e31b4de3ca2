//! Tokens of Entra ID: for an application's secret or certificate, a federated token, or the machine's identity (IMDS).

mod acr;
mod key;
mod places;

use super::{Ask, Cloud, CloudError, Way, Who, call, client_of, direct, env, is_loopback, is_safe, sigv4};
pub(super) use acr::environment;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use peer::secret::Secret;
pub use places::{for_event_hubs, for_git, for_ours, for_theirs};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use url::Url;

/// What tokens for blobs are for.
pub const BLOBS: &str = "https://storage.azure.com/.default";

/// What tokens for Azure DevOps are for.
pub const DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";

/// What tokens for Event Hubs are for (as Azure's libraries ask for them, with two slashes).
pub const EVENT_HUBS: &str = "https://eventhubs.azure.net//.default";

const AUTHORITY: &str = "https://login.microsoftonline.com/";
const IMDS: &str = "http://169.254.169.254";
/// What a token of a ServiceAccount has to be for.
const AUDIENCE: &str = "api://AzureADTokenExchange";
const TENANT: &str = "azure.workload.identity/tenant-id";
const CLIENT: &str = "azure.workload.identity/client-id";
/// How long a statement about ourselves is good, in seconds.
const STATEMENT: i64 = 600;

/// An application in a tenant.
#[derive(Debug, Clone)]
pub struct Application {
    /// The tenant's id.
    pub tenant: String,
    /// The application's id.
    pub client: String,
    /// Where tokens are given, if not where everybody's are.
    pub authority: Option<String>,
}

/// How an application shows that it is itself.
#[derive(Debug, Clone)]
pub enum Proof {
    /// By a secret.
    Secret(Secret),
    /// By a certificate and its private key, in PEM.
    Certificate {
        /// Both.
        pem: Secret,
        /// The password of the private key, if it is encrypted.
        password: Option<Secret>,
        /// Whether the certificate goes along.
        send_chain: bool,
    },
    /// By a token of an issuer that the tenant trusts.
    Federated(Secret),
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
    /// A number, or the text of one (IMDS).
    #[serde(default)]
    expires_in: serde_json::Value,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: i64,
    exp: i64,
}

impl Cloud {
    /// A token for an object, for a scope; `None` if neither object nor environment nor machine has an identity.
    ///
    /// # Errors
    /// See [`CloudError`].
    pub async fn azure(&self, who: &Who<'_>, scope: &str) -> Result<Option<Secret>, CloudError> {
        let token = self.azure_lasting(Ask::of(who), scope).await?;
        Ok(token.map(|(token, _)| token))
    }

    /// As [`Self::azure`], with how long it lasts.
    pub(super) async fn azure_lasting(
        &self,
        ask: Ask<'_>,
        scope: &str,
    ) -> Result<Option<(Secret, Duration)>, CloudError> {
        let who = ask.who;
        let http = client_of(who)?;
        let via = who
            .proxy
            .map(|proxy| proxy.address.to_string())
            .unwrap_or_default();
        if let Some(account) = self.account(who).await? {
            let note = |key: &str, what: &str| {
                let text = format!("azure {what} ID is not set in the service account annotation {key}");
                account
                    .note(key)
                    .map(str::to_owned)
                    .ok_or(CloudError::Setup(text))
            };
            let application = Application {
                tenant: note(TENANT, "tenant")?,
                client: note(CLIENT, "client")?,
                authority: env("AZURE_AUTHORITY_HOST"),
            };
            let (full, audiences) = (account.full(), ask.audiences.join("\n"));
            let (tenant, id) = (application.tenant.as_str(), application.client.as_str());
            let question = [
                "azure",
                scope,
                via.as_str(),
                full.as_str(),
                tenant,
                id,
                audiences.as_str(),
            ];
            let exchange = async {
                let token = self.token(&account, ask.audiences(AUDIENCE)).await?;
                application.token(&http, &Proof::Federated(token), scope).await
            };
            return self.tokens.lasting(&question, ask.anew, exchange).await.map(Some);
        }
        if let Some((application, proof)) = from_environment()? {
            let question = ["azure", scope, via.as_str(), "environment"];
            let grant = application.token(&http, &proof, scope);
            return self.tokens.lasting(&question, ask.anew, grant).await.map(Some);
        }
        let given = env("AZURE_CLIENT_ID");
        let question = ["azure", scope, "machine"];
        let machine = machine(given.as_deref(), scope);
        match self.tokens.lasting(&question, ask.anew, machine).await {
            Ok(token) => Ok(Some(token)),
            // Nobody is there to ask, and nothing says that somebody should be.
            Err(CloudError::Request { .. }) if given.is_none() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A token for an application that a Secret describes.
    ///
    /// # Errors
    /// See [`CloudError`].
    pub async fn application(
        &self,
        who: &Who<'_>,
        application: &Application,
        proof: &Proof,
        scope: &str,
    ) -> Result<Secret, CloudError> {
        let via = who
            .proxy
            .map(|proxy| proxy.address.to_string())
            .unwrap_or_default();
        let print = hex::encode(proof.fingerprint());
        let authority = application.authority.clone().unwrap_or_default();
        let question = [
            "application",
            scope,
            via.as_str(),
            authority.as_str(),
            application.tenant.as_str(),
            application.client.as_str(),
            print.as_str(),
        ];
        let http = client_of(who)?;
        self.tokens
            .get(&question, application.token(&http, proof, scope))
            .await
    }

    /// A token for a managed identity of the machine.
    ///
    /// # Errors
    /// See [`CloudError`].
    pub async fn managed(&self, who: &Who<'_>, id: &str, scope: &str) -> Result<Secret, CloudError> {
        let question = ["managed", scope, who.namespace, id];
        self.tokens.get(&question, machine(Some(id), scope)).await
    }
}

impl Proof {
    fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        match self {
            Self::Secret(secret) | Self::Federated(secret) => secret.fingerprint(&mut hash),
            Self::Certificate {
                pem,
                password,
                send_chain,
            } => {
                hash.update([u8::from(*send_chain), u8::from(password.is_some())]);
                pem.fingerprint(&mut hash);
                password
                    .iter()
                    .for_each(|password| password.fingerprint(&mut hash));
            }
        }
        hash.finalize().into()
    }
}

impl Application {
    async fn token(
        &self,
        http: &Client,
        proof: &Proof,
        scope: &str,
    ) -> Result<(Secret, Duration), CloudError> {
        let url = self.url()?;
        let mut pairs = vec![
            ("client_id", self.client.clone()),
            ("grant_type", "client_credentials".into()),
            ("scope", scope.to_owned()),
        ];
        let assertion = match proof {
            Proof::Secret(secret) => {
                pairs.push((
                    "client_secret",
                    String::from_utf8_lossy(secret.expose()).into_owned(),
                ));
                None
            }
            Proof::Federated(token) => Some(String::from_utf8_lossy(token.expose()).into_owned()),
            Proof::Certificate {
                pem,
                password,
                send_chain,
            } => Some(self.statement(&url, pem, password.as_ref(), *send_chain).await?),
        };
        if let Some(assertion) = assertion {
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            pairs.push(("client_assertion_type", kind.into()));
            pairs.push(("client_assertion", assertion));
        }
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let issued: Issued = call::json(call::form(http, &url, &pairs)).await?;
        issued.grant(&url)
    }

    /// Where tokens for this tenant are given.
    fn url(&self) -> Result<String, CloudError> {
        let authority = self.authority.as_deref().unwrap_or(AUTHORITY);
        let odd = || CloudError::Setup(format!("'{authority}' is no authority: it must be an https URL"));
        let tenant = self.tenant.as_str();
        let valid = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if tenant.is_empty() || tenant.starts_with('.') || !tenant.chars().all(valid) {
            return Err(CloudError::Setup(
                "the tenant ID has characters that IDs do not have".into(),
            ));
        }
        let url = Url::parse(&format!(
            "{}/{tenant}/oauth2/v2.0/token",
            authority.trim_end_matches('/')
        ));
        url.ok().filter(is_safe).map(String::from).ok_or_else(odd)
    }

    /// A statement about ourselves, signed with the certificate's key (RFC 7523).
    async fn statement(
        &self,
        url: &str,
        pem: &Secret,
        password: Option<&Secret>,
        send_chain: bool,
    ) -> Result<String, CloudError> {
        let certificates: Vec<Vec<u8>> = peer::pem::blocks(pem.expose(), "CERTIFICATE");
        let Some(first) = certificates.first() else {
            let text =
                "'clientCertificate' holds no certificate in PEM; certificates in PKCS #12 are not supported";
            return Err(CloudError::Setup(text.into()));
        };
        let (text, password) = (pem.clone(), password.cloned());
        // Others would wait meanwhile.
        let key = tokio::task::spawn_blocking(move || key::private(&text, password.as_ref())).await;
        let key = key.map_err(|_| CloudError::Setup("the private key could not be decrypted".into()))??;
        let key = EncodingKey::from_rsa_pem(key.expose()).map_err(CloudError::Key)?;
        let mut header = Header::new(Algorithm::RS256);
        header.x5t_s256 = Some(URL_SAFE_NO_PAD.encode(Sha256::digest(first)));
        if send_chain {
            let standard = &base64::engine::general_purpose::STANDARD;
            header.x5c = Some(certificates.iter().map(|der| standard.encode(der)).collect());
        }
        let now = jiff::Timestamp::now();
        let claims = Claims {
            aud: url,
            iss: &self.client,
            sub: &self.client,
            jti: hex::encode(Sha256::digest(format!("{}{now}", self.client))),
            nbf: now.as_second() - 10,
            exp: now.as_second() + STATEMENT,
        };
        jsonwebtoken::encode(&header, &claims, &key).map_err(CloudError::Key)
    }
}

impl Issued {
    fn grant(self, url: &str) -> Result<(Secret, Duration), CloudError> {
        if self.access_token.is_empty() {
            return Err(CloudError::Answer(url.to_owned()));
        }
        let text = self.expires_in.as_str().and_then(|text| text.parse().ok());
        let seconds = self.expires_in.as_u64().or(text).unwrap_or(300);
        Ok((Secret::new(self.access_token), Duration::from_secs(seconds)))
    }
}

/// The application that the environment describes, in the order of Microsoft's libraries: secret, certificate, federation.
fn from_environment() -> Result<Option<(Application, Proof)>, CloudError> {
    let (Some(tenant), Some(id)) = (env("AZURE_TENANT_ID"), env("AZURE_CLIENT_ID")) else {
        return Ok(None);
    };
    let application = Application {
        tenant,
        client: id,
        authority: env("AZURE_AUTHORITY_HOST"),
    };
    let read = |file: String| {
        std::fs::read(&file)
            .map(Secret::new)
            .map_err(|e| CloudError::Setup(format!("cannot read '{file}', which the environment names: {e}")))
    };
    let proof = if let Some(secret) = env("AZURE_CLIENT_SECRET") {
        Proof::Secret(Secret::new(secret))
    } else if let Some(file) = env("AZURE_CLIENT_CERTIFICATE_PATH") {
        Proof::Certificate {
            pem: read(file)?,
            password: env("AZURE_CLIENT_CERTIFICATE_PASSWORD").map(Secret::new),
            send_chain: env("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN").is_some_and(|v| v == "1" || v == "true"),
        }
    } else if let Some(file) = env("AZURE_FEDERATED_TOKEN_FILE") {
        Proof::Federated(read(file)?)
    } else {
        return Ok(None);
    };
    Ok(Some((application, proof)))
}

/// A token from the machine.
async fn machine(id: Option<&str>, scope: &str) -> Result<(Secret, Duration), CloudError> {
    let base = env("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or_else(|| IMDS.to_owned());
    let resource = scope.trim_end_matches("/.default");
    let mut pairs = vec![("api-version", "2018-02-01"), ("resource", resource)];
    pairs.extend(id.map(|id| ("client_id", id)));
    let (base, query) = (base.trim_end_matches('/'), sigv4::query(&pairs));
    let url = format!("{base}/metadata/identity/oauth2/token?{query}");
    let issued: Issued = call::json(direct()?.get(&url).header("metadata", "true")).await?;
    issued.grant(base)
}
