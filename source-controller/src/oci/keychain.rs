//! PURE: logins for registries, from Secrets of the type `kubernetes.io/dockerconfigjson`.

use super::name::Repository;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use peer::secret::{Credentials, Secret};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use thiserror::Error;

/// The key of a Secret that holds Docker's configuration.
pub const CONFIG: &str = ".dockerconfigjson";

/// How to log in to a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Login {
    /// Not at all.
    #[default]
    Anonymous,
    /// With a name and a password, which are exchanged for a token where the registry wants that.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// With a token that is exchanged for another (`identitytoken`).
    Identity(Secret),
    /// With a token that is sent as it is (`registrytoken`).
    Bearer(Secret),
}

/// Logins by registry, or by registry and beginning of a path.
#[derive(Debug, Clone, Default)]
pub struct Keychain(Vec<(String, Login)>);

/// A Secret that holds no logins.
#[derive(Debug, Error)]
pub enum KeychainError {
    /// It has no configuration.
    #[error(
        "invalid secret '{0}': key '{CONFIG}' not found; it must be of type kubernetes.io/dockerconfigjson"
    )]
    Missing(String),
    /// The configuration cannot be read. What it says is not told: it holds passwords.
    #[error("invalid secret '{secret}': '{CONFIG}' is not a Docker configuration: {problem}")]
    Invalid {
        /// `namespace/name`.
        secret: String,
        /// What is wrong, without any of the text.
        problem: &'static str,
    },
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl Keychain {
    /// Reads a Secret's logins.
    ///
    /// # Errors
    /// See [`KeychainError`].
    pub fn from_secret(secret: Credentials<'_>) -> Result<Self, KeychainError> {
        let config = secret.data.get(CONFIG);
        let config = config.ok_or_else(|| KeychainError::Missing(secret.name.to_owned()))?;
        let invalid = |problem| KeychainError::Invalid {
            secret: secret.name.to_owned(),
            problem,
        };
        let config: DockerConfig =
            serde_json::from_slice(config).map_err(|_| invalid("it is no JSON of that shape"))?;
        let entries = config.auths.into_iter().map(|(host, entry)| {
            let login = entry.login().map_err(invalid)?;
            Ok((address(&host), login))
        });
        entries.collect::<Result<_, _>>().map(Self)
    }

    /// One login for a registry.
    pub fn basic(registry: &str, username: &str, password: Secret) -> Self {
        let login = Login::Basic {
            username: username.to_owned(),
            password,
        };
        Self(vec![(address(registry), login)])
    }

    /// Whether there is a login for a registry, or for something in it.
    pub fn knows(&self, registry: &str) -> bool {
        let host = |address: &str| address.split('/').next().unwrap_or_default().to_owned();
        self.0.iter().any(|(address, _)| fits(&host(address), registry))
    }

    /// One login for one registry.
    pub fn only(registry: &str, login: Login) -> Self {
        Self(vec![(registry.to_owned(), login)])
    }

    /// Adds the logins of another; those that are here already come first.
    pub fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    /// The login for a repository: that of the longest address that fits; nothing if none does.
    pub fn login(&self, repository: &Repository) -> Login {
        let name = repository.to_string();
        let mut best: Option<&(String, Login)> = None;
        for entry in self.0.iter().filter(|(address, _)| fits(address, &name)) {
            if best.is_none_or(|(found, _)| found.len() < entry.0.len()) {
                best = Some(entry);
            }
        }
        best.map(|(_, login)| login.clone()).unwrap_or_default()
    }
}

impl Entry {
    fn login(self) -> Result<Login, &'static str> {
        if !self.registrytoken.is_empty() {
            return Ok(Login::Bearer(Secret::new(self.registrytoken)));
        }
        if !self.identitytoken.is_empty() {
            return Ok(Login::Identity(Secret::new(self.identitytoken)));
        }
        let (username, password) = if self.auth.is_empty() {
            (self.username, self.password)
        } else {
            let decoded = STANDARD
                .decode(self.auth.trim())
                .map_err(|_| "an 'auth' is not base64")?;
            let text = String::from_utf8(decoded).map_err(|_| "an 'auth' is not UTF-8")?;
            let (user, password) = text.split_once(':').ok_or("an 'auth' has no ':'")?;
            (user.to_owned(), password.trim_end_matches('\0').to_owned())
        };
        if username.is_empty() && password.is_empty() {
            return Ok(Login::Anonymous);
        }
        Ok(Login::Basic {
            username,
            password: Secret::new(password),
        })
    }
}

impl Login {
    /// Equal for equal logins.
    pub(super) fn fingerprint(&self, into: &mut Sha256) {
        let (kind, user, secret) = match self {
            Self::Anonymous => (0, "", None),
            Self::Basic { username, password } => (1, username.as_str(), Some(password)),
            Self::Identity(token) => (2, "", Some(token)),
            Self::Bearer(token) => (3, "", Some(token)),
        };
        into.update([kind]);
        Secret::new(user).fingerprint(into);
        if let Some(secret) = secret {
            secret.fingerprint(into);
        }
    }
}

/// A key of `auths` without scheme and API version, as registries are named elsewhere.
fn address(key: &str) -> String {
    let key = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let key = key.trim_end_matches('/');
    let key = key
        .strip_suffix("/v1")
        .or_else(|| key.strip_suffix("/v2"))
        .unwrap_or(key);
    match key {
        "docker.io" | "registry-1.docker.io" => "index.docker.io".to_owned(),
        key => key.to_owned(),
    }
}

/// Whether an address is that of a repository, or of a folder that it is in. As in the kubelet, `*` stands for a part of the
/// host's name.
fn fits(address: &str, name: &str) -> bool {
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    let (its_host, its_path) = name.split_once('/').unwrap_or((name, ""));
    let parts = |host: &str| host.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (wanted, found) = (parts(host), parts(its_host));
    let same_host = wanted.len() == found.len() && wanted.iter().zip(&found).all(|(w, f)| w == f || w == "*");
    let below = its_path.strip_prefix(path);
    same_host && below.is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keychain(json: &str) -> Result<Keychain, KeychainError> {
        let data = BTreeMap::from([(CONFIG.to_owned(), json.as_bytes().to_vec())]);
        Keychain::from_secret(Credentials {
            name: "n/s",
            data: &data,
        })
    }

    fn user(keychain: &Keychain, url: &str) -> String {
        match keychain.login(&Repository::parse(url).unwrap()) {
            Login::Basic { username, .. } => username,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_longest_address_that_fits_counts() {
        let found = keychain(
            r#"{"auths": {
                "https://index.docker.io/v1/": {"auth": "aHViOnBhc3M="},
                "ghcr.io": {"username": "all", "password": "x"},
                "ghcr.io/org": {"username": "org", "password": "x"},
                "*.example.com": {"username": "wild", "password": "x"},
                "empty.io": {}
            }}"#,
        )
        .unwrap();
        for (url, expected) in [
            ("oci://docker.io/nginx", "hub"),
            ("oci://ghcr.io/other/a", "all"),
            ("oci://ghcr.io/org/a", "org"),
            ("oci://ghcr.io/organisation/a", "all"),
            ("oci://eu.example.com/a", "wild"),
            ("oci://a.b.example.com/a", "Anonymous"),
            ("oci://ghcr.io.evil.com/org/a", "Anonymous"),
            ("oci://empty.io/a", "Anonymous"),
        ] {
            assert_eq!(user(&found, url), expected, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_its_text() {
        for (json, part) in [
            ("{", "no JSON"),
            (r#"{"auths": {"a.io": {"auth": "hunter2"}}}"#, "no ':'"),
            (r#"{"auths": {"a.io": {"auth": "!"}}}"#, "not base64"),
        ] {
            let error = keychain(json).unwrap_err().to_string();
            assert!(error.contains("n/s") && !error.contains("hunter2"), "{error}");
            assert!(
                error.contains(part) || error.contains("base64") || error.contains("UTF-8"),
                "{error}"
            );
        }
        let none = BTreeMap::new();
        let missing = Keychain::from_secret(Credentials {
            name: "n/s",
            data: &none,
        })
        .unwrap_err();
        assert!(missing.to_string().contains(CONFIG));
    }
}
