//! Gitea and Forgejo (API v1, commit statuses).

use super::{Host, Status, latest};
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

/// Gitea.
pub const HOST: Host = Host {
    list,
    is_there,
    set,
    // Of a commit that it does not know it says 500.
    misses_commits: false,
};

fn url(service: &Service, status: &Status) -> Result<Url, DeliveryError> {
    let repository = Repository::of(service)?;
    let [owner, name] = repository.parts()?;
    Ok(below(
        &repository.host,
        &["api", "v1", "repos", owner, name, "statuses", &status.commit],
    ))
}

fn list(service: &Service, token: &Secret, status: &Status) -> Result<Request, DeliveryError> {
    let mut url = url(service, status)?;
    url.set_query(Some("page=1&limit=50&sort=recentupdate"));
    Request::get(url).authorize("token", token)
}

fn is_there(list: &Value, status: &Status) -> bool {
    let ours = |known: &Value| known["context"] == *status.id;
    latest(list, ours, |known| {
        known["status"] == status.state.word() && known["description"] == *status.words
    })
}

fn set(service: &Service, token: &Secret, status: &Status) -> Result<Request, DeliveryError> {
    let body = json!({"state": status.state.word(), "context": status.id, "description": status.words, "target_url": ""});
    Request::json(Method::POST, url(service, status)?, &body)?.authorize("token", token)
}
