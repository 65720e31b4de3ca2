//! Senders that send the token itself, or prove nothing.

use super::*;
use serde_json::json;

#[test]
fn generic_takes_whatever_comes() {
    rows(
        &receiver(ReceiverType::Generic, &[]),
        &[
            ("nothing at all", vec![], "", ""),
            ("junk", vec![("x-a", "b")], "\0", ""),
        ],
    );
}

#[test]
fn gitlab_and_harbor() {
    rows(
        &receiver(ReceiverType::GitLab, &["Push Hook"]),
        &[
            (
                "the token",
                vec![("x-gitlab-token", TOKEN), ("x-gitlab-event", "push hook")],
                "",
                "",
            ),
            (
                "other event",
                vec![("x-gitlab-token", TOKEN), ("x-gitlab-event", "Tag Push Hook")],
                "",
                "none of spec.events",
            ),
            ("no token", vec![("x-gitlab-event", "Push Hook")], "", "missing"),
            ("no text", vec![("x-gitlab-token", "\u{e9}")], "", "no text"),
            (
                "a part of it",
                vec![("x-gitlab-token", "s3cr3"), ("x-gitlab-event", "Push Hook")],
                "",
                "does not match",
            ),
            (
                "more than it",
                vec![("x-gitlab-token", "s3cr3t1"), ("x-gitlab-event", "Push Hook")],
                "",
                "does not match",
            ),
            (
                "twice",
                vec![("x-gitlab-token", "a"), ("x-gitlab-token", TOKEN)],
                "",
                "more than once",
            ),
        ],
    );
    rows(
        &receiver(ReceiverType::Harbor, &[]),
        &[
            ("the token", vec![("authorization", TOKEN)], "", ""),
            (
                "as a bearer",
                vec![("authorization", "Bearer s3cr3t")],
                "",
                "does not match",
            ),
            ("none", vec![], "", "missing"),
            ("empty", vec![("authorization", "")], "", "missing"),
            ("no text", vec![("authorization", "\u{e9}")], "", "no text"),
        ],
    );
    for type_ in [ReceiverType::GitLab, ReceiverType::Harbor] {
        let empty = asked(
            &receiver(type_, &[]),
            "",
            &[("authorization", " "), ("x-gitlab-token", " ")],
            "",
        );
        assert!(empty.is_err(), "{type_:?} has no token");
    }
    let pairs = [
        ("x-gitlab-token", TOKEN),
        ("x-gitlab-event-uuid", "1"),
        ("idempotency-key", "2"),
    ];
    let accepted = |pairs: &[(&str, &str)]| {
        asked(&receiver(ReceiverType::GitLab, &[]), TOKEN, pairs, "")
            .unwrap()
            .delivery
    };
    assert_eq!(
        (accepted(&pairs).as_deref(), accepted(&pairs[..2]).as_deref()),
        (Some("2"), Some("1"))
    );
}

#[test]
fn registries_have_to_look_like_themselves() {
    for (type_, fine, odd) in [
        (
            ReceiverType::DockerHub,
            r#"{"push_data":{"tag":"v1"},"repository":{"repo_url":"https://a"}}"#,
            r#"{"push_data":"v1"}"#,
        ),
        (
            ReceiverType::Quay,
            r#"{"docker_url":"quay.io/a/b","updated_tags":["v1"],"more":{}}"#,
            r#"{"updated_tags":"v1"}"#,
        ),
        (
            ReceiverType::Acr,
            r#"{"action":"push","target":{"repository":"a","tag":"v1"}}"#,
            r#"{"target":[1]}"#,
        ),
    ] {
        rows(
            &receiver(type_, &[]),
            &[
                ("its own", vec![], fine, ""),
                ("of another form", vec![], odd, "the body is none of"),
                ("no JSON", vec![], "payload", "the body is none of"),
                ("nothing", vec![], "", "the body is none of"),
            ],
        );
    }
}

#[test]
fn cdevents() {
    let event = |change: fn(&mut Value)| {
        let mut event = json!({
            "context": {
                "version": "0.4.1", "id": "271069a8", "source": "/ci", "type": "dev.cdevents.change.merged.0.2.0",
                "timestamp": "2026-03-20T14:27:05.315384Z",
            },
            "subject": {"id": "change123", "source": "/ci", "type": "change", "content": {}},
        });
        change(&mut event);
        event.to_string()
    };
    let fine = event(|_| {});
    let type_ = ("ce-type", "dev.cdevents.change.merged.0.2.0");
    let broken = [
        (
            "context.id is missing",
            event(|e| e["context"]["id"] = Value::Null),
        ),
        ("context.type", event(|e| e["context"]["type"] = json!(""))),
        (
            "context.source is no text",
            event(|e| e["context"]["source"] = json!(1)),
        ),
        ("context.version", event(|e| e["context"]["version"] = json!(""))),
        (
            "context.timestamp",
            event(|e| e["context"]["timestamp"] = json!("yesterday")),
        ),
        (
            "context.type",
            event(|e| e["context"]["type"] = json!("org.example.change.merged.0.2.0")),
        ),
        (
            "context.type",
            event(|e| e["context"]["type"] = json!("dev.cdevents.change.merged")),
        ),
        ("subject.id is missing", event(|e| e["subject"]["id"] = json!(""))),
        (
            "subject.content is no object",
            event(|e| e["subject"]["content"] = json!([])),
        ),
        ("subject is no object", event(|e| e["subject"] = json!("change"))),
        ("no JSON object", "[]".to_owned()),
        (
            "context.type is no type",
            event(|e| e["context"]["type"] = json!("dev.cdevents.change.merged.0.1.2")),
        ),
        (
            "context.timestamp",
            event(|e| e["context"]["timestamp"] = json!("2026-02-30T14:27:05Z")),
        ),
        (
            "context.timestamp",
            event(|e| e["context"]["timestamp"] = json!("2026-03-20 14:27:05Z")),
        ),
        (
            "context.schemaUri",
            event(|e| e["context"]["schemaUri"] = json!("https://example.com")),
        ),
        (
            "context.links.tags",
            event(|e| e["context"]["links"] = json!([{"linkType": "END", "from": {"contextId": "1"}}])),
        ),
        (
            "context.links.linkType",
            event(|e| e["context"]["links"] = json!([{"linkType": "START"}])),
        ),
        (
            "context.links is no list",
            event(|e| e["context"]["links"] = json!({})),
        ),
        (
            "context.links.linkType",
            event(|e| e["context"]["links"] = json!([null])),
        ),
        (
            "context.links.target.contextId",
            event(|e| e["context"]["links"] = json!([{"linkType": "RELATION", "linkKind": "x"}])),
        ),
        (
            "repository.id is missing",
            event(|e| e["subject"]["content"] = json!({"repository": {}})),
        ),
        ("subject.type", event(|e| e["subject"]["type"] = json!("branch"))),
        ("customData", event(|e| e["customData"] = json!(1))),
    ];
    let linked = event(|e| {
        let end = json!({"contextId": "1"});
        e["context"]["links"] = json!([
            {"linkType": "PATH", "from": end, "tags": {}}, {"linkType": "RELATION", "linkKind": "x", "target": end, "tags": {"a": 1}},
        ]);
        e["context"]["timestamp"] = json!("2026-03-20T14:27:05.1+01:30");
        e["subject"]["content"] = json!({"repository": {"id": "a", "source": "/git"}, "unknown": 1});
        e["customData"] = json!({"any": 1});
    });
    let of_others = event(|e| {
        e["context"]["type"] = json!("dev.cdeventsx.mytool-resource.created.0.1.0");
        e["subject"]["type"] = json!("mytool-resource");
    });
    let any = receiver(ReceiverType::CdEvents, &[]);
    rows(
        &any,
        &[
            ("an event", vec![], &fine, ""),
            ("one with all", vec![], &linked, ""),
            ("one of a tool", vec![], &of_others, ""),
        ],
    );
    for (part, text) in &broken {
        rows(&any, &[(part, vec![], text, part)]);
    }
    rows(
        &receiver(ReceiverType::CdEvents, &["dev.cdevents.change.merged.0.2.0"]),
        &[
            ("listed", vec![type_], &fine, ""),
            (
                "unlisted",
                vec![("ce-type", "dev.cdevents.change.created.0.2.0")],
                &fine,
                "none of spec.events",
            ),
            ("no header", vec![], &fine, "none of spec.events"),
            (
                "a header that lies",
                vec![type_],
                &of_others,
                "names another type",
            ),
        ],
    );
    assert_eq!(
        asked(&any, TOKEN, &[], &fine).unwrap().delivery.as_deref(),
        Some("271069a8")
    );
}

/// A delivery with the headers that Gitea documents; the signatures are those of `openssl dgst -hmac`.
#[test]
fn gitea_is_served_by_the_type_github() {
    let body = r#"{"ref":"refs/heads/main","after":"bffeb74224043ba2feb48d137756c8a9331c449a","repository":{"full_name":"acme/web"}}"#;
    let sha256 = "162ae0f9a18d2b25a89a9e4b79f9e20aa3460c9561d964459ab89ed71ebf5c17";
    let (old, new) = (
        "sha1=a099c1b904a370d1ff277f66bf25749c87b269d4",
        format!("sha256={sha256}"),
    );
    let delivery = |event: &'static str| {
        vec![
            ("content-type", "application/json"),
            ("x-gitea-delivery", "f6266f16-1bf3-46a5-9ea4-602e06ead473"),
            ("x-gitea-event", event),
            ("x-gitea-signature", sha256),
            ("x-gogs-signature", sha256),
            ("x-hub-signature", old),
            ("x-hub-signature-256", &new),
            ("x-github-delivery", "f6266f16-1bf3-46a5-9ea4-602e06ead473"),
            ("x-github-event", event),
        ]
    };
    let unsigned = delivery("push")
        .into_iter()
        .filter(|(name, _)| !name.starts_with("x-hub"));
    rows(
        &receiver(ReceiverType::GitHub, &["push"]),
        &[
            ("a push", delivery("push"), body, ""),
            ("an issue", delivery("issues"), body, "none of spec.events"),
            ("another body", delivery("push"), "{}", "does not sign"),
            ("its own signature alone", unsigned.collect(), body, "missing"),
        ],
    );
}

/// A service hook of Azure DevOps, which signs nothing: its address is the secret, or a header that it is told to send.
#[test]
fn azure_devops_is_served_by_generic_or_by_a_header() {
    let body = r#"{"eventType":"git.push","resource":{"repository":{"name":"web"}}}"#;
    let hook = vec![("content-type", "application/json; charset=utf-8")];
    rows(
        &receiver(ReceiverType::Generic, &[]),
        &[("a push", hook.clone(), body, "")],
    );
    let with = |token: &'static str| [hook.clone(), vec![("x-gitlab-token", token)]].concat();
    rows(
        &receiver(ReceiverType::GitLab, &[]),
        &[
            ("with the token", with(TOKEN), body, ""),
            ("with another", with("other"), body, "does not match"),
            ("without", hook.clone(), body, "missing"),
        ],
    );
    let filters = crate::receive::filter::Filters::compile(&crds::notification::ReceiverSpec {
        resource_filter: Some(
            "req.eventType == 'git.push' && req.resource.repository.name == res.metadata.name".into(),
        ),
        ..Default::default()
    });
    let told = crate::receive::filter::Told {
        req: crate::receive::filter::body(Some(hook[0].1), body.as_bytes()).unwrap(),
        ..Default::default()
    };
    let is_meant = |name: &str| {
        let res = serde_json::json!({"metadata": {"name": name}});
        filters
            .as_ref()
            .unwrap()
            .select(0, &res, &told, &expr::Allowance::of(1))
            .unwrap()
    };
    assert!(is_meant("web") && !is_meant("api"));
}
