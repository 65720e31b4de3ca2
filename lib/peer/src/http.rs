//! HTTP as sources and identities speak it: whom to trust, through which proxy, and where to let oneself be sent.

mod pace;
mod proxy;
mod roam;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Client, ClientBuilder, StatusCode,
    header::{HeaderValue, RETRY_AFTER},
    redirect,
};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use sha2::Sha256;
use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};
use url::Url;

use crate::secret::{Credentials, Secret};
pub use pace::{Pace, TooSlow};
pub use proxy::{Proxy, ProxyError};
pub use roam::{at_home, send};

const MAX_REDIRECTS: usize = 10;
/// How long until an address answers at all.
const CONNECT: Duration = Duration::from_secs(15);
/// A connection on which nothing comes for so long is given up, however long its user would wait.
const IDLE: Duration = Duration::from_secs(300);
/// No peer is left alone for longer than this, whatever it asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// TLS material in PEM.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Certificates to trust besides the system's: `ca.crt`, or `caFile` if there is no `ca.crt`.
    pub ca: Option<Vec<u8>>,
    /// `tls.crt` and `tls.key`.
    pub identity: Option<(Vec<u8>, Secret)>,
}

/// Why the certificates of a Secret cannot be used, in Flux's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// There are none.
    #[error("secret '{0}' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'")]
    None(String),
    /// A certificate without its key, or the other way round.
    #[error("secret '{0}' contains '{1}' but missing '{2}'")]
    Half(String, &'static str, &'static str),
    /// What should be trusted is no certificate.
    #[error("failed to parse CA certificate")]
    Authority,
    /// Certificate and key are none.
    #[error("failed to parse TLS certificate and key of secret '{0}'")]
    Identity(String),
}

impl Tls {
    /// Reads `ca.crt` (or `caFile`), and `tls.crt` with `tls.key`.
    pub fn from_secret(secret: Credentials<'_>) -> Tls {
        let value = |key: &str| secret.data.get(key).filter(|value| !value.is_empty()).cloned();
        Tls {
            ca: value("ca.crt").or_else(|| value("caFile")),
            identity: value("tls.crt").zip(value("tls.key").map(Secret::new)),
        }
    }

    /// Reads the certificates of a Secret under these keys or those before them (`caFile`, `certFile`, `keyFile`), and checks
    /// that they can be used; nothing if there are none.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn some(secret: Credentials<'_>) -> Result<Option<Tls>, TlsError> {
        let value = |keys: [&str; 2]| {
            let found = keys.iter().find_map(|key| secret.data.get(*key));
            found.filter(|value| !value.is_empty()).cloned()
        };
        let name = || secret.name.to_owned();
        let certificate = value(["tls.crt", "certFile"]);
        let identity = match (certificate, value(["tls.key", "keyFile"])) {
            (Some(certificate), Some(key)) => Some((certificate, Secret::new(key))),
            (Some(_), None) => return Err(TlsError::Half(name(), "tls.crt", "tls.key")),
            (None, Some(_)) => return Err(TlsError::Half(name(), "tls.key", "tls.crt")),
            (None, None) => None,
        };
        let ca = value(["ca.crt", "caFile"]);
        let parsed = ca.as_deref().map(reqwest::Certificate::from_pem_bundle);
        if parsed.is_some_and(|parsed| parsed.map_or(true, |found| found.is_empty())) {
            return Err(TlsError::Authority);
        }
        if let Some((certificate, key)) = &identity {
            // What the parser says may have words of the key in it.
            if !fit(certificate, key.expose()) {
                return Err(TlsError::Identity(name()));
            }
        }
        Ok((ca.is_some() || identity.is_some()).then_some(Tls { ca, identity }))
    }

    /// As [`Tls::some`], of a Secret that is there for nothing else.
    ///
    /// # Errors
    /// As there; also when there are none.
    pub fn checked(secret: Credentials<'_>) -> Result<Tls, TlsError> {
        Tls::some(secret)?.ok_or_else(|| TlsError::None(secret.name.to_owned()))
    }

    /// Equal for equal material.
    pub fn fingerprint(&self, into: &mut Sha256) {
        Secret::new(self.ca.clone().unwrap_or_default()).fingerprint(into);
        if let Some((certificate, key)) = &self.identity {
            Secret::new(certificate.clone()).fingerprint(into);
            key.fingerprint(into);
        }
    }
}

/// Whether these are a certificate and its key.
fn fit(certificate: &[u8], key: &[u8]) -> bool {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let (Ok(chain), Ok(key)) = (chain, PrivateKeyDer::from_pem_slice(key)) else {
        return false;
    };
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).is_ok()
}

/// The value of `Authorization` for a name and a password (RFC 7617).
pub fn basic(username: &str, password: &Secret) -> Option<HeaderValue> {
    let pair = [username.as_bytes(), b":", password.expose()].concat();
    sensitive(format!("Basic {}", STANDARD.encode(pair)).as_bytes())
}

/// The value of `Authorization` for a token (RFC 6750).
pub fn bearer(token: &[u8]) -> Option<HeaderValue> {
    sensitive(&[b"Bearer ", token.trim_ascii()].concat())
}

fn sensitive(text: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A client with the given trust. It gives up on silence; for the whole of an answer whoever uses it waits with a deadline.
pub fn client(tls: &Tls, proxy: Option<&Proxy>, redirects: redirect::Policy) -> reqwest::Result<Client> {
    builder(tls, proxy)?.redirect(redirects).build()
}

/// As [`client`], for whoever has more to say of it.
pub fn builder(tls: &Tls, proxy: Option<&Proxy>) -> reqwest::Result<ClientBuilder> {
    let mut builder = Client::builder().connect_timeout(CONNECT).read_timeout(IDLE);
    if let Some(ca) = &tls.ca {
        builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(ca)?);
    }
    if let Some((certificate, key)) = &tls.identity {
        let pem = [certificate, &b"\n"[..], key.expose()].concat();
        builder = builder.identity(reqwest::Identity::from_pem(&pem)?);
    }
    if tls.ca.is_some() || tls.identity.is_some() {
        // Who has certificates of its own may want to see ours. Why it closes a connection is heard over HTTP/1.1 alone.
        builder = builder.http1_only();
    }
    if let Some(proxy) = proxy {
        builder = builder.proxy(proxy.with_login(reqwest::Proxy::all(proxy.url())?));
    }
    Ok(builder)
}

/// Redirects on one host are followed, from https to http never. To another host only if there is no login to lose:
/// an answer from elsewhere is then as good as a URL that names it.
pub fn policy(has_login: bool) -> redirect::Policy {
    policy_telling(has_login, |_, _| {})
}

/// As [`policy`]; `followed` is told the status of each redirect that is followed, and whether it stays on its host.
pub fn policy_telling(
    has_login: bool,
    followed: impl Fn(StatusCode, bool) + Send + Sync + 'static,
) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        let Some(from) = attempt.previous().last() else {
            return attempt.stop();
        };
        let to = attempt.url();
        let downgrade = from.scheme() == "https" && to.scheme() != "https";
        let upgrade = from.scheme() == "http" && to.scheme() == "https";
        let same_host = from.host_str() == to.host_str()
            && (from.port_or_known_default() == to.port_or_known_default()
                || (upgrade && from.port().is_none() && to.port().is_none()));
        if downgrade || (has_login && !same_host) || attempt.previous().len() > MAX_REDIRECTS {
            let host = to.host_str().unwrap_or_default().to_owned();
            return attempt.error(RefusedRedirect(host));
        }
        followed(attempt.status(), same_host);
        attempt.follow()
    })
}

/// A redirect that is not followed, and the host that it leads to.
#[derive(Debug, thiserror::Error)]
#[error("refused to follow a redirect to '{0}'")]
pub struct RefusedRedirect(pub String);

/// How long a peer asks to be left alone: `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3), but an hour at most.
pub fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    pause(answer.headers().get(RETRY_AFTER)?, SystemTime::now())
}

fn pause(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let seconds = || Some(Duration::from_secs(text.parse().ok()?));
    let date = || httpdate::parse_http_date(text).ok()?.duration_since(now).ok();
    Some(seconds().or_else(date)?.min(LONGEST_PAUSE))
}

/// A URL without user, password and fragment, as Go prints it in errors.
pub fn bare(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else {
        return String::new();
    };
    // Both fail only for URLs that cannot have either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url.to_string()
}

/// A URL for people: as it is written, unless there is a login in it.
pub fn shown(url: &str) -> Cow<'_, str> {
    match url.contains('@') {
        true => Cow::Owned(bare(url)),
        false => Cow::Borrowed(url),
    }
}

/// The first error of a type among an error and its sources.
pub fn source_of<'a, T: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The host and port that a URL leads to.
pub fn address(url: &str) -> String {
    let parsed = reqwest::Url::parse(url).ok();
    let parts = parsed
        .as_ref()
        .and_then(|u| u.host_str().zip(u.port_or_known_default()));
    parts
        .map(|(host, port)| format!("{host}:{port}"))
        .unwrap_or_default()
}

/// A URL without its query: it may hold a login.
pub fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    bare(url.as_str())
}

/// A text whose URLs have no queries.
pub fn without_queries(text: &str) -> String {
    let plain = |word: &str| {
        let at = word.find("http://").or_else(|| word.find("https://"));
        let query = at.and_then(|at| Some(at + word[at..].find('?')?));
        query.map_or(word, |query| &word[..query]).to_owned()
    };
    let words: Vec<String> = text.split(' ').map(plain).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_not_told() {
        assert_eq!(shown("http://h:1"), "http://h:1");
        assert_eq!(shown("http://me:secret@h:1/a"), "http://h:1/a");
    }

    #[test]
    fn half_a_certificate_is_none() {
        let read = |keys: &[(&str, &str)]| {
            let data = keys
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
                .collect();
            let secret = Credentials {
                name: "ns/s",
                data: &data,
            };
            Tls::checked(secret).map(drop).map_err(|error| error.to_string())
        };
        for (keys, expected) in [
            (
                vec![("tls.crt", "x")],
                "secret 'ns/s' contains 'tls.crt' but missing 'tls.key'",
            ),
            (
                vec![("keyFile", "x")],
                "secret 'ns/s' contains 'tls.key' but missing 'tls.crt'",
            ),
            (
                vec![("other", "x"), ("ca.crt", "")],
                "secret 'ns/s' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'",
            ),
            (vec![("caFile", "x")], "failed to parse CA certificate"),
            (
                vec![("certFile", "canary"), ("keyFile", "canary")],
                "failed to parse TLS certificate and key of secret 'ns/s'",
            ),
        ] {
            assert_eq!(read(&keys), Err(expected.to_owned()));
        }
    }

    #[test]
    fn pauses_end() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let date = |seconds| httpdate::fmt_http_date(now + Duration::from_secs(seconds));
        for (text, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("3601", Some(3600)),
            ("18446744073709551615", Some(3600)),
            (date(90).as_str(), Some(90)),
            (date(7200).as_str(), Some(3600)),
            ("Wed, 01 Jan 1997 00:00:00 GMT", None),
            ("-1", None),
            ("soon", None),
        ] {
            let found = pause(&HeaderValue::from_str(text).unwrap(), now);
            assert_eq!(found, expected.map(Duration::from_secs), "{text}");
        }
    }
}
