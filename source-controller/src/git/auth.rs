//! PURE: how a repository wants to be spoken to, from its URL and the Secret that `spec.secretRef` names.

mod error;

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use sha2::Sha256;
use url::Url;

pub use super::identity::Identity;
use super::identity::IdentityError;
pub use error::AuthError;
pub use peer::http::{Proxy, Tls};
pub use peer::secret::{Credentials, Secret};

/// `spec.provider` of a GitRepository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provider {
    /// Credentials are in the Secret.
    #[default]
    Generic,
    /// A GitHub App, whose key is in the Secret.
    GitHub,
    /// Azure DevOps with workload identity: the caller sets [`HttpAuth::login`].
    Azure,
    /// AWS CodeCommit with workload identity: the caller sets [`HttpAuth::login`].
    Aws,
}

/// How to speak to a repository.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Over http or https.
    Http(HttpAuth),
    /// Over ssh.
    Ssh(SshAuth),
}

/// Login and TLS for http and https.
#[derive(Debug, Clone, Default)]
pub struct HttpAuth {
    /// What the `Authorization` header says.
    pub login: Login,
    /// Whom to trust and who we are.
    pub tls: Tls,
}

/// What the `Authorization` header says; it is sent to the URL's own host only.
#[derive(Debug, Clone, Default)]
pub enum Login {
    /// Nothing.
    #[default]
    None,
    /// RFC 7617.
    Basic {
        /// May be empty.
        username: String,
        /// May be empty.
        password: Secret,
    },
    /// RFC 6750.
    Bearer(Secret),
    /// What an identity at a cloud provider was granted. It changes every hour, and whose it is does not.
    Granted {
        /// What is sent: one of the others.
        login: Box<Login>,
        /// Whose it is, in the same words each time.
        identity: String,
    },
    /// An installation token, asked for before the repository is.
    GitHubApp(GitHubApp),
}

/// A GitHub App's credentials.
#[derive(Debug, Clone)]
pub struct GitHubApp {
    /// `githubAppID`.
    pub id: String,
    /// `githubAppPrivateKey`: RSA, PEM.
    pub key: Secret,
    /// Where it is installed.
    pub installation: Installation,
    /// The API's root, ending without a slash; `https://api.github.com` unless `githubAppBaseURL` says otherwise.
    pub api: String,
}

/// Which installation of a GitHub App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installation {
    /// `githubAppInstallationID`.
    Id(String),
    /// `githubAppInstallationOwner`: a user or organisation, looked up.
    Owner(String),
}

/// Login and trust for ssh.
#[derive(Debug, Clone)]
pub struct SshAuth {
    /// From the URL, else `git`.
    pub user: String,
    /// The private key.
    pub identity: Identity,
    /// Lines in the format of OpenSSH's `known_hosts`. There is no trust without it.
    pub known_hosts: String,
}

impl Auth {
    /// Reads URL and Secret by the rules of Flux 2.9: ssh needs `identity` and `known_hosts`; http takes user information
    /// from the URL, then `username` and `password`, and `bearerToken` before both; TLS keys apply to https.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub fn from_secret(
        url: &Url,
        provider: Provider,
        secret: Option<Credentials<'_>>,
    ) -> Result<Auth, AuthError> {
        let none = BTreeMap::new();
        let given = secret.unwrap_or(Credentials {
            name: "",
            data: &none,
        });
        if url.scheme() == "ssh" {
            return ssh(url, given).map(Auth::Ssh);
        }
        let tls = Tls::from_secret(given);
        let login = match provider {
            Provider::GitHub if secret.is_none() => return Err(AuthError::GitHubNoSecret),
            Provider::GitHub => Login::GitHubApp(github_app(given)?),
            Provider::Generic | Provider::Azure | Provider::Aws if given.has("githubAppID") => {
                return Err(AuthError::GitHubUnexpected(given.name.to_owned()));
            }
            Provider::Generic | Provider::Azure | Provider::Aws => login(url, given)?,
        };
        Ok(Auth::Http(HttpAuth { login, tls }))
    }

    /// Nothing but what the URL needs: for repositories without `secretRef`, over http.
    #[must_use]
    pub fn anonymous() -> Auth {
        Auth::Http(HttpAuth::default())
    }

    /// Equal for equal credentials. Mirrors are kept apart by it, so that nobody reads what another's key has fetched.
    pub(super) fn fingerprint(&self, into: &mut Sha256) {
        let mut text = |text: &str| Secret::new(text).fingerprint(into);
        match self {
            Auth::Ssh(SshAuth {
                user,
                identity,
                known_hosts,
            }) => {
                text("ssh");
                text(user);
                text(known_hosts);
                identity.fingerprint(into);
            }
            Auth::Http(HttpAuth { login, tls }) => {
                match login {
                    Login::None => text("none"),
                    Login::Basic { username, password } => {
                        text("basic");
                        text(username);
                        password.fingerprint(into);
                    }
                    Login::Bearer(token) => {
                        text("bearer");
                        token.fingerprint(into);
                    }
                    Login::Granted { identity, .. } => {
                        text("granted");
                        text(identity);
                    }
                    Login::GitHubApp(app) => {
                        text("app");
                        text(&app.id);
                        text(&app.api);
                        text(&format!("{:?}", app.installation));
                        app.key.fingerprint(into);
                    }
                }
                tls.fingerprint(into);
            }
        }
    }
}

fn ssh(url: &Url, secret: Credentials<'_>) -> Result<SshAuth, AuthError> {
    let option = |problem| AuthError::Option {
        scheme: "ssh".to_owned(),
        problem,
    };
    if !secret.has("identity") {
        return Err(option("'identity' is required"));
    }
    if !secret.has("known_hosts") {
        return Err(option("'known_hosts' is required"));
    }
    let user = match url.username() {
        "" => "git".to_owned(),
        user => decoded(user),
    };
    let identity = Secret::new(secret.data["identity"].clone());
    let passphrase = secret.data.get("password").filter(|value| !value.is_empty());
    let passphrase = passphrase.cloned().map(Secret::new);
    let known_hosts = secret.text("known_hosts")?.unwrap_or_default().to_owned();
    match Identity::parse(identity, passphrase.as_ref()) {
        Ok(identity) => Ok(SshAuth {
            user,
            identity,
            known_hosts,
        }),
        Err(IdentityError::Encrypted) => Err(AuthError::NoPassphrase(secret.name.to_owned())),
        Err(IdentityError::Invalid) => Err(AuthError::Identity(secret.name.to_owned())),
    }
}

fn login(url: &Url, secret: Credentials<'_>) -> Result<Login, AuthError> {
    let option = |problem| AuthError::Option {
        scheme: url.scheme().to_owned(),
        problem,
    };
    if let Some(token) = secret.data.get("bearerToken").filter(|token| !token.is_empty()) {
        // Flux's client refuses to choose between a token and what the URL says.
        return if url.username().is_empty() {
            Ok(Login::Bearer(Secret::new(token.trim_ascii())))
        } else {
            Err(option(
                "'bearerToken' and basic auth cannot be set at the same time",
            ))
        };
    }
    let username = secret
        .text("username")?
        .map_or_else(|| decoded(url.username()), str::to_owned);
    let password = match secret.data.get("password") {
        Some(password) => password.clone(),
        None => decoded(url.password().unwrap_or_default()).into_bytes(),
    };
    match (username.is_empty(), password.is_empty()) {
        (true, true) => Ok(Login::None),
        (true, false) => Err(option("'password' requires 'username' to be set")),
        _ => Ok(Login::Basic {
            username,
            password: Secret::new(password),
        }),
    }
}

fn github_app(secret: Credentials<'_>) -> Result<GitHubApp, AuthError> {
    let invalid = |problem| AuthError::GitHubData {
        secret: secret.name.to_owned(),
        problem,
    };
    let Some(id) = secret.text("githubAppID")?.filter(|id| !id.is_empty()) else {
        return Err(AuthError::GitHubNoData);
    };
    if !secret.has("githubAppPrivateKey") {
        return Err(invalid("'githubAppPrivateKey' is required"));
    }
    let value = |key| {
        secret
            .text(key)
            .map(|value| value.filter(|value| !value.is_empty()).map(str::to_owned))
    };
    let installation = match (
        value("githubAppInstallationID")?,
        value("githubAppInstallationOwner")?,
    ) {
        (Some(id), None) => Installation::Id(id),
        (None, Some(owner)) => Installation::Owner(owner),
        (None, None) => {
            return Err(invalid(
                "'githubAppInstallationID' or 'githubAppInstallationOwner' is required",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(invalid(
                "only one of 'githubAppInstallationID' and 'githubAppInstallationOwner' may be set",
            ));
        }
    };
    let api = match value("githubAppBaseURL")? {
        None => "https://api.github.com".to_owned(),
        Some(base) => {
            let base = base.trim_end_matches('/');
            let is_api = base.ends_with("/api/v3") || base.contains("://api.");
            if is_api {
                base.to_owned()
            } else {
                format!("{base}/api/v3")
            }
        }
    };
    let key = Secret::new(secret.data["githubAppPrivateKey"].clone());
    Ok(GitHubApp {
        id: id.to_owned(),
        key,
        installation,
        api,
    })
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}
