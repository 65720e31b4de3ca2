//! What each host is told of a commit that is on its way, there, or failed: the whole request.

use super::*;
use crate::message::example::{event, service};
use crds::notification::ProviderType;
use reqwest::Method;
use serde_json::json;

const COMMIT: &str = "221a93568e4c3e453a2bbde6b488ce3606e39b35";
const ID: &str = "kustomization/web/0c9c2e41";
/// Of the ID, by `sha1sum`.
const KEY: &str = "813d0558efd3596348d950ff99a7fbf8281dff35";
const JSON: (&str, &str) = ("content-type", "application/json");

/// What a host is told of each state, and of its reason in words.
type Told = fn(&str, &str) -> Value;

/// A host: its type, the Provider's address and Secret, where it is told something, with which further headers, the words for
/// pending, success and failure, and the body.
type Row = (
    ProviderType,
    Host,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static [(&'static str, &'static str)],
    [&'static str; 3],
    Told,
);

const ROWS: [Row; 6] = [
    (
        ProviderType::GitHub,
        GITHUB,
        "https://github.com/acme/web",
        &[("token", "t0ken")],
        "https://api.github.com/repos/acme/web/statuses/221a93568e4c3e453a2bbde6b488ce3606e39b35",
        &[
            ("accept", "application/vnd.github+json"),
            ("authorization", "Bearer t0ken"),
            ("x-github-api-version", "2022-11-28"),
        ],
        ["pending", "success", "failure"],
        |state, words| json!({"state": state, "context": ID, "description": words}),
    ),
    (
        ProviderType::GitLab,
        GITLAB,
        "https://gitlab.com/acme/group/web",
        &[("token", "t0ken")],
        "https://gitlab.com/api/v4/projects/acme%2Fgroup%2Fweb/statuses/221a93568e4c3e453a2bbde6b488ce3606e39b35",
        &[("private-token", "t0ken")],
        ["pending", "success", "failed"],
        |state, words| json!({"state": state, "name": ID, "description": words}),
    ),
    (
        ProviderType::Gitea,
        GITEA,
        "https://gitea.example/acme/web",
        &[("token", "t0ken")],
        "https://gitea.example/api/v1/repos/acme/web/statuses/221a93568e4c3e453a2bbde6b488ce3606e39b35",
        &[("authorization", "token t0ken")],
        ["pending", "success", "failure"],
        |state, words| json!({"state": state, "context": ID, "description": words, "target_url": ""}),
    ),
    (
        ProviderType::Bitbucket,
        BITBUCKET,
        "https://bitbucket.org/acme/web",
        &[("token", "me:pass")],
        "https://api.bitbucket.org/2.0/repositories/acme/web/commit/221a93568e4c3e453a2bbde6b488ce3606e39b35/statuses/build",
        &[("authorization", "Basic bWU6cGFzcw==")],
        ["INPROGRESS", "SUCCESSFUL", "FAILED"],
        |state, words| {
            json!({
                "state": state, "key": KEY, "name": "kustomization/web", "description": words, "url": "https://bitbucket.org",
            })
        },
    ),
    (
        ProviderType::BitbucketServer,
        BITBUCKET_SERVER,
        "https://bitbucket.example/context/scm/acme/web.git",
        &[("token", "t0ken")],
        "https://bitbucket.example/context/rest/api/latest/projects/acme/repos/web/commits/\
         221a93568e4c3e453a2bbde6b488ce3606e39b35/builds",
        &[
            ("authorization", "Bearer t0ken"),
            ("x-atlassian-token", "no-check"),
            ("x-requested-with", "XMLHttpRequest"),
        ],
        ["INPROGRESS", "SUCCESSFUL", "FAILED"],
        |state, words| {
            json!({
                "state": state, "key": KEY, "name": format!("kustomization/web [{words}]"), "description": words,
                "url": "https://bitbucket.example/context/scm/acme/web.git",
            })
        },
    ),
    (
        ProviderType::AzureDevOps,
        AZURE_DEVOPS,
        "https://dev.azure.com/acme/my%20project/_git/web",
        &[("token", "t0ken")],
        "https://dev.azure.com/acme/my%20project/_apis/git/repositories/web/commits/221a93568e4c3e453a2bbde6b488ce3606e39b35/\
         statuses?api-version=7.1",
        &[
            ("authorization", "Basic OnQwa2Vu"),
            ("x-tfs-fedauthredirect", "Suppress"),
        ],
        ["pending", "succeeded", "error"],
        |state, words| {
            json!({
                "state": state, "description": words, "context": {"name": ID, "genre": "fluxcd:prod & more"},
            })
        },
    ),
];

#[test]
fn each_host_is_told_of_each_state() {
    let of = |severity, reason: &str| {
        let mut event = event(severity);
        event.reason = reason.into();
        status(&event, ID.into()).unwrap()
    };
    let statuses = [
        (of(Severity::Info, "Progressing"), "progressing"),
        (
            of(Severity::Info, "ReconciliationSucceeded"),
            "reconciliation succeeded",
        ),
        (of(Severity::Error, "HealthCheckFailed"), "health check failed"),
    ];
    for (kind, host, address, secret, url, headers, states, told) in ROWS {
        let service = service(kind, address, "", secret);
        let token = service.auth.git().unwrap().clone();
        for ((status, words), state) in statuses.iter().zip(states) {
            assert_eq!(status.commit, COMMIT);
            let request = (host.set)(&service, &token, status).unwrap();
            assert_eq!((&request.method, request.url.as_str()), (&Method::POST, url));
            let mut expected = [&[JSON], headers].concat();
            expected.sort_unstable();
            let mut found: Vec<_> = request
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{kind:?}");
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(body, told(state, words), "{kind:?}");
        }
    }
}
