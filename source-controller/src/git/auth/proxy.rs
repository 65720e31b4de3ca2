//! PURE: the proxy that `spec.proxySecretRef` names.

use url::Url;

use super::{AuthError, Credentials, text};
use crate::git::secret::Secret;

/// `spec.proxySecretRef`: it wins over the environment's proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// http, https or socks5.
    pub address: Url,
    /// User and password for the proxy.
    pub login: Option<(String, Secret)>,
}

impl Proxy {
    /// Reads `address` (at most 2048 bytes), `username` and `password`.
    ///
    /// # Errors
    /// An address that is missing, too long, no URL, or of another scheme; values that are not UTF-8.
    pub fn from_secret(secret: Credentials<'_>) -> Result<Proxy, AuthError> {
        let invalid = |problem| AuthError::Proxy {
            secret: secret.name.to_owned(),
            problem,
        };
        let address = text(secret, "address")?.ok_or_else(|| invalid("key 'address' not found"))?;
        if address.len() > 2048 {
            return Err(invalid("'address' is too long"));
        }
        let address = Url::parse(address.trim()).map_err(|_| invalid("'address' is not a URL"))?;
        if !matches!(address.scheme(), "http" | "https" | "socks5") {
            return Err(invalid("'address' must be http, https or socks5"));
        }
        let password = secret.data.get("password").cloned().unwrap_or_default();
        let login = text(secret, "username")?.map(|user| (user.to_owned(), Secret::new(password)));
        Ok(Proxy { address, login })
    }
}
