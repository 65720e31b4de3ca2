//! PURE: does a request come from whom it should, by the rules of its sender: one room a kind of sender.

mod bitbucket;
mod cdevents;
mod gcr;
mod generic_hmac;
mod generic_oidc;
mod github;
mod gitlab;
mod harbor;
mod mac;
mod nexus;
mod registry;

use super::{
    jwt::{Keys, Unverified},
    oidc::Rules,
    secret::Credentials,
};
use crate::json;
use axum::http::{HeaderMap, header};
use crds::notification::{Receiver, ReceiverType};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

/// A request, read in full.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body, as it was sent.
    pub body: &'a [u8],
}

/// Why a request is not acted on. The text is for the log of the operator, and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// A request that comes from whom it should.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// What filters see instead of the body, if that is something else.
    pub payload: Option<Value>,
    /// What the sender's token says.
    pub claims: Map<String, Value>,
    /// The number under which the sender will send it again, if it has such.
    pub delivery: Option<String>,
}

/// The token of a request of a sender that proves itself by one, and whose keys it is to be signed with.
#[derive(Debug)]
pub struct Token {
    /// The token.
    pub token: Unverified,
    /// Who signs.
    pub signer: Signer,
}

/// Who signs tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// Google, for Pub/Sub.
    Google,
    /// An issuer that publishes where its keys are.
    Issuer(String),
}

/// The token to verify before [`check`], for senders that prove themselves by one.
///
/// # Errors
/// When there is none, or none that could be verified.
pub fn token(receiver: &Receiver, request: Request<'_>, now: i64) -> Result<Option<Token>, Refused> {
    let signed_by = |signer: fn(&Unverified, &Receiver) -> Result<Signer, Refused>| {
        let token = Unverified::parse(request.bearer()?)?;
        let signer = signer(&token, receiver)?;
        // What is over anyway is not worth asking for keys.
        token.in_time(now)?;
        Ok(Some(Token { token, signer }))
    };
    match receiver.spec.type_ {
        ReceiverType::Gcr => signed_by(|token, _| gcr::signer(token)),
        ReceiverType::GenericOidc => signed_by(generic_oidc::signer),
        ReceiverType::Generic
        | ReceiverType::GenericHmac
        | ReceiverType::GitHub
        | ReceiverType::GitLab
        | ReceiverType::Bitbucket
        | ReceiverType::Harbor
        | ReceiverType::DockerHub
        | ReceiverType::Quay
        | ReceiverType::Nexus
        | ReceiverType::Acr
        | ReceiverType::CdEvents => Ok(None),
    }
}

/// What a check goes by, besides the request.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// The Receiver's Secret.
    pub credentials: &'a Credentials,
    /// The Receiver's rules for tokens.
    pub rules: &'a [Rules],
    /// The token and the keys of who is to have signed it, where [`token`] gave one.
    pub signed: Option<(&'a Unverified, &'a Keys)>,
    /// The time, in seconds since 1970.
    pub now: i64,
}

/// Checks a request by the rules of a Receiver's type.
///
/// # Errors
/// Why it is refused.
pub fn check(receiver: &Receiver, request: Request<'_>, by: By<'_>) -> Result<Accepted, Refused> {
    let (token, events) = (by.credentials.token(), receiver.spec.events.as_slice());
    match receiver.spec.type_ {
        // Whoever knows the path may ask.
        ReceiverType::Generic => Ok(Accepted::plain()),
        ReceiverType::GenericHmac => generic_hmac::check(request, token),
        ReceiverType::GitHub => github::check(request, token, events),
        ReceiverType::GitLab => gitlab::check(request, token, events),
        ReceiverType::Bitbucket => bitbucket::check(request, token, events),
        ReceiverType::Harbor => harbor::check(request, token),
        ReceiverType::DockerHub => registry::docker_hub(request),
        ReceiverType::Quay => registry::quay(request),
        ReceiverType::Acr => registry::acr(request),
        ReceiverType::Nexus => nexus::check(request, token),
        ReceiverType::CdEvents => cdevents::check(request, events),
        ReceiverType::Gcr => gcr::check(request, by),
        ReceiverType::GenericOidc => generic_oidc::check(receiver, by),
    }
}

impl Accepted {
    fn plain() -> Self {
        Self {
            payload: None,
            claims: Map::new(),
            delivery: None,
        }
    }

    fn delivery(number: Option<&str>) -> Self {
        let delivery = number.filter(|n| !n.is_empty()).map(str::to_owned);
        Self {
            delivery,
            ..Self::plain()
        }
    }
}

impl<'a> Request<'a> {
    /// The value of a header; of several of one name none can be told to be meant.
    fn header(&self, name: &str) -> Result<Option<&'a str>, Refused> {
        let mut values = self.headers.get_all(name).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(Refused(format!("the header {name} is there more than once")));
        }
        let text = value
            .to_str()
            .map_err(|_| Refused(format!("the header {name} is no text")))?;
        Ok(Some(text))
    }

    fn required(&self, name: &str) -> Result<&'a str, Refused> {
        let value = self.header(name)?.filter(|value| !value.is_empty());
        value.ok_or_else(|| Refused(format!("the header {name} is missing")))
    }

    /// The type of the body without parameters, in lower case.
    fn media_type(&self) -> Result<String, Refused> {
        let value = self.header(header::CONTENT_TYPE.as_str())?.unwrap_or_default();
        Ok(value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase())
    }

    /// The token of `Authorization: Bearer …` (RFC 6750).
    fn bearer(&self) -> Result<&'a str, Refused> {
        let value = self.required(header::AUTHORIZATION.as_str())?;
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            Ok(token.trim())
        } else {
            Err(Refused("the header authorization holds no bearer token".into()))
        }
    }

    /// The body as an object of JSON.
    fn object(&self) -> Result<Map<String, Value>, Refused> {
        json::object(self.body).map_err(|error| Refused(error.to_string()))
    }
}

/// Holds that a header's value is the token, in a time that says nothing of where they differ.
fn same(name: &str, value: &str, token: &[u8]) -> Result<(), Refused> {
    if !token.is_empty() && bool::from(value.as_bytes().ct_eq(token)) {
        Ok(())
    } else {
        Err(Refused(format!("the header {name} does not match the token")))
    }
}

/// Holds that an event is among those that are listened to; an empty list has all (Flux).
fn listened(events: &[String], event: &str) -> Result<(), Refused> {
    if events.is_empty() || events.iter().any(|e| e.eq_ignore_ascii_case(event)) {
        return Ok(());
    }
    let event: String = event.chars().take(64).collect();
    Err(Refused(format!("the event {event:?} is none of spec.events")))
}

#[cfg(test)]
mod tests;
