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

/// A host, and what it is told.
struct Row {
    kind: ProviderType,
    host: Host,
    address: &'static str,
    secret: &'static [(&'static str, &'static str)],
    url: &'static str,
    /// Besides the one of [`JSON`].
    headers: &'static [(&'static str, &'static str)],
    /// Its words for pending, success and failure.
    states: [&'static str; 3],
    told: Told,
}

const ROWS: [Row; 6] = [
    Row {
        kind: ProviderType::GitHub,
        host: GITHUB,
        address: "https://github.com/acme/web",
        secret: &[("token", "t0ken")],
        url: "https://api.github.com/repos/acme/web/statuses/221a93568e4c3e453a2bbde6b488ce3606e39b35",
        headers: &[
            ("accept", "application/vnd.github+json"),
            ("authorization", "Bearer t0ken"),
            ("x-github-api-version", "2022-11-28"),
        ],
        states: ["pending", "success", "failure"],
        told: |state, words| json!({"state": state, "context": ID, "description": words}),
    },
    Row {
        kind: ProviderType::GitLab,
        host: GITLAB,
        address: "https://gitlab.com/acme/group/web",
        secret: &[("token", "t0ken")],
        url: "https://gitlab.com/api/v4/projects/acme%2Fgroup%2Fweb/statuses/221a93568e4c3e453a2bbde6b488ce3606e39b35",
        headers: &[("private-token", "t0ken")],
        states: ["pending", "success", "failed"],
        told: |state, words| json!({"state": state, "name": ID, "description": words}),
    },
    Row {
        kind: ProviderType::Gitea,
        host: GITEA,
        address: "https://gitea.example/acme/web",
        secret: &[("token", "t0ken")],
        url: "https://gitea.example/api/v1/repos/acme/web/statuses/221a93568e4c3e453a2bbde6b488ce3606e39b35",
        headers: &[("authorization", "token t0ken")],
        states: ["pending", "success", "failure"],
        told: |state, words| json!({"state": state, "context": ID, "description": words, "target_url": ""}),
    },
    Row {
        kind: ProviderType::Bitbucket,
        host: BITBUCKET,
        address: "https://bitbucket.org/acme/web",
        secret: &[("token", "me:pass")],
        url: "https://api.bitbucket.org/2.0/repositories/acme/web/commit/221a93568e4c3e453a2bbde6b488ce3606e39b35/statuses/build",
        headers: &[("authorization", "Basic bWU6cGFzcw==")],
        states: ["INPROGRESS", "SUCCESSFUL", "FAILED"],
        told: |state, words| {
            json!({
                "state": state, "key": KEY, "name": "kustomization/web", "description": words, "url": "https://bitbucket.org",
            })
        },
    },
    Row {
        kind: ProviderType::BitbucketServer,
        host: BITBUCKET_SERVER,
        address: "https://bitbucket.example/context/scm/acme/web.git",
        secret: &[("token", "t0ken")],
        url: "https://bitbucket.example/context/rest/api/latest/projects/acme/repos/web/commits/\
         221a93568e4c3e453a2bbde6b488ce3606e39b35/builds",
        headers: &[
            ("authorization", "Bearer t0ken"),
            ("x-atlassian-token", "no-check"),
            ("x-requested-with", "XMLHttpRequest"),
        ],
        states: ["INPROGRESS", "SUCCESSFUL", "FAILED"],
        told: |state, words| {
            json!({
                "state": state, "key": KEY, "name": format!("kustomization/web [{words}]"), "description": words,
                "url": "https://bitbucket.example/context/scm/acme/web.git",
            })
        },
    },
    Row {
        kind: ProviderType::AzureDevOps,
        host: AZURE_DEVOPS,
        address: "https://dev.azure.com/acme/my%20project/_git/web",
        secret: &[("token", "t0ken")],
        url: "https://dev.azure.com/acme/my%20project/_apis/git/repositories/web/commits/221a93568e4c3e453a2bbde6b488ce3606e39b35/\
         statuses?api-version=7.1",
        headers: &[
            ("authorization", "Basic OnQwa2Vu"),
            ("x-tfs-fedauthredirect", "Suppress"),
        ],
        states: ["pending", "succeeded", "error"],
        told: |state, words| {
            json!({
                "state": state, "description": words, "context": {"name": ID, "genre": "fluxcd:prod & more"},
            })
        },
    },
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
    for row in ROWS {
        let kind = row.kind;
        let service = service(kind, row.address, "", row.secret);
        let token = service.auth.git().unwrap().clone();
        for ((status, words), state) in statuses.iter().zip(row.states) {
            assert_eq!(status.commit, COMMIT);
            let request = (row.host.set)(&service, &token, status).unwrap();
            assert_eq!((&request.method, request.url.as_str()), (&Method::POST, row.url));
            let mut expected = [&[JSON], row.headers].concat();
            expected.sort_unstable();
            let mut found: Vec<_> = request
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{kind:?}");
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(body, (row.told)(state, words), "{kind:?}");
        }
    }
}
