//! PURE: a request to a service, as a value.

use super::DeliveryError;
use crate::provider::{Auth, Secret, Service};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde::Serialize;
use std::fmt;
use url::{Url, form_urlencoded::Serializer};

/// Headers that say where a message begins and ends, and what becomes of its connection (RFC 9112).
const FRAMING: [&str; 8] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request. Debug prints nothing that is secret.
#[derive(Clone)]
pub struct Request {
    /// What to do.
    pub method: Method,
    /// Where. It may hold a key to the service.
    pub url: Url,
    /// Further headers; those that prove who we are are marked as sensitive.
    pub headers: HeaderMap,
    /// What to say.
    pub body: Vec<u8>,
    /// Whether what is said proves who we are.
    pub secret_body: bool,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} to {:?})", self.method, self.url.host_str())
    }
}

impl Request {
    /// A request with JSON in it.
    ///
    /// # Errors
    /// When the body cannot be JSON.
    pub fn json(method: Method, url: Url, body: &impl Serialize) -> Result<Self, DeliveryError> {
        let failed = |error| DeliveryError::never(format!("failed to write the message: {error}"));
        let body = serde_json::to_vec(body).map_err(failed)?;
        Ok(Self {
            method,
            url,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]),
            body,
            secret_body: false,
        })
    }

    /// A form that is posted (URL Standard, `application/x-www-form-urlencoded`).
    pub fn form(url: Url, pairs: &[(&str, &str)]) -> Self {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        Self {
            method: Method::POST,
            url,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, form)]),
            body: Serializer::new(String::new())
                .extend_pairs(pairs)
                .finish()
                .into_bytes(),
            secret_body: false,
        }
    }

    /// A request without a body.
    pub fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: Vec::new(),
            secret_body: false,
        }
    }

    /// Adds a header that is no secret.
    ///
    /// # Errors
    /// A name or value that no header can have.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, DeliveryError> {
        let name = header_name(name)?;
        let value = HeaderValue::from_str(value).map_err(|_| unusable(name.as_str()))?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Adds a header that proves who we are.
    ///
    /// # Errors
    /// A name or value that no header can have.
    pub fn secret_header(mut self, name: &str, value: &[u8]) -> Result<Self, DeliveryError> {
        let name = header_name(name)?;
        let mut value = HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| unusable(name.as_str()))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Adds the headers of the Secret. What frames a message on its connection is not theirs to say, and is left out as Go does.
    ///
    /// # Errors
    /// A name or value that no header can have.
    pub fn headers_of(self, service: &Service) -> Result<Self, DeliveryError> {
        let theirs = service.auth.headers.iter();
        theirs
            .filter(|(name, _)| !FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing)))
            .try_fold(self, |request, (name, value)| {
                request.secret_header(name, value.expose())
            })
    }

    /// `Authorization` with a token (RFC 6750), or with another word before it.
    ///
    /// # Errors
    /// A token that no header can have.
    pub fn authorize(self, scheme: &str, token: &Secret) -> Result<Self, DeliveryError> {
        let value = [scheme.as_bytes(), b" ", token.expose().trim_ascii()].concat();
        self.secret_header(AUTHORIZATION.as_str(), &value)
    }

    /// `Authorization` with a user and a password (RFC 7617).
    ///
    /// # Errors
    /// None: base64 fits into a header.
    pub fn basic(self, user: &str, password: &[u8]) -> Result<Self, DeliveryError> {
        let pair = [user.as_bytes(), b":", password].concat();
        let value = format!("Basic {}", STANDARD.encode(pair));
        self.secret_header(AUTHORIZATION.as_str(), value.as_bytes())
    }

    /// `Authorization` by a login, or else by a token, or neither.
    ///
    /// # Errors
    /// A token that no header can have.
    pub fn by_login_or_token(self, auth: &Auth) -> Result<Self, DeliveryError> {
        match (&auth.login, &auth.token) {
            (Some((user, password)), _) => self.basic(user, password.expose()),
            (None, Some(token)) => self.authorize("Bearer", token),
            (None, None) => Ok(self),
        }
    }

    /// `Authorization` by a token, or else by a login, or neither.
    ///
    /// # Errors
    /// A token that no header can have.
    pub fn by_token_or_login(self, auth: &Auth) -> Result<Self, DeliveryError> {
        match &auth.token {
            Some(token) => self.authorize("Bearer", token),
            None => self.by_login_or_token(auth),
        }
    }

    /// Whether it holds something that must stay with the host that it is for.
    pub fn is_secret(&self) -> bool {
        self.secret_body
            || self.headers.values().any(HeaderValue::is_sensitive)
            || !self.url.username().is_empty()
            || self.url.password().is_some()
    }
}

fn header_name(name: &str) -> Result<HeaderName, DeliveryError> {
    let unusable = |_| DeliveryError::later(format!("'{name}' cannot be the name of a header"));
    HeaderName::from_bytes(name.as_bytes()).map_err(unusable)
}

fn unusable(name: &str) -> DeliveryError {
    DeliveryError::later(format!(
        "the value for the header '{name}' cannot be one: it has several lines or control characters"
    ))
}

/// The address of a service, which must be http or https.
///
/// # Errors
/// When it is missing or no such URL.
pub fn address(service: &Service) -> Result<Url, DeliveryError> {
    let wrong = |what: &str| DeliveryError::later(format!("the address of the Provider {what}"));
    let text = service
        .address
        .text()
        .ok_or_else(|| wrong("is not valid UTF-8"))?;
    if text.is_empty() {
        return Err(wrong("is missing"));
    }
    let url = Url::parse(text).map_err(|_| wrong("is not a URL"))?;
    match matches!(url.scheme(), "http" | "https") && url.has_host() {
        true => Ok(url),
        false => Err(wrong("is not an http or https URL")),
    }
}

/// The token of a service that has to have one.
///
/// # Errors
/// When it is missing.
pub fn token(service: &Service) -> Result<&Secret, DeliveryError> {
    let token = service.auth.token.as_ref();
    token.ok_or_else(|| DeliveryError::later("the Provider's Secret has no 'token'".into()))
}
