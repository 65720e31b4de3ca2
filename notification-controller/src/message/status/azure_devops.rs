//! Azure DevOps (Git REST API, statuses).

use super::{Host, State, Status, latest};
use crate::{
    message::{
        DeliveryError, Request,
        git::{Repository, below},
    },
    provider::{Secret, Service},
};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

/// Azure DevOps.
pub const HOST: Host = Host {
    list,
    is_there,
    set,
    misses_commits: true,
};

fn state(status: &Status) -> &'static str {
    match status.state {
        State::Pending => "pending",
        State::Success => "succeeded",
        State::Failure => "error",
    }
}

/// The group that a status is of: alerts with a summary have one each.
fn genre(status: &Status) -> String {
    match &status.summary {
        Some(summary) => format!("fluxcd:{summary}"),
        None => "fluxcd".into(),
    }
}

fn url(service: &Service, status: &Status, query: &str) -> Result<Url, DeliveryError> {
    let repository = Repository::of(service)?;
    let [organisation, project, _git, name] = repository.parts()?;
    // What a URL has escaped already would be escaped twice.
    let plain = |part: &str| {
        percent_encoding::percent_decode_str(part)
            .decode_utf8_lossy()
            .into_owned()
    };
    let (project, name) = (plain(project), plain(name));
    let path = [
        organisation,
        &project,
        "_apis",
        "git",
        "repositories",
        &name,
        "commits",
        &status.commit,
        "statuses",
    ];
    let mut url = below(&repository.host, &path);
    url.set_query(Some(query));
    Ok(url)
}

/// Keeps the service from answering with a page to sign in at (as its own clients do).
const SUPPRESS: &str = "X-TFS-FedAuthRedirect";

/// A token of one's own is a password there; that of an identity is not.
fn authorized(request: Request, service: &Service, token: &Secret) -> Result<Request, DeliveryError> {
    let request = request.header(SUPPRESS, "Suppress")?;
    match service.auth.git() {
        Some(_) => request.basic("", token.expose().trim_ascii()),
        None => request.authorize("Bearer", token),
    }
}

fn list(service: &Service, token: &Secret, status: &Status) -> Result<Request, DeliveryError> {
    let url = url(service, status, "latestOnly=true&api-version=7.1")?;
    authorized(Request::get(url), service, token)
}

fn is_there(answer: &Value, status: &Status) -> bool {
    let ours =
        |known: &Value| known["context"]["name"] == *status.id && known["context"]["genre"] == genre(status);
    let says = |known: &Value| known["state"] == state(status) && known["description"] == *status.words;
    latest(&answer["value"], ours, says)
}

fn set(service: &Service, token: &Secret, status: &Status) -> Result<Request, DeliveryError> {
    let url = url(service, status, "api-version=7.1")?;
    let body = json!({
        "state": state(status),
        "description": status.words,
        "context": {"name": status.id, "genre": genre(status)},
    });
    authorized(Request::json(Method::POST, url, &body)?, service, token)
}
