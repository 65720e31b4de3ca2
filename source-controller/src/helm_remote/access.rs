//! I/O: the Secrets that a HelmRepository names, and how it is spoken to with them.

use crate::{
    kube_secret::{self, Data},
    oci::{self, Keychain, Repository},
    record::patience,
};
use crds::{
    meta::LocalReference,
    source::{HelmRepository, HelmRepositoryType, OciProvider},
};
use kube::{Client, ResourceExt as _};
use peer::{
    http::{Tls, shown},
    secret::{Credentials, Secret},
};
use runtime::telemetry::chain;
use sha2::Sha256;
use std::time::Duration;

/// How a repository is spoken to.
#[derive(Debug, Clone)]
pub struct Access {
    /// Name and password; for the repository's own host.
    pub login: Option<(String, Secret)>,
    /// Whom to trust and who we are; `None` where no Secret says.
    pub tls: Option<Tls>,
    /// Logins for a registry.
    pub keychain: Keychain,
    /// Plain HTTP will do for a registry.
    pub insecure: bool,
    /// The login is for other hosts that the index names as well.
    pub pass_credentials: bool,
    /// Whose login a registry wants, where none is written down.
    pub provider: OciProvider,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl Access {
    /// Access without credentials.
    pub fn anonymous() -> Self {
        Self {
            login: None,
            tls: None,
            keychain: Keychain::default(),
            insecure: false,
            pass_credentials: false,
            provider: OciProvider::Generic,
            timeout: patience(None),
        }
    }

    /// Reads what a HelmRepository says.
    ///
    /// # Errors
    /// A Secret that is not there or not what it should be, in Flux's words.
    pub async fn read(client: &Client, repository: &HelmRepository) -> Result<Self, String> {
        let spec = &repository.spec;
        let namespace = repository.namespace().unwrap_or_default();
        let timeout = spec.timeout.as_ref().and_then(|t| t.get().ok());
        let mut access = Self {
            insecure: spec.insecure,
            pass_credentials: spec.pass_credentials,
            timeout: patience(timeout),
            ..Self::anonymous()
        };
        let named = async |reference: Option<&LocalReference>, what: &str| match reference {
            Some(reference) => secret(client, &namespace, &reference.name, what).await.map(Some),
            None => Ok(None),
        };
        if let Some((name, data)) = named(spec.cert_secret_ref.as_ref(), "TLS authentication").await? {
            let construct = |problem| format!("failed to construct Helm client's TLS config: {problem}");
            let credentials = Credentials {
                name: &name,
                data: &data,
            };
            access.tls = Some(Tls::checked(credentials).map_err(|e| construct(e.to_string()))?);
        }
        if let Some((name, data)) = named(spec.secret_ref.as_ref(), "authentication").await? {
            access.logins(&name, &data, &spec.url, is_static(repository))?;
        } else if is_static(repository) {
            access.provider = spec.provider.unwrap_or_default();
        }
        Ok(access)
    }

    /// Takes in `spec.secretRef`: name and password, certificates as they were given before there was `certSecretRef`, and
    /// for a registry what Docker's configuration says of it.
    fn logins(&mut self, name: &str, data: &Data, url: &str, registry: bool) -> Result<(), String> {
        let detect = |problem: String| format!("failed to detect authentication methods: {problem}");
        let credentials = Credentials { name, data };
        let has = |key: &str| data.contains_key(key);
        for (present, missing) in [("username", "password"), ("password", "username")] {
            if has(present) && !has(missing) {
                let text = format!(
                    "secret '{name}': malformed basic auth - has '{present}' but missing '{missing}'"
                );
                return Err(detect(text));
            }
        }
        let text = |key: &str| credentials.text(key).map_err(|e| detect(e.to_string()));
        let username = text("username")?.unwrap_or_default();
        let password = data.get("password").cloned().unwrap_or_default();
        let both = !username.is_empty() && !password.is_empty();
        self.login = both.then(|| (username.to_owned(), Secret::new(password.clone())));
        let tls = Tls::some(credentials).map_err(|e| detect(e.to_string()))?;
        self.tls = self.tls.take().or(tls);
        if !registry {
            return Ok(());
        }
        let configure =
            |problem: String| format!("failed to configure OCI registry authentication: {problem}");
        let host =
            host(url).ok_or_else(|| configure(format!("unable to parse registry URL '{}'", shown(url))))?;
        if has(oci::DOCKER_CONFIG) {
            let keychain = Keychain::from_secret(credentials).map_err(|e| configure(chain(&e)))?;
            if !keychain.knows(&host) {
                let text = format!("no auth config for '{host}' in the docker-registry Secret '{name}'");
                return Err(configure(text));
            }
            self.keychain = keychain;
        } else if both {
            self.keychain = Keychain::basic(&host, username, Secret::new(password));
        } else if has("username") || has("password") {
            let text = format!("invalid '{name}' secret data: required fields 'username' and 'password'");
            return Err(configure(text));
        }
        Ok(())
    }

    /// Equal for access with equal credentials.
    pub(super) fn fingerprint(&self, into: &mut Sha256) {
        use sha2::Digest as _;
        into.update([
            u8::from(self.pass_credentials),
            u8::from(self.login.is_some()),
            u8::from(self.tls.is_some()),
        ]);
        if let Some((user, password)) = &self.login {
            Secret::new(user.as_str()).fingerprint(into);
            password.fingerprint(into);
        }
        if let Some(tls) = &self.tls {
            tls.fingerprint(into);
        }
    }
}

/// Whether the object is a note on a registry, and nothing more.
pub fn is_static(repository: &HelmRepository) -> bool {
    repository.spec.type_ == Some(HelmRepositoryType::Oci)
}

fn host(url: &str) -> Option<String> {
    let name = url.strip_prefix("oci://")?.split('/').next()?;
    let repository = Repository::parse(&format!("oci://{name}/x")).ok()?;
    Some(repository.registry)
}

async fn secret(client: &Client, namespace: &str, name: &str, what: &str) -> Result<(String, Data), String> {
    let full = format!("{namespace}/{name}");
    let found = kube_secret::get(client, namespace, name).await;
    let data = found.map_err(|cause| format!("failed to get {what} secret '{full}': {cause}"))?;
    Ok((full, data))
}
