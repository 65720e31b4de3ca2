//! Bitbucket Cloud (REST API 2.0, commit statuses).

use super::{Host, State, Status};
use crate::{
    message::{
        DeliveryError, Request,
        git::{Repository, below},
    },
    provider::{Secret, Service},
};
use reqwest::Method;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use url::Url;

/// Bitbucket Cloud.
pub const HOST: Host = Host {
    list,
    is_there,
    set,
    misses_commits: true,
};

pub(super) fn state(status: &Status) -> &'static str {
    match status.state {
        State::Pending => "INPROGRESS",
        State::Success => "SUCCESSFUL",
        State::Failure => "FAILED",
    }
}

/// A key has at most 40 characters.
pub(super) fn key(status: &Status) -> String {
    hex::encode(Sha1::digest(&status.id))
}

fn url(service: &Service, status: &Status) -> Result<Url, DeliveryError> {
    let repository = Repository::of(service)?;
    let [owner, name] = repository.parts()?;
    let mut api = repository.host.clone();
    if repository.is_at("bitbucket.org") {
        // The host is one that a URL can have.
        let _ = api.set_host(Some("api.bitbucket.org"));
    }
    Ok(below(
        &api,
        &[
            "2.0",
            "repositories",
            owner,
            name,
            "commit",
            &status.commit,
            "statuses",
            "build",
        ],
    ))
}

/// `user:password`, as Flux has it in the token.
fn authorized(request: Request, token: &Secret) -> Result<Request, DeliveryError> {
    let pair = token.text().and_then(|token| token.split_once(':'));
    let wrong = || DeliveryError::later("the token is not of the form '<user>:<password>'".into());
    let (user, password) = pair
        .filter(|(_, password)| !password.contains(':'))
        .ok_or_else(wrong)?;
    request.basic(user, password.as_bytes())
}

fn list(service: &Service, token: &Secret, status: &Status) -> Result<Request, DeliveryError> {
    authorized(
        Request::get(below(&url(service, status)?, &[&key(status)])),
        token,
    )
}

fn is_there(known: &Value, status: &Status) -> bool {
    known["state"] == state(status) && known["description"] == *status.words
}

fn set(service: &Service, token: &Secret, status: &Status) -> Result<Request, DeliveryError> {
    let body = json!({
        "state": state(status),
        "key": key(status),
        "name": status.name,
        "description": status.words,
        "url": "https://bitbucket.org",
    });
    authorized(Request::json(Method::POST, url(service, status)?, &body)?, token)
}
