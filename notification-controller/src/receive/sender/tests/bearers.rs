//! Senders with a token of an issuer.

use super::*;
use crate::receive::{jwt::tests as tokens, validate::validate};
use crds::notification::{OidcProvider, OidcValidation, OidcVariable};
use serde_json::json;

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
    let claimed = json!({
        "iss": "https://accounts.google.com", "aud": "https://hooks.example/a", "exp": tokens::NOW + 600,
        "email": "push@p.iam.gserviceaccount.com", "email_verified": true,
    });
    assert!(by_token(&receiver, &secret, &tokens::signed(&claimed), &body).is_ok());
    for (token, part) in [
        (tokens::signed_by_another(&claimed), "none of its issuer's keys"),
        (tokens::unsigned(&claimed), "no signed JSON web token"),
    ] {
        let refused = by_token(&receiver, &secret, &token, &body).expect_err(part);
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
