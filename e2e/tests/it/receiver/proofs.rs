//! Every kind of sender that proves itself by a shared secret, or by nothing: right, wrong, missing and malformed.

use super::requested;
use anyhow::{Result, ensure};
use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY as SHA1, HMAC_SHA256, HMAC_SHA512};
use e2e::{
    flux::SOURCE,
    webhook::{TOKEN, github, ready, receiver, secret, send, sign},
    world::World,
};
use serde_json::json;

/// A request and how it is answered.
struct Case {
    what: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
    status: u16,
}

fn case(what: &'static str, headers: &[(&'static str, &str)], body: &str, status: u16) -> Case {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    Case {
        what,
        headers,
        body: body.to_owned(),
        status,
    }
}

#[tokio::test]
async fn senders_have_to_prove_themselves() -> Result<()> {
    let space = World::shared().await?.space("webhook-proofs").await?;
    space.git_repository(json!({"spec": {"suspend": true}})).await?;
    space.apply(secret(TOKEN)).await?;
    let body =
        r#"{"action":"push","repositoryName":"a","push_data":{"tag":"v1"},"docker_url":"quay.io/a/b"}"#;
    let event = json!({
        "context": {"version": "0.4.1", "id": "1", "source": "/ci", "type": "dev.cdevents.change.merged.0.2.0", "timestamp": "2026-03-20T14:27:05Z"},
        "subject": {"id": "change", "type": "change", "content": {}},
    })
    .to_string();
    let sha1 = sign(SHA1, TOKEN, body);
    let prefixed = |algorithm: &str, mac: String| format!("{algorithm}={mac}");
    let (sha256, sha512) = (
        prefixed("sha256", sign(HMAC_SHA256, TOKEN, body)),
        prefixed("sha512", sign(HMAC_SHA512, TOKEN, body)),
    );
    let wrong = prefixed("sha256", sign(HMAC_SHA256, "other", body));
    let wrong_sha1 = sign(SHA1, "other", body);
    let (old, json_type) = (
        prefixed("sha1", sha1.clone()),
        ("content-type", "application/json"),
    );
    let merged = ("ce-type", "dev.cdevents.change.merged.0.2.0");
    let kinds: Vec<(&str, &[&str], Vec<Case>)> = vec![
        ("generic", &[], vec![case("nothing", &[], "", 200)]),
        (
            "generic-hmac",
            &[],
            vec![
                case("signed", &[("x-signature", &sha512)], body, 200),
                case("unsigned", &[], body, 400),
                case("wrong", &[("x-signature", &wrong)], body, 400),
                case("other body", &[("x-signature", &sha512)], "{}", 400),
                case("malformed", &[("x-signature", "sha256=zz")], body, 400),
                case("cut", &[("x-signature", &sha256[..30])], body, 400),
            ],
        ),
        (
            "github",
            &["push"],
            vec![
                Case {
                    what: "signed",
                    headers: github("push", TOKEN, body, "1"),
                    body: body.into(),
                    status: 200,
                },
                Case {
                    what: "unlisted",
                    headers: github("issues", TOKEN, body, "2"),
                    body: body.into(),
                    status: 400,
                },
                Case {
                    what: "wrong",
                    headers: github("push", "other", body, "3"),
                    body: body.into(),
                    status: 400,
                },
                Case {
                    what: "other body",
                    headers: github("push", TOKEN, body, "4"),
                    body: "{}".into(),
                    status: 400,
                },
                case("unsigned", &[json_type, ("x-github-event", "push")], body, 400),
                case(
                    "malformed",
                    &[
                        json_type,
                        ("x-github-event", "push"),
                        ("x-hub-signature-256", "sha256=zz"),
                    ],
                    body,
                    400,
                ),
                case(
                    "as text",
                    &[
                        ("content-type", "text/plain"),
                        ("x-github-event", "push"),
                        ("x-hub-signature-256", &sha256),
                    ],
                    body,
                    400,
                ),
                case(
                    "as a form",
                    &[
                        ("content-type", "application/x-www-form-urlencoded"),
                        ("x-github-event", "push"),
                        ("x-hub-signature-256", &sha256),
                    ],
                    body,
                    200,
                ),
            ],
        ),
        (
            "gitlab",
            &["Push Hook"],
            vec![
                case(
                    "the token",
                    &[("x-gitlab-token", TOKEN), ("x-gitlab-event", "Push Hook")],
                    body,
                    200,
                ),
                case(
                    "unlisted",
                    &[("x-gitlab-token", TOKEN), ("x-gitlab-event", "Issue Hook")],
                    body,
                    400,
                ),
                case(
                    "wrong",
                    &[("x-gitlab-token", "other"), ("x-gitlab-event", "Push Hook")],
                    body,
                    400,
                ),
                case("missing", &[("x-gitlab-event", "Push Hook")], body, 400),
                case(
                    "malformed",
                    &[("x-gitlab-token", "\u{e9}"), ("x-gitlab-event", "Push Hook")],
                    body,
                    400,
                ),
            ],
        ),
        (
            "bitbucket",
            &["repo:refs_changed"],
            vec![
                case(
                    "signed",
                    &[
                        json_type,
                        ("x-hub-signature", &old),
                        ("x-event-key", "repo:refs_changed"),
                    ],
                    body,
                    200,
                ),
                case(
                    "unlisted",
                    &[json_type, ("x-hub-signature", &old), ("x-event-key", "pr:opened")],
                    body,
                    400,
                ),
                case(
                    "wrong",
                    &[
                        json_type,
                        ("x-hub-signature", &wrong),
                        ("x-event-key", "repo:refs_changed"),
                    ],
                    body,
                    400,
                ),
                case(
                    "missing",
                    &[json_type, ("x-event-key", "repo:refs_changed")],
                    body,
                    400,
                ),
                case(
                    "malformed",
                    &[
                        json_type,
                        ("x-hub-signature", "sha1"),
                        ("x-event-key", "repo:refs_changed"),
                    ],
                    body,
                    400,
                ),
            ],
        ),
        (
            "harbor",
            &[],
            vec![
                case("the token", &[("authorization", TOKEN)], body, 200),
                case("wrong", &[("authorization", "other")], body, 400),
                case(
                    "malformed",
                    &[("authorization", &format!("Bearer {TOKEN}"))],
                    body,
                    400,
                ),
                case("missing", &[], body, 400),
            ],
        ),
        (
            "dockerhub",
            &[],
            vec![
                case("its own", &[], body, 200),
                case("another's", &[], r#"{"push_data":1}"#, 400),
                case("junk", &[], "junk", 400),
            ],
        ),
        (
            "quay",
            &[],
            vec![
                case("its own", &[], body, 200),
                case("another's", &[], r#"{"docker_url":1}"#, 400),
                case("junk", &[], "{", 400),
            ],
        ),
        (
            "acr",
            &[],
            vec![
                case("its own", &[], body, 200),
                case("another's", &[], r#"{"action":1}"#, 400),
                case("junk", &[], "", 400),
            ],
        ),
        (
            "nexus",
            &[],
            vec![
                case("signed", &[("x-nexus-webhook-signature", &sha1)], body, 200),
                case("wrong", &[("x-nexus-webhook-signature", &wrong_sha1)], body, 400),
                case("malformed", &[("x-nexus-webhook-signature", &wrong)], body, 400),
                case("cut", &[("x-nexus-webhook-signature", &sha1[..38])], body, 400),
                case("missing", &[], body, 400),
            ],
        ),
        (
            "cdevents",
            &["dev.cdevents.change.merged.0.2.0"],
            vec![
                case("an event", &[merged], &event, 200),
                case(
                    "unlisted",
                    &[("ce-type", "dev.cdevents.change.created.0.2.0")],
                    &event,
                    400,
                ),
                case("none", &[merged], body, 400),
            ],
        ),
    ];
    for (kind, events, cases) in kinds {
        space
            .apply(receiver(kind, kind, &json!({"spec": {"events": events}})))
            .await?;
        let url = ready(&space, kind).await?;
        for Case {
            what,
            headers,
            body,
            status,
        } in cases
        {
            let before = requested(&space, SOURCE, "GitRepository", "app").await?;
            let answered = send(&url, &headers, body).await?;
            ensure!(answered == status, "{kind}, {what}: {answered}, not {status}");
            let moved = requested(&space, SOURCE, "GitRepository", "app").await? != before;
            ensure!(moved == (status == 200), "{kind}, {what}: asked is {moved}");
        }
    }
    // The address is all that these are known by: another, however like it, is nobody's.
    for (kind, headers, body) in [
        ("generic", vec![], ""),
        ("dockerhub", vec![], body),
        ("quay", vec![], body),
        ("acr", vec![], body),
        ("cdevents", vec![merged], &event),
    ] {
        let url = ready(&space, kind).await?;
        let (rest, last) = url.split_at(url.len() - 1);
        let other = if last == "0" { "1" } else { "0" };
        for wrong in [format!("{rest}{other}"), format!("{url}0"), rest.to_owned()] {
            let case = case("wrong address", &headers, body, 404);
            let before = requested(&space, SOURCE, "GitRepository", "app").await?;
            let answered = send(&wrong, &case.headers, case.body).await?;
            ensure!(answered == case.status, "{kind}, {wrong}: {answered}");
            let after = requested(&space, SOURCE, "GitRepository", "app").await?;
            ensure!(after == before, "{kind}, {wrong}: it was asked");
        }
    }
    // What was delivered once has had its effect, as often as it is sent again.
    let url = ready(&space, "github").await?;
    let before = requested(&space, SOURCE, "GitRepository", "app").await?;
    ensure!(send(&url, &github("push", TOKEN, body, "1"), body).await? == 200);
    ensure!(
        requested(&space, SOURCE, "GitRepository", "app").await? == before,
        "a delivery was had twice"
    );
    Ok(())
}
