//! Every kind of sender: let in when it proves itself, and refused with each proof missing, wrong or in the wrong place.

use super::*;
use crate::receive::{jwt::tests as tokens, validate::validate};
use axum::http::{HeaderName, HeaderValue};
use crds::notification::{OidcProvider, OidcValidation, OidcVariable};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;

const TOKEN: &str = "s3cr3t";

fn receiver(type_: ReceiverType, events: &[&str]) -> Receiver {
    let mut receiver = Receiver::new("hook", Default::default());
    receiver.spec.type_ = type_;
    receiver.spec.events = events.iter().map(|e| (*e).to_owned()).collect();
    receiver
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    // Appended, so that a name may be there twice.
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

fn asked(receiver: &Receiver, token: &str, pairs: &[(&str, &str)], body: &str) -> Result<Accepted, Refused> {
    let credentials = Credentials::of(&[("token", token)]);
    let headers = headers(pairs);
    let request = Request {
        headers: &headers,
        body: body.as_bytes(),
    };
    let by = By {
        credentials: &credentials,
        rules: &[],
        signed: None,
        now: 0,
    };
    check(receiver, request, by)
}

fn sign(algorithm: &str, token: &str, body: &str) -> String {
    let key = token.as_bytes();
    match algorithm {
        "sha1" => hex::encode(
            Hmac::<sha1::Sha1>::new_from_slice(key)
                .unwrap()
                .chain_update(body)
                .finalize()
                .into_bytes(),
        ),
        "sha256" => hex::encode(
            Hmac::<sha2::Sha256>::new_from_slice(key)
                .unwrap()
                .chain_update(body)
                .finalize()
                .into_bytes(),
        ),
        _ => hex::encode(
            Hmac::<sha2::Sha512>::new_from_slice(key)
                .unwrap()
                .chain_update(body)
                .finalize()
                .into_bytes(),
        ),
    }
}

/// One row: what it shows, the headers, the body, and a part of why it is refused; nothing if it is let in.
type Row<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str, &'a str);

fn rows(receiver: &Receiver, rows: &[Row<'_>]) {
    for (what, pairs, body, expected) in rows {
        match asked(receiver, TOKEN, pairs, body) {
            Ok(_) => assert!(expected.is_empty(), "{what}: let in, not {expected:?}"),
            Err(Refused(problem)) => {
                assert!(
                    !expected.is_empty() && problem.contains(expected),
                    "{what}: {problem}"
                );
                assert!(!problem.contains(TOKEN), "{what}: {problem} tells the token");
            }
        }
    }
}

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
fn generic_hmac() {
    let body = "payload";
    let signed = |algorithm: &str, token: &str| format!("{algorithm}={}", sign(algorithm, token, body));
    let (sha1, sha256, sha512) = (
        signed("sha1", TOKEN),
        signed("sha256", TOKEN),
        signed("sha512", TOKEN),
    );
    let (wrong, crossed) = (
        signed("sha256", "other"),
        format!("sha512={}", sign("sha256", TOKEN, body)),
    );
    let upper = sha256.to_uppercase().replace("SHA256", "sha256");
    let empty = format!("sha256={}", sign("sha256", "", body));
    rows(
        &receiver(ReceiverType::GenericHmac, &[]),
        &[
            ("SHA-1", vec![("x-signature", &sha1)], body, ""),
            ("SHA-256", vec![("x-signature", &sha256)], body, ""),
            ("SHA-512", vec![("x-signature", &sha512)], body, ""),
            ("capital digits", vec![("x-signature", &upper)], body, ""),
            ("none", vec![], body, "missing"),
            ("empty", vec![("x-signature", "")], body, "missing"),
            (
                "other body",
                vec![("x-signature", &sha256)],
                "payload ",
                "does not sign",
            ),
            (
                "other token",
                vec![("x-signature", &wrong)],
                body,
                "does not sign",
            ),
            (
                "of an empty token",
                vec![("x-signature", &empty)],
                body,
                "does not sign",
            ),
            (
                "cut",
                vec![("x-signature", &sha256[..sha256.len() - 2])],
                body,
                "does not sign",
            ),
            (
                "an odd length",
                vec![("x-signature", &sha256[..sha256.len() - 1])],
                body,
                "not hexadecimal",
            ),
            (
                "no digits",
                vec![("x-signature", "sha256=")],
                body,
                "does not sign",
            ),
            (
                "another length",
                vec![("x-signature", &crossed)],
                body,
                "does not sign",
            ),
            (
                "no algorithm",
                vec![("x-signature", &sha256[7..])],
                body,
                "names no algorithm",
            ),
            (
                "MD5",
                vec![("x-signature", "md5=d41d8cd98f00b204e9800998ecf8427e")],
                body,
                "names no algorithm",
            ),
            (
                "twice",
                vec![("x-signature", &wrong), ("x-signature", &sha256)],
                body,
                "more than once",
            ),
            (
                "not text",
                vec![("x-signature", "sha256=\u{e9}")],
                body,
                "no text",
            ),
        ],
    );
    let receiver = receiver(ReceiverType::GenericHmac, &[]);
    let refused = asked(&receiver, "", &[("x-signature", &empty)], body).unwrap_err();
    assert_eq!(refused.0, "an empty token signs nothing");
}

#[test]
fn github_and_bitbucket() {
    let body = "{\"ref\":\"refs/heads/main\"}";
    let form = "payload=%7B%7D";
    let signed = |body: &str| format!("sha256={}", sign("sha256", TOKEN, body));
    let (new, old, of_form) = (
        signed(body),
        format!("sha1={}", sign("sha1", TOKEN, body)),
        signed(form),
    );
    let wrong = format!("sha256={}", sign("sha256", "other", body));
    let json = ("content-type", "application/json");
    for (type_, event) in [
        (ReceiverType::GitHub, "x-github-event"),
        (ReceiverType::Bitbucket, "x-event-key"),
    ] {
        rows(
            &receiver(type_, &["push", "ping"]),
            &[
                (
                    "signed",
                    vec![json, ("x-hub-signature-256", &new), (event, "push")],
                    body,
                    "",
                ),
                (
                    "signed as long ago",
                    vec![json, ("x-hub-signature", &old), (event, "PUSH")],
                    body,
                    "",
                ),
                (
                    "a form",
                    vec![
                        ("content-type", "application/x-www-form-urlencoded"),
                        ("x-hub-signature-256", &of_form),
                        (event, "ping"),
                    ],
                    form,
                    "",
                ),
                (
                    "with a charset",
                    vec![
                        ("content-type", "application/json; charset=utf-8"),
                        ("x-hub-signature-256", &new),
                        (event, "push"),
                    ],
                    body,
                    "",
                ),
                (
                    "the better signature counts",
                    vec![
                        json,
                        ("x-hub-signature-256", &wrong),
                        ("x-hub-signature", &old),
                        (event, "push"),
                    ],
                    body,
                    "does not sign",
                ),
                ("unsigned", vec![json, (event, "push")], body, "missing"),
                (
                    "wrong",
                    vec![json, ("x-hub-signature-256", &wrong), (event, "push")],
                    body,
                    "does not sign",
                ),
                (
                    "other event",
                    vec![json, ("x-hub-signature-256", &new), (event, "issues")],
                    body,
                    "none of spec.events",
                ),
                (
                    "no event",
                    vec![json, ("x-hub-signature-256", &new)],
                    body,
                    "none of spec.events",
                ),
                (
                    "text",
                    vec![
                        ("content-type", "text/plain"),
                        ("x-hub-signature-256", &new),
                        (event, "push"),
                    ],
                    body,
                    "content type",
                ),
                (
                    "no type",
                    vec![("x-hub-signature-256", &new), (event, "push")],
                    body,
                    "content type",
                ),
            ],
        );
        // No list takes all.
        rows(
            &receiver(type_, &[]),
            &[(
                "any event",
                vec![json, ("x-hub-signature-256", &new), (event, "issues")],
                body,
                "",
            )],
        );
    }
    let numbered = asked(
        &receiver(ReceiverType::GitHub, &[]),
        TOKEN,
        &[
            json,
            ("x-hub-signature-256", &new),
            ("x-github-delivery", "72d3162e"),
        ],
        body,
    );
    assert_eq!(numbered.unwrap().delivery.as_deref(), Some("72d3162e"));
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
fn nexus() {
    let body = r#"{"action":"CREATED","repositoryName":"a"}"#;
    let (signed, prefixed) = (
        sign("sha1", TOKEN, body),
        format!("sha1={}", sign("sha1", TOKEN, body)),
    );
    let junk = sign("sha1", TOKEN, "junk");
    rows(
        &receiver(ReceiverType::Nexus, &[]),
        &[
            ("signed", vec![("x-nexus-webhook-signature", &signed)], body, ""),
            ("unsigned", vec![], body, "missing"),
            (
                "other body",
                vec![("x-nexus-webhook-signature", &signed)],
                "{}",
                "does not sign",
            ),
            (
                "with a prefix",
                vec![("x-nexus-webhook-signature", &prefixed)],
                body,
                "not hexadecimal",
            ),
            (
                "signed junk",
                vec![("x-nexus-webhook-signature", &junk)],
                "junk",
                "none of Nexus'",
            ),
        ],
    );
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
        ("no context.id", event(|e| e["context"]["id"] = Value::Null)),
        ("no context.type", event(|e| e["context"]["type"] = json!(""))),
        ("no context.source", event(|e| e["context"]["source"] = json!(1))),
        (
            "context.version",
            event(|e| e["context"]["version"] = json!("four")),
        ),
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
        ("no subject.id", event(|e| e["subject"]["id"] = json!(""))),
        ("no content", event(|e| e["subject"]["content"] = json!([]))),
        ("no subject", event(|e| e["subject"] = json!("change"))),
        ("no JSON object", "[]".to_owned()),
    ];
    let of_others = event(|e| e["context"]["type"] = json!("dev.cdeventsx.mytool-resource.created.0.1.0"));
    let any = receiver(ReceiverType::CdEvents, &[]);
    rows(
        &any,
        &[
            ("an event", vec![], &fine, ""),
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

/// A change of a token's claims, and a part of why it is refused then.
type Change = (fn(&mut Value), &'static str);

/// What a Receiver that goes by tokens makes of one.
fn by_token(
    receiver: &Receiver,
    credentials: &[(&str, &str)],
    token: &str,
    body: &str,
) -> Result<Accepted, Refused> {
    let headers = headers(&[
        ("authorization", &format!("Bearer {token}")),
        ("content-type", "application/json"),
    ]);
    let request = Request {
        headers: &headers,
        body: body.as_bytes(),
    };
    let found = super::token(receiver, request, tokens::NOW)?.expect("a sender with a token");
    let credentials = Credentials::of(credentials);
    let rules: Vec<Rules> = receiver
        .spec
        .oidc_providers
        .iter()
        .enumerate()
        .map(|(n, p)| Rules::compile(n, p).unwrap())
        .collect();
    let keys = tokens::keys();
    let by = By {
        credentials: &credentials,
        rules: &rules,
        signed: Some((&found.token, &keys)),
        now: tokens::NOW,
    };
    check(receiver, request, by)
}

/// CVE-2026-40109, and what else a token of Google's may lack.
#[test]
fn google_has_to_sign_for_this_account_and_audience() {
    let receiver = receiver(ReceiverType::Gcr, &[]);
    let event = json!({"action": "INSERT", "digest": "r.io/p/a@sha256:1", "tag": "r.io/p/a:v1", "more": 1})
        .to_string();
    let push = |data: &str| {
        use base64::Engine as _;
        json!({"message": {"data": base64::engine::general_purpose::STANDARD.encode(data), "messageId": "7"}})
            .to_string()
    };
    let body = push(&event);
    let secret = [
        ("token", TOKEN),
        ("email", "push@p.iam.gserviceaccount.com"),
        ("audience", "https://hooks.example/a"),
    ];
    let claims = |change: fn(&mut Value)| {
        let mut claims = json!({
            "iss": "https://accounts.google.com", "aud": "https://hooks.example/a", "exp": tokens::NOW + 600,
            "email": "push@p.iam.gserviceaccount.com", "email_verified": true,
        });
        change(&mut claims);
        tokens::signed(&claims)
    };
    let accepted = by_token(&receiver, &secret, &claims(|_| {}), &body).unwrap();
    assert_eq!(
        accepted.payload,
        Some(json!({"action": "INSERT", "digest": "r.io/p/a@sha256:1", "tag": "r.io/p/a:v1"}))
    );
    assert_eq!(accepted.delivery.as_deref(), Some("7"));
    assert!(
        by_token(
            &receiver,
            &secret,
            &claims(|c| c["iss"] = json!("accounts.google.com")),
            &body
        )
        .is_ok()
    );
    let change: [Change; 8] = [
        (|c| c["email"] = json!("evil@gmail.com"), "another account"),
        (|c| c["email"] = Value::Null, "another account"),
        (|c| c["email_verified"] = json!(false), "not verified"),
        (|c| c["email_verified"] = json!("true"), "not verified"),
        (
            |c| c["aud"] = json!("https://hooks.example/b"),
            "another audience",
        ),
        (|c| c["aud"] = Value::Null, "another audience"),
        (
            |c| c["iss"] = json!("https://accounts.evil.example"),
            "not Google",
        ),
        (|c| c["exp"] = json!(tokens::NOW - 600), "expired"),
    ];
    for (change, part) in change {
        let refused = by_token(&receiver, &secret, &claims(change), &body).expect_err(part);
        assert!(refused.0.contains(part), "{refused} does not say {part}");
    }
    for missing in ["email", "audience"] {
        let part: Vec<_> = secret.into_iter().filter(|(key, _)| *key != missing).collect();
        assert!(
            by_token(&receiver, &part, &claims(|_| {}), &body)
                .unwrap_err()
                .0
                .contains(missing)
        );
    }
    for (body, part) in [
        ("{}".to_owned(), "none of Pub/Sub"),
        (push("junk"), "none of a registry"),
        (r#"{"message":{"data":"%"}}"#.to_owned(), "not base64"),
    ] {
        assert!(
            by_token(&receiver, &secret, &claims(|_| {}), &body)
                .unwrap_err()
                .0
                .contains(part),
            "{part}"
        );
    }
}

#[test]
fn tokens_of_trusted_issuers_have_to_say_what_is_wanted() {
    let provider = |issuer: &str, audience: Option<&str>| OidcProvider {
        issuer_url: issuer.into(),
        audience: audience.map(str::to_owned),
        variables: vec![
            OidcVariable {
                name: "parts".into(),
                expression: "claims.repository.split('/')".into(),
            },
            OidcVariable {
                name: "owner".into(),
                expression: "vars.parts[0]".into(),
            },
        ],
        validations: vec![
            OidcValidation {
                expression: "vars.owner == 'org'".into(),
                message: "the owner is not org".into(),
            },
            OidcValidation {
                expression: "claims.ref.startsWith('refs/heads/')".into(),
                message: "no branch".into(),
            },
        ],
    };
    let mut receiver = receiver(ReceiverType::GenericOidc, &[]);
    receiver.spec.oidc_providers = vec![
        provider("https://a.example", None),
        provider("https://b.example", Some("flux")),
    ];
    assert!(validate(&receiver).is_ok());
    let token = |change: fn(&mut Value)| {
        let mut claims = json!({
            "iss": "https://a.example", "aud": ["x", "notification-controller"], "exp": tokens::NOW + 60,
            "repository": "org/app", "ref": "refs/heads/main",
        });
        change(&mut claims);
        tokens::signed(&claims)
    };
    let accepted = by_token(&receiver, &[], &token(|_| {}), "").unwrap();
    assert_eq!(accepted.claims["repository"], "org/app");
    assert!(
        by_token(
            &receiver,
            &[],
            &token(|c| {
                c["iss"] = json!("https://b.example");
                c["aud"] = json!("flux")
            }),
            ""
        )
        .is_ok()
    );
    let cases: [Change; 8] = [
        (|c| c["iss"] = json!("https://b.example"), "another audience"),
        (
            |c| c["iss"] = json!("https://a.example/"),
            "none of spec.oidcProviders",
        ),
        (
            |c| c["iss"] = json!(["https://a.example"]),
            "does not say who issued it",
        ),
        (|c| c["repository"] = json!("evil/app"), "the owner is not org"),
        (|c| c["repository"] = Value::Null, "no such overload"),
        (|c| c["ref"] = json!("refs/tags/v1"), "no branch"),
        (
            |c| {
                c.as_object_mut().unwrap().remove("ref");
            },
            "no such key: ref",
        ),
        (|c| c["exp"] = Value::Null, "no end"),
    ];
    for (change, part) in cases {
        let refused = by_token(&receiver, &[], &token(change), "").expect_err(part);
        assert!(refused.0.contains(part), "{refused} does not say {part}");
    }
    for value in ["", "Bearer", "Basic YTpi", "Bearer a.b", "Bearer a.b.c"] {
        let headers = headers(&[("authorization", value)]);
        let request = Request {
            headers: &headers,
            body: b"",
        };
        assert!(super::token(&receiver, request, tokens::NOW).is_err(), "{value}");
    }
}
