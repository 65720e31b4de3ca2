//! An HTTP client for one repository: whom it trusts, where it lets itself be sent, and what it says of itself.

use base64::Engine;
use reqwest::header::HeaderValue;
use reqwest::{Client, redirect};
use url::Url;

use crate::git::auth::{Login, Proxy, Tls};

const MAX_REDIRECTS: usize = 10;

/// The value of the `Authorization` header. A GitHub App's token must have been exchanged before.
pub(in crate::git) fn authorization(login: &Login) -> Option<HeaderValue> {
    let text = match login {
        Login::None | Login::GitHubApp(_) => return None,
        Login::Basic { username, password } => {
            let pair = [username.as_bytes(), b":", password.expose()].concat();
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)).into_bytes()
        }
        Login::Bearer(token) => [b"Bearer ", token.expose()].concat(),
    };
    let mut value = HeaderValue::from_bytes(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A client with the given trust. It has no timeout of its own: whoever uses it waits with a deadline.
pub(in crate::git) fn client(
    tls: &Tls,
    proxy: Option<&Proxy>,
    redirects: redirect::Policy,
) -> reqwest::Result<Client> {
    let mut builder = Client::builder().redirect(redirects);
    if let Some(ca) = &tls.ca {
        builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(ca)?);
    }
    if let Some((certificate, key)) = &tls.identity {
        let pem = [certificate, &b"\n"[..], key.expose()].concat();
        builder = builder.identity(reqwest::Identity::from_pem(&pem)?);
    }
    if let Some(Proxy { address, login }) = proxy {
        let mut proxy = reqwest::Proxy::all(address.clone())?;
        if let Some((user, password)) = login {
            proxy = proxy.basic_auth(user, &String::from_utf8_lossy(password.expose()));
        }
        builder = builder.proxy(proxy);
    }
    builder.build()
}

/// Redirects on one host are followed, from https to http never. To another host only if there is no login to lose:
/// an answer from elsewhere is then as good as a URL that names it.
pub(super) fn policy(has_login: bool) -> redirect::Policy {
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
        attempt.follow()
    })
}

#[derive(Debug, thiserror::Error)]
#[error("refused to follow a redirect to '{0}'")]
pub(super) struct RefusedRedirect(pub(super) String);

/// A URL without user, password and fragment, as Go prints it in errors.
pub(in crate::git) fn bare(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else {
        return String::new();
    };
    // Both fail only for URLs that cannot have either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url.to_string()
}

/// The first error of a type among an error and its sources.
pub(super) fn source_of<'a, T: std::error::Error + 'static>(
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
pub(super) fn address(url: &str) -> String {
    let parsed = reqwest::Url::parse(url).ok();
    let parts = parsed
        .as_ref()
        .and_then(|u| u.host_str().zip(u.port_or_known_default()));
    parts
        .map(|(host, port)| format!("{host}:{port}"))
        .unwrap_or_default()
}
