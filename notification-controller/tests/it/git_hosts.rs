//! Commits get their status, and change requests their one comment, at hosts that the tests play.

use crate::{
    deliver::{Pairs, data, event, service, spec, tell, with_secret},
    sink::{Reply, Seen, Sink},
};
use crds::notification::ProviderType;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use notification_controller::{
    event::Severity,
    message::{Again, Sent},
    provider::Held,
};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const SHA: &str = "221a93568e4c3e453a2bbde6b488ce3606e39b35";

fn json_reply(status: &str, body: &Value) -> Reply {
    Reply::Text(
        format!("{status}\r\ncontent-type: application/json"),
        body.to_string().into_bytes(),
    )
}

fn line(seen: &Seen) -> &str {
    seen.head.lines().next().unwrap().trim_end_matches(" HTTP/1.1")
}

/// A host whose list of statuses is what the test puts there.
async fn host(list: &Arc<Mutex<Option<Value>>>) -> Sink {
    let list = list.clone();
    Sink::start(
        move |seen| match (seen.head.starts_with("GET"), &*list.lock().unwrap()) {
            (true, None) => Reply::status("404 Not Found"),
            (true, Some(list)) => json_reply("200 OK", list),
            (false, _) => json_reply("201 Created", &json!({})),
        },
    )
    .await
}

struct Case {
    kind: ProviderType,
    address: &'static str,
    secret: Pairs<'static>,
    list: &'static str,
    set: &'static str,
    authorization: &'static str,
    body: Value,
    /// What the host lists when it has the status.
    listed: Value,
}

fn cases() -> Vec<Case> {
    let id = "kustomization/web/0c9c2e41";
    let key = hex::encode(<sha1::Sha1 as sha1::Digest>::digest(id));
    let words = "health check failed";
    vec![
        Case {
            kind: ProviderType::GitHub,
            address: "/acme/web",
            secret: &[("token", "t0ken")],
            list: "GET /api/v3/repos/acme/web/commits/SHA/statuses?per_page=50",
            set: "POST /api/v3/repos/acme/web/statuses/SHA",
            authorization: "authorization: Bearer t0ken",
            body: json!({"state": "failure", "context": id, "description": words}),
            listed: json!([
                {"context": "other", "state": "success", "description": "x"},
                {"context": id, "state": "failure", "description": words},
                {"context": id, "state": "success", "description": "older"},
            ]),
        },
        Case {
            kind: ProviderType::GitLab,
            address: "/group/sub/web.git",
            secret: &[("token", "t0ken")],
            list: "GET /api/v4/projects/group%2Fsub%2Fweb/repository/commits/SHA/statuses?name=kustomization%2Fweb%2F0c9c2e41",
            set: "POST /api/v4/projects/group%2Fsub%2Fweb/statuses/SHA",
            authorization: "private-token: t0ken",
            body: json!({"state": "failed", "name": id, "description": words}),
            listed: json!([{"sha": SHA, "name": id, "status": "failed", "description": words}]),
        },
        Case {
            kind: ProviderType::Gitea,
            address: "/acme/web",
            secret: &[("username", "me"), ("password", "t0ken")],
            list: "GET /api/v1/repos/acme/web/statuses/SHA?page=1&limit=50&sort=recentupdate",
            set: "POST /api/v1/repos/acme/web/statuses/SHA",
            authorization: "authorization: token t0ken",
            body: json!({"state": "failure", "context": id, "description": words, "target_url": ""}),
            listed: json!([{"context": id, "status": "failure", "description": words}]),
        },
        Case {
            kind: ProviderType::Bitbucket,
            address: "/acme/web",
            secret: &[("token", "me:pass")],
            list: "GET /2.0/repositories/acme/web/commit/SHA/statuses/build/KEY",
            set: "POST /2.0/repositories/acme/web/commit/SHA/statuses/build",
            authorization: "authorization: Basic bWU6cGFzcw==",
            body: json!({"state": "FAILED", "key": key, "name": "kustomization/web", "description": words,
                         "url": "https://bitbucket.org"}),
            listed: json!({"state": "FAILED", "key": key, "description": words}),
        },
        Case {
            kind: ProviderType::BitbucketServer,
            address: "/ctx/scm/proj/web.git",
            secret: &[("token", "t0ken")],
            list: "GET /ctx/rest/api/latest/projects/proj/repos/web/commits/SHA/builds?key=KEY",
            set: "POST /ctx/rest/api/latest/projects/proj/repos/web/commits/SHA/builds",
            authorization: "authorization: Bearer t0ken",
            body: json!({"key": key, "state": "FAILED", "url": "URL", "name": "kustomization/web [health check failed]",
                         "description": words}),
            listed: json!({"key": key, "state": "FAILED", "description": words,
                           "name": "kustomization/web [health check failed]"}),
        },
        Case {
            kind: ProviderType::AzureDevOps,
            address: "/org/my%20proj/_git/web",
            secret: &[("token", "t0ken")],
            list: "GET /org/my%20proj/_apis/git/repositories/web/commits/SHA/statuses?latestOnly=true&api-version=7.1",
            set: "POST /org/my%20proj/_apis/git/repositories/web/commits/SHA/statuses?api-version=7.1",
            authorization: "authorization: Basic OnQwa2Vu",
            body: json!({"state": "error", "description": words, "context": {"name": id, "genre": "fluxcd"}}),
            listed: json!({"value": [{"state": "error", "description": words, "context": {"name": id, "genre": "fluxcd"}}]}),
        },
    ]
}

#[tokio::test]
async fn a_status_is_set_once() {
    for case in cases() {
        let list = Arc::new(Mutex::new(None));
        let host = host(&list).await;
        let url = host.url(case.address);
        let service = with_secret(case.kind, &url, case.secret);
        let key = hex::encode(<sha1::Sha1 as sha1::Digest>::digest("kustomization/web/0c9c2e41"));
        let filled = |text: &str| text.replace("SHA", SHA).replace("KEY", &key).replace("URL", &url);

        assert_eq!(
            tell(&service, &event()).await,
            Ok(Sent::Delivered),
            "{}",
            case.set
        );
        let seen = host.seen();
        assert_eq!(
            (line(&seen[0]), line(&seen[1])),
            (filled(case.list).as_str(), filled(case.set).as_str())
        );
        for request in &seen {
            assert!(
                request.head.contains(&format!("{}\n", case.authorization)),
                "{}",
                request.head
            );
        }
        let body: Value = serde_json::from_str(&seen[1].body).unwrap();
        assert_eq!(body.to_string(), filled(&case.body.to_string()));

        *list.lock().unwrap() = Some(case.listed);
        let again = tell(&service, &event()).await;
        assert!(matches!(again, Ok(Sent::Skipped(_))), "{}: {again:?}", case.set);
        assert_eq!(host.seen().len(), 3);
        let mut better = event();
        better.severity = Severity::Info;
        better.metadata.insert("commit_status".into(), "update".into());
        assert_eq!(tell(&service, &better).await, Ok(Sent::Delivered), "{}", case.set);
    }
}

#[tokio::test]
async fn a_status_has_the_name_that_an_expression_yields() {
    let host = Sink::start(|seen| match seen.head.starts_with("GET") {
        true => json_reply("200 OK", &json!([])),
        false => json_reply("201 Created", &json!({})),
    })
    .await;
    let mut spec = spec(ProviderType::GitHub, &host.url("/acme/web"));
    spec.commit_status_expr = Some("event.involvedObject.name + '/' + alert.metadata.name".into());
    let held = Held {
        auth: Some(data(&[("token", "t")])),
        ..Held::default()
    };
    assert_eq!(tell(&service(spec, held), &event()).await, Ok(Sent::Delivered));
    let body: Value = serde_json::from_str(&host.seen()[1].body).unwrap();
    assert_eq!(body["context"], "web/alert");
}

#[tokio::test]
async fn events_that_are_none_for_a_status() {
    let list = Arc::new(Mutex::new(Some(json!([]))));
    let host = host(&list).await;
    let github = with_secret(ProviderType::GitHub, &host.url("/acme/web"), &[("token", "t")]);
    let gitea = with_secret(ProviderType::Gitea, &host.url("/acme/web"), &[("token", "t")]);
    let slack = with_secret(ProviderType::Slack, &host.url("/hook"), &[]);
    let mut info = event();
    info.severity = Severity::Info;
    assert!(matches!(tell(&github, &info).await, Ok(Sent::Skipped(_))));
    info.metadata.insert("commit".into(), SHA.into());
    assert_eq!(tell(&github, &info).await, Ok(Sent::Delivered));
    info.reason = "Progressing".into();
    assert!(matches!(tell(&github, &info).await, Ok(Sent::Skipped(_))));
    assert_eq!(tell(&gitea, &info).await, Ok(Sent::Delivered));
    assert!(host.seen().last().unwrap().body.contains("\"pending\""));
    info.metadata.insert("commit_status".into(), "update".into());
    assert!(matches!(tell(&slack, &info).await, Ok(Sent::Skipped(_))));
    // A commit that the host does not know keeps no others waiting; a token that may not, or a wrong repository, can be put
    // right.
    for (kind, path, answer, again) in [
        (
            ProviderType::GitHub,
            "/acme/web",
            "422 No commit found",
            Again::Never,
        ),
        (ProviderType::GitHub, "/acme/web", "404 Not Found", Again::Later),
        (ProviderType::Gitea, "/acme/web", "404 Not Found", Again::Later),
        (
            ProviderType::GitLab,
            "/acme/web",
            "404 Commit Not Found",
            Again::Never,
        ),
        (
            ProviderType::AzureDevOps,
            "/o/p/_git/web",
            "404 Not Found",
            Again::Never,
        ),
    ] {
        let unknown = Sink::start(move |seen| match seen.head.starts_with("GET") {
            true => Reply::status("404 Not Found"),
            false => Reply::status(answer),
        })
        .await;
        let service = with_secret(kind, &unknown.url(path), &[("token", "t")]);
        let outcome = tell(&service, &event()).await;
        assert_eq!(outcome.unwrap_err().again, again, "{answer} of {kind:?}");
    }
    let mut chart = event();
    chart.metadata.insert("revision".into(), "6.5.0".into());
    assert_eq!(tell(&github, &chart).await.unwrap_err().again, Again::Never);
}

/// Azure DevOps answers so who has a token that is wrong or has expired.
#[tokio::test]
async fn a_page_to_sign_in_at_takes_no_status() {
    for status in ["203 Non-Authoritative Information", "200 OK", "202 Accepted"] {
        for first in [true, false] {
            let host = Sink::start(move |seen| match seen.head.starts_with("GET") && !first {
                true => json_reply("200 OK", &json!({"value": []})),
                false => Reply::Text(
                    status.into(),
                    b"\r\n<!DOCTYPE html><title>Sign In</title>".to_vec(),
                ),
            })
            .await;
            let address = host.url("/org/project/_git/web");
            let service = with_secret(ProviderType::AzureDevOps, &address, &[("token", "expired")]);
            let refused = tell(&service, &event()).await.unwrap_err();
            assert!(refused.message.contains("login was refused"), "{refused}");
            assert_eq!(refused.again, Again::Later, "{status}");
            let seen = host.seen();
            assert_eq!(seen.len(), if first { 1 } else { 2 });
            let suppresses = |seen: &Seen| seen.head.contains("x-tfs-fedauthredirect: Suppress\n");
            assert!(seen.iter().all(suppresses), "{seen:?}");
        }
    }
}

#[tokio::test]
async fn a_github_app_gets_a_token_and_keeps_it() {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let public = key.public_key_pem();
    let mark = "<!-- flux-pr-comment-key:0c9c2e41-d2f9-4f9b-9c41-bebc1984d67a/Kustomization/apps/web -->";
    let host = Sink::start(move |seen| {
        let bearer = seen
            .head
            .lines()
            .find_map(|line| line.strip_prefix("authorization: Bearer "))
            .unwrap();
        let is_app = || {
            let mut rules = Validation::new(Algorithm::RS256);
            rules.set_issuer(&["42"]);
            let key = DecodingKey::from_rsa_pem(public.as_bytes()).unwrap();
            decode::<Value>(bearer, &key, &rules).is_ok()
        };
        match line(seen) {
            "GET /api/v3/orgs/acme/installation" if is_app() => Reply::status("404 Not Found"),
            "GET /api/v3/users/acme/installation" if is_app() => json_reply("200 OK", &json!({"id": 7})),
            "POST /api/v3/app/installations/7/access_tokens" if is_app() => json_reply(
                "201 Created",
                &json!({"token": "ghs_1", "expires_at": "2999-01-01T00:00:00Z"}),
            ),
            "GET /api/v3/app" if is_app() => json_reply("200 OK", &json!({"slug": "flux"})),
            "POST /api/v3/repos/acme/web/dispatches" if bearer == "ghs_1" => Reply::status("204 No Content"),
            "GET /api/v3/repos/acme/web/issues/12/comments?per_page=100" if bearer == "ghs_1" => json_reply(
                "200 OK",
                &json!([
                    {"id": 8, "body": mark, "user": {"login": "eve"}},
                    {"id": 9, "body": mark, "user": {"login": "flux[bot]"}},
                ]),
            ),
            "PATCH /api/v3/repos/acme/web/issues/comments/9" if bearer == "ghs_1" => Reply::status("200 OK"),
            _ => Reply::status("401 Unauthorized"),
        }
    })
    .await;
    let secret = [
        ("githubAppID", "42"),
        ("githubAppInstallationOwner", "acme"),
        ("githubAppPrivateKey", &key.serialize_pem()),
        ("githubAppBaseURL", &host.url("")),
    ];
    let service = with_secret(ProviderType::GitHubDispatch, &host.url("/acme/web"), &secret);
    assert_eq!(tell(&service, &event()).await, Ok(Sent::Delivered));
    assert_eq!(host.seen().len(), 4);
    assert_eq!(tell(&service, &event()).await, Ok(Sent::Delivered));
    assert_eq!(host.seen().len(), 5);

    // Who looks for a comment of one's own asks who one is, though a token is kept for others.
    let kind = ProviderType::GitHubPullRequestComment;
    let mut comments = with_secret(kind, &host.url("/acme/web"), &secret);
    comments.peers = service.peers.clone();
    let mut event = event();
    event.metadata.insert("change_request".into(), "12".into());
    for asked in [1, 1] {
        assert_eq!(tell(&comments, &event).await, Ok(Sent::Delivered));
        let seen = host.seen();
        assert_eq!(
            seen.iter().filter(|seen| line(seen) == "GET /api/v3/app").count(),
            asked
        );
        assert_eq!(
            line(seen.last().unwrap()),
            "PATCH /api/v3/repos/acme/web/issues/comments/9"
        );
    }
}

#[tokio::test]
async fn a_comment_is_written_once_and_then_replaced() {
    for (kind, prefix, comments, user) in [
        (
            ProviderType::GitHubPullRequestComment,
            "/api/v3/repos/acme/web/issues/comments/9",
            "/api/v3/repos/acme/web/issues/12/comments",
            json!({"login": "bot"}),
        ),
        (
            ProviderType::GiteaPullRequestComment,
            "/api/v1/repos/acme/web/issues/comments/9",
            "/api/v1/repos/acme/web/issues/12/comments",
            json!({"login": "bot"}),
        ),
        (
            ProviderType::GitLabMergeRequestComment,
            "/api/v4/projects/acme%2Fweb/merge_requests/12/notes/9",
            "/api/v4/projects/acme%2Fweb/merge_requests/12/notes",
            json!({"username": "bot"}),
        ),
    ] {
        let written = Arc::new(Mutex::new(None::<String>));
        let kept = written.clone();
        let author = user.clone();
        let host = Sink::start(move |seen| {
            let (method, path) = line(seen).split_once(' ').unwrap();
            let path = path.split('?').next().unwrap();
            let body = || {
                serde_json::from_str::<Value>(&seen.body).unwrap()["body"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            };
            let mut kept = kept.lock().unwrap();
            match method {
                "GET" if path.ends_with("/user") => json_reply("200 OK", &author),
                "GET" if path == comments => {
                    let ours = kept
                        .iter()
                        .map(|body| json!({"id": 9, "body": body, "user": author, "author": author}));
                    json_reply("200 OK", &ours.collect())
                }
                "POST" if path == comments && kept.is_none() => {
                    *kept = Some(body());
                    Reply::status("201 Created")
                }
                "PATCH" | "PUT" if path == prefix && kept.is_some() => {
                    *kept = Some(body());
                    Reply::status("200 OK")
                }
                _ => Reply::status("400 Bad"),
            }
        })
        .await;
        let service = with_secret(kind, &host.url("/acme/web"), &[("token", "t")]);
        let mut event = event();
        assert!(matches!(tell(&service, &event).await, Ok(Sent::Skipped(_))));
        event.metadata.insert("change_request".into(), "12".into());
        assert_eq!(tell(&service, &event).await, Ok(Sent::Delivered), "{kind:?}");
        event.message = "better now".into();
        assert_eq!(tell(&service, &event).await, Ok(Sent::Delivered), "{kind:?}");
        let body = written.lock().unwrap().clone().unwrap();
        assert!(
            body.starts_with("<!-- flux-") && body.contains("## Flux Status") && body.contains("better now")
        );
    }
}
