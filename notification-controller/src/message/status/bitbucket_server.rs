//! Bitbucket Server and Data Center (REST API, build statuses).

use super::{
    Host, Status,
    bitbucket::{key, state},
};
use crate::{
    message::{DeliveryError, Request, git::below, request::address},
    provider::{Secret, Service},
};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

/// Bitbucket Server.
pub const HOST: Host = Host {
    list,
    is_there,
    set,
    misses_commits: true,
};

/// What parts the path of the server from that of the repository.
const SCM: &str = "/scm/";

fn url(service: &Service, status: &Status) -> Result<Url, DeliveryError> {
    let mut url = address(service)?;
    let wrong = || {
        let message =
            "the address of the Provider is not of the form 'https://host/scm/<project>/<repository>.git'";
        DeliveryError::later(message.into())
    };
    let path = url.path().trim_end_matches('/').to_owned();
    let path = path.strip_suffix(".git").unwrap_or(&path);
    let (context, repository) = path.rsplit_once(SCM).ok_or_else(wrong)?;
    let (project, name) = repository
        .split_once('/')
        .filter(|(_, name)| !name.contains('/'))
        .ok_or_else(wrong)?;
    url.set_username("")
        .and(url.set_password(None))
        .map_err(|()| wrong())?;
    url.set_path(context);
    url.set_query(None);
    Ok(below(
        &url,
        &[
            "rest",
            "api",
            "latest",
            "projects",
            project,
            "repos",
            name,
            "commits",
            &status.commit,
            "builds",
        ],
    ))
}

fn authorized(request: Request, service: &Service) -> Result<Request, DeliveryError> {
    request
        .header("X-Atlassian-Token", "no-check")?
        .header("X-Requested-With", "XMLHttpRequest")?
        .by_token_or_login(&service.auth)
}

/// What people see is the name.
fn name(status: &Status) -> String {
    format!("{} [{}]", status.name, status.words)
}

fn list(service: &Service, _: &Secret, status: &Status) -> Result<Request, DeliveryError> {
    let mut url = url(service, status)?;
    url.query_pairs_mut().append_pair("key", &key(status));
    authorized(Request::get(url), service)
}

fn is_there(known: &Value, status: &Status) -> bool {
    known["key"] == key(status)
        && known["state"] == state(status)
        && known["description"] == *status.words
        && known["name"] == name(status)
}

fn set(service: &Service, _: &Secret, status: &Status) -> Result<Request, DeliveryError> {
    let mut shown = address(service)?;
    // Neither can fail for a URL that has a host.
    let _ = shown.set_username("").and(shown.set_password(None));
    let body = json!({
        "key": key(status),
        "state": state(status),
        "url": shown.as_str(),
        "name": name(status),
        "description": status.words,
    });
    authorized(
        Request::json(Method::POST, url(service, status)?, &body)?,
        service,
    )
}
