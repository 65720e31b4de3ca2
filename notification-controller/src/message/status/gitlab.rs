//! GitLab (commits API, commit statuses).

use super::{Host, State, Status};
use crate::{
    message::{
        DeliveryError, Request,
        git::{Repository, below},
        text::cut,
    },
    provider::{Secret, Service},
};
use reqwest::Method;
use serde_json::{Value, json};

/// GitLab.
pub const HOST: Host = Host {
    list,
    is_there,
    set,
    misses_commits: true,
};

/// The longest description.
const DESCRIPTION: usize = 255;

fn state(status: &Status) -> &'static str {
    match status.state {
        State::Pending => "pending",
        State::Success => "success",
        State::Failure => "failed",
    }
}

fn list(service: &Service, token: &Secret, status: &Status) -> Result<Request, DeliveryError> {
    let repository = Repository::of(service)?;
    let path = [
        "api",
        "v4",
        "projects",
        &repository.path,
        "repository",
        "commits",
        &status.commit,
        "statuses",
    ];
    let mut url = below(&repository.host, &path);
    url.query_pairs_mut().append_pair("name", &status.id);
    Request::get(url).secret_header("PRIVATE-TOKEN", token.expose())
}

/// Without `all=true`, GitLab lists the latest of each name.
fn is_there(list: &Value, status: &Status) -> bool {
    list.as_array().into_iter().flatten().any(|known| {
        known["sha"] == *status.commit
            && known["name"] == *status.id
            && known["status"] == state(status)
            && known["description"] == cut(&status.words, DESCRIPTION)
    })
}

fn set(service: &Service, token: &Secret, status: &Status) -> Result<Request, DeliveryError> {
    let repository = Repository::of(service)?;
    let url = below(
        &repository.host,
        &[
            "api",
            "v4",
            "projects",
            &repository.path,
            "statuses",
            &status.commit,
        ],
    );
    let body =
        json!({"state": state(status), "name": status.id, "description": cut(&status.words, DESCRIPTION)});
    Request::json(Method::POST, url, &body)?.secret_header("PRIVATE-TOKEN", token.expose())
}
