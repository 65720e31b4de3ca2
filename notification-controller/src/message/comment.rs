//! A comment on a pull or merge request: one for each object, kept up to date.

use super::{
    DeliveryError, Letter, Request, Sent,
    git::{Repository, below},
    github_api::{api, authorized},
    markdown,
};
use crate::{
    event::CHANGE_REQUEST,
    provider::{Secret, Service, git_token, send, send_up_to},
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

/// The longest comment, in characters: GitHub takes 65,536.
const MOST: usize = 60_000;
/// So much of a list of comments is read, in bytes: a hundred of the longest.
const LIST: usize = 16 << 20;

/// A host of repositories with comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// Its issues have comments.
    GitHub,
    /// Its merge requests have notes.
    GitLab,
    /// Its issues have comments.
    Gitea,
}

/// Writes or replaces the comment on an event's object.
///
/// # Errors
/// What failed, and whether to try again.
pub async fn tell(service: &Service, letter: Letter<'_>, host: Host) -> Result<Sent, DeliveryError> {
    let marker = marker(host, service, letter);
    let body = body(&marker, letter);
    let place = Place::of(host, service, letter)?;
    let access = git_token(service).await?;
    let user = match access.user {
        Some(user) => user,
        None => me(service, &place, &access.token).await?,
    };
    let mut list = place.comments.clone();
    list.set_query(Some(match host {
        Host::GitHub => "per_page=100",
        Host::GitLab => "sort=asc&order_by=created_at&per_page=100",
        Host::Gitea => "limit=100",
    }));
    let list = place.authorized(Request::get(list), &access.token)?;
    let answer = send_up_to(service, &list, LIST).await?;
    if !answer.is_documented() {
        return Err(answer.refused_for_good(service, &list));
    }
    let unreadable = |_| DeliveryError::later("the list of comments cannot be read".into());
    let comments: Vec<Comment> = serde_json::from_slice(&answer.body).map_err(unreadable)?;
    let write = match ours(host, &comments, &user, &marker) {
        Some(id) => Request::json(
            place.replace.clone(),
            below(&place.comment, &[&id.to_string()]),
            &body,
        )?,
        None => Request::json(Method::POST, place.comments.clone(), &body)?,
    };
    let write = place.authorized(write, &access.token)?;
    let answer = send(service, &write).await?;
    match answer.is_documented() {
        true => Ok(Sent::Delivered),
        false => Err(answer.refused_for_good(service, &write)),
    }
}

/// PURE: a comment that bears this mark.
fn body(marker: &str, letter: Letter<'_>) -> Value {
    json!({"body": format!("{marker}\n\n{}", markdown::post(letter.event, MOST))})
}

/// Where comments are.
struct Place {
    host: Host,
    /// Who we are.
    me: Url,
    /// All comments of the request.
    comments: Url,
    /// One of them, by its number below this.
    comment: Url,
    /// What replaces one.
    replace: Method,
}

impl Place {
    fn of(host: Host, service: &Service, letter: Letter<'_>) -> Result<Self, DeliveryError> {
        let number = letter
            .event
            .metadata
            .get(CHANGE_REQUEST)
            .map_or("", String::as_str)
            .trim();
        if number.is_empty() || number.len() > 18 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(DeliveryError::never(format!(
                "'{number}' is no number of a change request"
            )));
        }
        let repository = Repository::of(service)?;
        Ok(match host {
            Host::GitHub | Host::Gitea => {
                let [owner, name] = repository.parts()?;
                let base = match host {
                    Host::GitHub => api(&repository),
                    _ => below(&repository.host, &["api", "v1"]),
                };
                let issues = below(&base, &["repos", owner, name, "issues"]);
                Self {
                    host,
                    me: below(&base, &["user"]),
                    comments: below(&issues, &[number, "comments"]),
                    comment: below(&issues, &["comments"]),
                    replace: Method::PATCH,
                }
            }
            Host::GitLab => {
                let base = below(&repository.host, &["api", "v4"]);
                let notes = below(
                    &base,
                    &["projects", &repository.path, "merge_requests", number, "notes"],
                );
                Self {
                    host,
                    me: below(&base, &["user"]),
                    comment: notes.clone(),
                    comments: notes,
                    replace: Method::PUT,
                }
            }
        })
    }

    fn authorized(&self, request: Request, token: &Secret) -> Result<Request, DeliveryError> {
        match self.host {
            Host::GitHub => authorized(request, token),
            Host::GitLab => request.secret_header("PRIVATE-TOKEN", token.expose()),
            Host::Gitea => request.authorize("token", token),
        }
    }
}

/// The name of the user that the token is of.
async fn me(service: &Service, place: &Place, token: &Secret) -> Result<String, DeliveryError> {
    let request = place.authorized(Request::get(place.me.clone()), token)?;
    let answer = send(service, &request).await?;
    if !answer.is_documented() {
        let mut refused = answer.refused(service, &request);
        refused.message = format!("failed to ask whose token it is: {}", refused.message);
        return Err(refused);
    }
    let user = crate::json::answer(&answer.body).unwrap_or_default();
    let name = match place.host {
        Host::GitHub | Host::Gitea => &user["login"],
        Host::GitLab => &user["username"],
    };
    let unnamed = || DeliveryError::later("the Git host does not say whose token it is".into());
    name.as_str().map(str::to_owned).ok_or_else(unnamed)
}

/// What marks the comment on an object, unseen.
fn marker(host: Host, service: &Service, letter: Letter<'_>) -> String {
    let event = letter.event;
    let key = match host {
        Host::GitHub | Host::Gitea => "flux-pr-comment-key",
        Host::GitLab => "flux-mr-comment-key",
    };
    let about = [&service.uid, event.kind(), event.namespace(), event.name()].join("/");
    format!("<!-- {key}:{about} -->")
}

/// The number of our comment among others. Nobody else's is touched, whatever it says, and none about another object, whose
/// message may hold any marker.
fn ours(host: Host, comments: &[Comment], user: &str, marker: &str) -> Option<u64> {
    let is_ours = |comment: &&Comment| {
        let author = match host {
            Host::GitHub | Host::Gitea => comment.user.as_ref().and_then(|user| user.login.as_deref()),
            Host::GitLab => comment
                .author
                .as_ref()
                .and_then(|author| author.username.as_deref()),
        };
        let body = comment.body.as_deref().unwrap_or_default();
        author == Some(user) && body.starts_with(marker)
    };
    comments.iter().find(is_ours)?.id
}

/// As much of a comment as is needed: what else a host says of it takes no room.
#[derive(Deserialize)]
struct Comment {
    id: Option<u64>,
    body: Option<String>,
    /// At GitHub and Gitea.
    user: Option<Person>,
    /// At GitLab.
    author: Option<Person>,
}

#[derive(Deserialize)]
struct Person {
    /// At GitHub and Gitea.
    login: Option<String>,
    /// At GitLab.
    username: Option<String>,
}

/// What every host is asked for an event.
#[cfg(test)]
pub(super) fn everything(service: &Service, letter: Letter<'_>) -> Vec<Result<Vec<Request>, DeliveryError>> {
    let hosts = [Host::GitHub, Host::GitLab, Host::Gitea];
    let asked = |host| {
        let place = Place::of(host, service, letter)?;
        Ok([place.me, place.comments, place.comment].map(Request::get).into())
    };
    hosts.into_iter().map(asked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Severity,
        message::example::{event, service, with_letter},
    };
    use crds::notification::ProviderType;

    #[test]
    fn the_marker_is_of_the_object() {
        let service = service(
            ProviderType::GitHubPullRequestComment,
            "https://github.com/acme/web",
            "",
            &[],
        );
        let event = event(Severity::Info);
        let found = with_letter(&event, |letter| marker(Host::GitLab, &service, letter));
        let expected =
            "<!-- flux-mr-comment-key:0c9c2e41-d2f9-4f9b-9c41-bebc1984d67a/Kustomization/apps/web -->";
        assert_eq!(found, expected);
    }

    #[test]
    fn the_whole_comment() {
        let mut event = event(Severity::Error);
        event.metadata.insert(CHANGE_REQUEST.into(), "12".into());
        let text = "<!-- m -->\n\n## Flux Status\n\n⚠️ Kustomization/apps/web\n\n```text\n\
                    Health check failed: Deployment/apps/web <not> ready & late\n```\n\n\
                    Metadata:\n* `revision`: main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35\n* `summary`: prod & more\n";
        assert_eq!(
            with_letter(&event, |letter| body("<!-- m -->", letter)),
            json!({"body": text})
        );
    }

    #[test]
    fn only_our_own_comment_is_ours() {
        let comments: Vec<Comment> = serde_json::from_value(json!([
            {"id": 1, "user": {"login": "eve"}, "body": "<!-- m -->"},
            {"id": 2, "user": {"login": "bot"}, "body": "something else"},
            {"id": 6, "user": {"login": "bot"}, "body": "<!-- other -->\n\n<!-- m -->"},
            {"id": 3, "user": {"login": "bot"}, "body": "<!-- m -->\nold"},
            {"id": 4, "user": {"login": "bot"}, "body": "<!-- m -->"},
            {"id": 5, "user": null, "body": null},
        ]))
        .unwrap();
        assert_eq!(ours(Host::GitHub, &comments, "bot", "<!-- m -->"), Some(3));
        assert_eq!(ours(Host::GitHub, &comments, "bot", "<!-- n -->"), None);
    }

    #[test]
    fn numbers_of_requests() {
        let service = service(
            ProviderType::GitHubPullRequestComment,
            "https://github.com/acme/web",
            "",
            &[],
        );
        for (number, is_one) in [
            ("12", true),
            ("", false),
            ("1/2", false),
            ("-1", false),
            ("../3", false),
        ] {
            let mut event = event(Severity::Info);
            event.metadata.insert(CHANGE_REQUEST.into(), number.into());
            let place = with_letter(&event, |letter| Place::of(Host::GitHub, &service, letter));
            assert_eq!(place.is_ok(), is_one, "{number}");
            if let Ok(place) = place {
                assert_eq!(
                    place.comments.as_str(),
                    "https://api.github.com/repos/acme/web/issues/12/comments"
                );
                assert_eq!(
                    place.comment.as_str(),
                    "https://api.github.com/repos/acme/web/issues/comments"
                );
            }
        }
    }
}
