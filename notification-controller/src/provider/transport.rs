//! How a service is reached: whom to trust, who we are, through which proxy. A client for each way, kept for the next message.

use super::{
    Mask, Secret,
    reach::{Names, REFUSAL, is_off_limits},
};
use crate::message::DeliveryError;
use reqwest::{Certificate, Client, Identity, Proxy as HttpProxy, redirect};
use runtime::telemetry::chain;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, time::Duration};
use url::Url;

/// The longest address (Flux field `Provider.spec.address`).
const LONGEST: usize = 2048;

/// The way to a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transport {
    /// TLS material.
    pub tls: Tls,
    /// The proxy; without one, that of the environment.
    pub proxy: Option<Proxy>,
}

/// TLS material in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates to trust instead of the system's, as in Flux.
    pub ca: Option<Vec<u8>>,
    /// A certificate and its key.
    pub identity: Option<(Vec<u8>, Secret)>,
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// http, https or socks5; may hold a login.
    pub address: Secret,
    /// User and password.
    pub login: Option<(String, Secret)>,
}

impl Tls {
    /// Reads `ca.crt`, `tls.crt` and `tls.key`, or else `caFile`, `certFile` and `keyFile` (Flux field
    /// `Provider.spec.certSecretRef`).
    ///
    /// # Errors
    /// A certificate without a key, or a key without a certificate.
    pub fn read(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, String> {
        let value = |key: &str, legacy: &str| {
            let filled = |key: &str| data.get(key).filter(|value| !value.is_empty());
            filled(key).or_else(|| filled(legacy)).cloned()
        };
        let identity = match (value("tls.crt", "certFile"), value("tls.key", "keyFile")) {
            (Some(certificate), Some(key)) => Some((certificate, Secret::new(key))),
            (None, None) => None,
            (Some(_), None) => return Err("'tls.crt' is there without 'tls.key'".into()),
            (None, Some(_)) => return Err("'tls.key' is there without 'tls.crt'".into()),
        };
        Ok(Self {
            ca: value("ca.crt", "caFile"),
            identity,
        })
    }

    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| Secret::new(bytes).fingerprint(&mut hash);
        part(self.ca.as_deref().unwrap_or_default());
        if let Some((certificate, key)) = &self.identity {
            part(certificate);
            part(key.expose());
        }
        hash.finalize().into()
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.ca.is_none() && self.identity.is_none()
    }
}

impl Proxy {
    /// Reads `address`, `username` and `password` (Flux field `Provider.spec.proxySecretRef`).
    ///
    /// # Errors
    /// An address that is missing, too long, no URL, of another scheme, or where no message goes; a user name that is not
    /// UTF-8.
    pub fn read(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, String> {
        let address = data.get("address").ok_or("key 'address' not found")?;
        let address = Secret::new(address.trim_ascii());
        let username = data.get("username").filter(|user| !user.is_empty());
        let login = match username {
            None => None,
            Some(user) => {
                let user = std::str::from_utf8(user).map_err(|_| "'username' is not valid UTF-8")?;
                let password = data.get("password").cloned().unwrap_or_default();
                Some((user.to_owned(), Secret::new(password)))
            }
        };
        let proxy = Self { address, login };
        proxy.url()?;
        Ok(proxy)
    }

    /// A proxy that is written in the spec.
    ///
    /// # Errors
    /// An address that is too long, no URL, of another scheme, or where no message goes.
    pub fn plain(address: &str) -> Result<Self, String> {
        let proxy = Self {
            address: Secret::new(address.trim()),
            login: None,
        };
        proxy.url()?;
        Ok(proxy)
    }

    /// As token services are spoken to through it.
    pub(super) fn outside(&self) -> Result<peer::http::Proxy, String> {
        Ok(peer::http::Proxy {
            address: self.url()?,
            login: self.login.clone(),
        })
    }

    fn url(&self) -> Result<Url, String> {
        if self.address.expose().len() > LONGEST {
            return Err("'address' is too long".into());
        }
        let text = self.address.text().ok_or("'address' is not valid UTF-8")?;
        // As with Go, a SOCKS proxy looks names up itself.
        let text = match text.strip_prefix("socks5://") {
            Some(rest) => format!("socks5h://{rest}"),
            None => text.to_owned(),
        };
        let url = Url::parse(&text).map_err(|_| "'address' is not a URL")?;
        if !matches!(url.scheme(), "http" | "https" | "socks5h") || !url.has_host() {
            return Err("'address' must be an http, https or socks5 URL".into());
        }
        // An address is connected to without being looked up.
        match is_off_limits(&url) {
            true => Err(format!("'address': {REFUSAL}")),
            false => Ok(url),
        }
    }
}

impl Transport {
    /// Hides what is secret in it.
    pub(crate) fn hide(&self, mask: &mut Mask) {
        if let Some((_, key)) = &self.tls.identity {
            mask.hide(key.expose());
        }
        if let Some(proxy) = &self.proxy {
            if let Ok(url) = proxy.url() {
                mask.hide(url.password().unwrap_or_default().as_bytes());
            }
            if let Some((user, password)) = &proxy.login {
                mask.hide([user.as_bytes(), b":", password.expose()].concat().as_slice());
                mask.hide(password.expose());
            }
        }
    }

    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.tls.fingerprint());
        let mut part = |bytes: &[u8]| Secret::new(bytes).fingerprint(&mut hash);
        if let Some(proxy) = &self.proxy {
            part(proxy.address.expose());
            if let Some((user, password)) = &proxy.login {
                part(user.as_bytes());
                part(password.expose());
            }
        }
        hash.finalize().into()
    }

    /// A client without a timeout of its own, that goes nowhere but where it is sent.
    pub(super) fn client(&self) -> Result<Client, DeliveryError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: reqwest::Error| {
                DeliveryError::later(format!("{what}: {}", chain(&error.without_url())))
            }
        };
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            // As Go writes them: receivers of events have been written against that.
            .http1_title_case_headers()
            .dns_resolver(Names)
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(2)
            .user_agent("sluice");
        if let Some(ca) = &self.tls.ca {
            let ca = Certificate::from_pem_bundle(ca).map_err(failed("'ca.crt' holds no certificates"))?;
            builder = builder.tls_certs_only(ca);
        }
        if let Some((certificate, key)) = &self.tls.identity {
            let pem = [certificate, &b"\n"[..], key.expose()].concat();
            let unusable = |_| DeliveryError::later("'tls.crt' and 'tls.key' cannot be used together".into());
            builder = builder.identity(Identity::from_pem(&pem).map_err(unusable)?);
        }
        if let Some(proxy) = &self.proxy {
            let url = proxy.url().map_err(DeliveryError::later)?;
            let mut through = HttpProxy::all(url).map_err(failed("the proxy cannot be used"))?;
            if let Some((user, password)) = &proxy.login {
                through = through.basic_auth(user, &String::from_utf8_lossy(password.expose()));
            }
            builder = builder.proxy(through);
        }
        builder
            .build()
            .map_err(failed("failed to prepare the connection"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
            .collect()
    }

    /// A proxy would be told all that a tenant puts into headers, and what it answers is told to the tenant.
    #[test]
    fn proxies() {
        const FORBIDDEN: &str =
            "'address': no messages are sent to link-local addresses and metadata services";
        for (pairs, expected) in [
            (&[("address", " http://p:3128\n")][..], Ok("http://p:3128/")),
            (
                &[("address", "socks5://p:1080"), ("username", "me")],
                Ok("socks5h://p:1080"),
            ),
            (
                &[("address", "ftp://p")],
                Err("'address' must be an http, https or socks5 URL"),
            ),
            (
                &[("address", "p:3128")],
                Err("'address' must be an http, https or socks5 URL"),
            ),
            (&[("address", "")], Err("'address' is not a URL")),
            (&[("address", "http://169.254.169.254")], Err(FORBIDDEN)),
            (&[("address", "https://0xa9fea9fe:443/x")], Err(FORBIDDEN)),
            (&[("address", "http://[fd00:ec2::254]")], Err(FORBIDDEN)),
            (&[("address", "socks5://169.254.169.254:1080")], Err(FORBIDDEN)),
            (&[("username", "me")], Err("key 'address' not found")),
        ] {
            let url = Proxy::read(&data(pairs)).and_then(|proxy| proxy.url());
            assert_eq!(url.as_ref().map(Url::as_str).map_err(String::as_str), expected);
        }
    }

    #[test]
    fn certificates() {
        let legacy = Tls::read(&data(&[("caFile", "a"), ("certFile", "b"), ("keyFile", "c")])).unwrap();
        let new = Tls::read(&data(&[
            ("ca.crt", "a"),
            ("tls.crt", "b"),
            ("tls.key", "c"),
            ("caFile", "x"),
        ]))
        .unwrap();
        assert_eq!(legacy, new);
        assert!(Tls::read(&data(&[("tls.crt", "b")])).is_err());
        assert!(Tls::read(&data(&[("tls.key", "b")])).is_err());
        assert!(Tls::read(&data(&[])).unwrap().is_empty());
    }
}
