//! PURE: GitHub's REST API: where it is, how one logs in, and the event for workflows (Flux provider type `githubdispatch`).

use super::{
    DeliveryError, Letter, Request,
    git::{Repository, below},
    text::cut,
};
use crate::provider::{Secret, Service};
use reqwest::Method;
use serde_json::json;
use url::Url;

/// The API of a repository's host: that of github.com has a host of its own.
pub fn api(repository: &Repository) -> Url {
    let mut url = repository.host.clone();
    match repository.is_at("github.com") {
        // The host is one that a URL can have.
        true => drop(url.set_host(Some("api.github.com"))),
        false => url.set_path("/api/v3"),
    }
    url
}

/// A request as GitHub wants it.
///
/// # Errors
/// A token that no header can have.
pub fn authorized(request: Request, token: &Secret) -> Result<Request, DeliveryError> {
    request
        .header("Accept", "application/vnd.github+json")?
        .header("X-GitHub-Api-Version", "2022-11-28")?
        .authorize("Bearer", token)
}

/// A `repository_dispatch` with the event.
///
/// # Errors
/// An address that is none of a repository.
pub fn dispatch(service: &Service, token: &Secret, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let event = letter.event;
    let repository = Repository::of(service)?;
    let [owner, name] = repository.parts()?;
    let url = below(&api(&repository), &["repos", owner, name, "dispatches"]);
    let kind = format!("{}/{}.{}", event.kind(), event.name(), event.namespace());
    let body = json!({"event_type": cut(&kind, 100), "client_payload": event});
    authorized(Request::json(Method::POST, url, &body)?, token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Severity,
        message::example::{body, event, service, with_letter},
    };
    use crds::notification::ProviderType;

    #[test]
    fn a_dispatch() {
        let of = |address: &str| {
            let service = service(ProviderType::GitHubDispatch, address, "", &[]);
            let token = Secret::new("t");
            with_letter(&event(Severity::Info), |letter| {
                dispatch(&service, &token, letter)
            })
        };
        let request = of("https://github.com/acme/web").unwrap();
        assert_eq!(
            request.url.as_str(),
            "https://api.github.com/repos/acme/web/dispatches"
        );
        assert_eq!(body(&request)["event_type"], "Kustomization/web.apps");
        assert_eq!(
            body(&request)["client_payload"]["reason"],
            "ReconciliationSucceeded"
        );
        let request = of("ssh://git@ghe.example/acme/web.git").unwrap();
        assert_eq!(
            request.url.as_str(),
            "https://ghe.example/api/v3/repos/acme/web/dispatches"
        );
        assert!(of("https://github.com/acme").is_err());
    }
}
