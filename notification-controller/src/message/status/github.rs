//! GitHub (REST API, commit statuses).

use super::{Host, Status, latest};
use crate::{
    message::{
        DeliveryError, Request,
        git::{Repository, below},
        github_api::{api, authorized},
        text::cut,
    },
    provider::{Secret, Service},
};
use reqwest::Method;
use serde_json::{Value, json};

/// GitHub.
pub const HOST: Host = Host {
    list,
    is_there,
    set,
    // Of a commit that it does not know it says 422.
    misses_commits: false,
};

/// The longest description.
const DESCRIPTION: usize = 140;

fn list(service: &Service, token: &Secret, status: &Status) -> Result<Request, DeliveryError> {
    let repository = Repository::of(service)?;
    let [owner, name] = repository.parts()?;
    let mut url = below(
        &api(&repository),
        &["repos", owner, name, "commits", &status.commit, "statuses"],
    );
    url.set_query(Some("per_page=50"));
    authorized(Request::get(url), token)
}

fn is_there(list: &Value, status: &Status) -> bool {
    let ours = |known: &Value| known["context"] == *status.id;
    latest(list, ours, |known| {
        known["state"] == status.state.word() && known["description"] == cut(&status.words, DESCRIPTION)
    })
}

fn set(service: &Service, token: &Secret, status: &Status) -> Result<Request, DeliveryError> {
    let repository = Repository::of(service)?;
    let [owner, name] = repository.parts()?;
    let url = below(
        &api(&repository),
        &["repos", owner, name, "statuses", &status.commit],
    );
    let body = json!({"state": status.state.word(), "context": status.id, "description": cut(&status.words, DESCRIPTION)});
    authorized(Request::json(Method::POST, url, &body)?, token)
}
