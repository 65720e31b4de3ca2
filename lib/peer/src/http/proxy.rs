//! PURE: the proxy that `spec.proxySecretRef` names.

use sha2::Sha256;
use url::Url;

use crate::secret::{Credentials, NotText, Secret};

/// `spec.proxySecretRef`: it wins over the environment's proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// http, https or socks5.
    pub address: Url,
    /// User and password for the proxy.
    pub login: Option<(String, Secret)>,
}

/// `spec.proxySecretRef` is unusable. Display has Flux's words for conditions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to configure proxy options: invalid proxy secret '{secret}': {problem}")]
pub struct ProxyError {
    /// `namespace/name`.
    pub secret: String,
    /// What is wrong.
    pub problem: String,
}

impl Proxy {
    /// The way through the proxy for what is said over TLS alone: it hears to whom, and nothing else.
    pub fn for_tls(&self) -> reqwest::Result<reqwest::Proxy> {
        Ok(self.with_login(reqwest::Proxy::https(self.url())?))
    }

    /// As the client library has it: names are the proxy's to resolve by SOCKS too, as with Go's library.
    pub(super) fn url(&self) -> String {
        let address = self.address.as_str();
        match address.strip_prefix("socks5:") {
            Some(rest) => format!("socks5h:{rest}"),
            None => address.to_owned(),
        }
    }

    pub(super) fn with_login(&self, proxy: reqwest::Proxy) -> reqwest::Proxy {
        match &self.login {
            Some((user, password)) => proxy.basic_auth(user, &String::from_utf8_lossy(password.expose())),
            None => proxy,
        }
    }

    /// Equal for equal proxies.
    pub fn fingerprint(&self, into: &mut Sha256) {
        Secret::new(self.address.as_str()).fingerprint(into);
        if let Some((user, password)) = &self.login {
            Secret::new(user.as_str()).fingerprint(into);
            password.fingerprint(into);
        }
    }

    /// Reads `address` (at most 2048 bytes), `username` and `password`.
    ///
    /// # Errors
    /// An address that is missing, too long, no URL, or of another scheme; values that are not UTF-8.
    pub fn from_secret(secret: Credentials<'_>) -> Result<Proxy, ProxyError> {
        let invalid = |problem: &str| ProxyError {
            secret: secret.name.to_owned(),
            problem: problem.to_owned(),
        };
        let not_text = |error: NotText| invalid(&error.to_string());
        let address = secret
            .text("address")
            .map_err(not_text)?
            .ok_or_else(|| invalid("key 'address' not found"))?;
        if address.len() > 2048 {
            return Err(invalid("'address' is too long"));
        }
        let address = Url::parse(address.trim()).map_err(|_| invalid("'address' is not a URL"))?;
        if !matches!(address.scheme(), "http" | "https" | "socks5") {
            return Err(invalid("'address' must be http, https or socks5"));
        }
        let password = secret.data.get("password").cloned().unwrap_or_default();
        let login = secret
            .text("username")
            .map_err(not_text)?
            .map(|user| (user.to_owned(), Secret::new(password)));
        Ok(Proxy { address, login })
    }
}
