//! Mutated requests to every kind of sender: none panics or takes long, and none is let in that was not signed.
//! `FUZZ_SECONDS=3600 cargo test --release -p notification-controller fuzz` looks longer.

use super::{
    filter,
    jwt::{Keys, Unverified, tests as tokens},
    secret::Credentials,
    sender::{self, By, Request},
    target::Target,
    validate::validate,
};
use crate::mutate::mutate;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use crds::{
    meta::LocalReference,
    notification::{ObjectSelector, OidcProvider, OidcValidation, Receiver, ReceiverSpec, ReceiverType},
};
use golden::Random;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use std::time::{Duration, Instant};

/// How long one request may take, in a build without optimization on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);
/// How many requests a quick look tries.
const QUICK: usize = 6000;

const TYPES: [ReceiverType; 13] = [
    ReceiverType::Generic,
    ReceiverType::GenericHmac,
    ReceiverType::GenericOidc,
    ReceiverType::GitHub,
    ReceiverType::GitLab,
    ReceiverType::Bitbucket,
    ReceiverType::Harbor,
    ReceiverType::DockerHub,
    ReceiverType::Quay,
    ReceiverType::Gcr,
    ReceiverType::Nexus,
    ReceiverType::Acr,
    ReceiverType::CdEvents,
];

const BODIES: [&str; 8] = [
    r#"{"ref":"refs/heads/main","after":"1","repository":{"full_name":"org/app"}}"#,
    r#"{"push_data":{"tag":"v1"},"repository":{"repo_url":"https://a"}}"#,
    r#"{"docker_url":"quay.io/a/b","updated_tags":["v1"]}"#,
    r#"{"action":"push","target":{"repository":"a","tag":"v1"}}"#,
    r#"{"message":{"data":"eyJhY3Rpb24iOiJJTlNFUlQifQ==","messageId":"7"}}"#,
    r#"{"context":{"version":"0.4.1","id":"1","source":"/ci","type":"dev.cdevents.change.merged.0.2.0","timestamp":"2026-03-20T14:27:05Z"},"subject":{"id":"c","type":"change","content":{}}}"#,
    "payload=%7B%22ref%22%3A%22main%22%7D",
    "",
];

fn receiver(type_: ReceiverType) -> Receiver {
    let mut receiver = Receiver::new("hook", ReceiverSpec::default());
    receiver.spec.type_ = type_;
    if type_ == ReceiverType::GenericOidc {
        receiver.spec.oidc_providers = vec![OidcProvider {
            issuer_url: "https://accounts.google.com".into(),
            validations: vec![OidcValidation {
                expression: "claims.sub == 'ci'".into(),
                message: "no".into(),
            }],
            ..OidcProvider::default()
        }];
    } else {
        receiver.spec.secret_ref = Some(LocalReference { name: "token".into() });
    }
    receiver
}

/// The headers of an honest request, of which the mutations are made.
fn honest(random: &mut Random, body: &[u8], token: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mac = |mac: Vec<u8>| hex::encode(mac).into_bytes();
    let sha256 = mac(Hmac::<sha2::Sha256>::new_from_slice(b"s3cr3t")
        .unwrap()
        .chain_update(body)
        .finalize()
        .into_bytes()
        .to_vec());
    let sha1 = mac(Hmac::<sha1::Sha1>::new_from_slice(b"s3cr3t")
        .unwrap()
        .chain_update(body)
        .finalize()
        .into_bytes()
        .to_vec());
    let signature = [b"sha256=".as_slice(), &sha256].concat();
    let authorization = if random.below(2) == 0 {
        format!("Bearer {token}")
    } else {
        "s3cr3t".into()
    };
    vec![
        ("x-signature", signature.clone()),
        ("x-hub-signature-256", signature),
        ("x-hub-signature", [b"sha1=".as_slice(), &sha1].concat()),
        ("x-nexus-webhook-signature", sha1),
        ("x-gitlab-token", b"s3cr3t".to_vec()),
        ("authorization", authorization.into_bytes()),
        ("content-type", b"application/json".to_vec()),
        ("x-github-event", b"push".to_vec()),
        ("ce-type", b"dev.cdevents.change.merged.0.2.0".to_vec()),
    ]
}

fn headers(pairs: &[(&'static str, Vec<u8>)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        // What cannot be on the wire cannot arrive.
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    headers
}

/// Whether a request holds what proves it, whatever else is in it.
fn is_proven(type_: ReceiverType, pairs: &[(&str, Vec<u8>)], token: &str, as_signed: bool) -> bool {
    let value = |name: &str| {
        let pair = pairs.iter().find(|(known, _)| *known == name);
        pair.map(|(_, value)| value.as_slice()).unwrap_or_default()
    };
    match type_ {
        ReceiverType::GenericHmac | ReceiverType::GitHub | ReceiverType::Bitbucket | ReceiverType::Nexus => {
            as_signed
        }
        ReceiverType::GitLab => value("x-gitlab-token") == b"s3cr3t",
        ReceiverType::Harbor => value("authorization") == b"s3cr3t",
        ReceiverType::Gcr | ReceiverType::GenericOidc => {
            let said = String::from_utf8_lossy(value("authorization")).into_owned();
            said.split_once(' ').is_some_and(|(_, said)| said.trim() == token)
        }
        // Whoever knows the path may ask.
        ReceiverType::Generic
        | ReceiverType::DockerHub
        | ReceiverType::Quay
        | ReceiverType::Acr
        | ReceiverType::CdEvents => true,
    }
}

#[test]
fn fuzz_senders() {
    let mut random = Random::begin();
    let token = tokens::signed(&json!({
        "iss": "https://accounts.google.com", "aud": "notification-controller", "exp": tokens::NOW + 60, "sub": "ci",
        "email": "a@b", "email_verified": true,
    }));
    let credentials = Credentials::of(&[
        ("token", "s3cr3t"),
        ("email", "a@b"),
        ("audience", "notification-controller"),
    ]);
    let keys = tokens::keys();
    let receivers: Vec<_> = TYPES
        .map(|type_| {
            let receiver = receiver(type_);
            let rules = validate(&receiver).unwrap().rules;
            (receiver, rules)
        })
        .into();
    let until = golden::seconds().map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut let_in = [0; 13];
    let mut n = 0;
    while until.map_or(n < QUICK, |until| Instant::now() < until) {
        n += 1;
        let which = random.below(TYPES.len());
        let (receiver, rules) = &receivers[which];
        let sent = BODIES[random.below(BODIES.len())].as_bytes();
        let mut pairs = honest(&mut random, sent, &token);
        // Half of the time the body is changed under its signature, and half of the time a header is.
        let changed = random.below(2) == 0;
        let body = if changed {
            mutate(&mut random, sent)
        } else {
            sent.to_vec()
        };
        if random.below(2) == 0 {
            let at = random.below(pairs.len());
            pairs[at].1 = mutate(&mut random, &pairs[at].1.clone());
        }
        let headers = headers(&pairs);
        let request = Request {
            headers: &headers,
            body: &body,
        };
        let begin = Instant::now();
        let found = sender::token(receiver, request, tokens::NOW);
        let outcome = found.and_then(|found| {
            let signed = found.as_ref().map(|found| (&found.token, &keys));
            sender::check(
                receiver,
                request,
                By {
                    credentials: &credentials,
                    rules,
                    signed,
                    now: tokens::NOW,
                },
            )
        });
        let _ = filter::body(Some("application/json"), &body);
        assert!(
            begin.elapsed() < LONGEST,
            "{:?} takes {:?}: {body:?}",
            TYPES[which],
            begin.elapsed()
        );
        if outcome.is_ok() {
            let_in[which] += 1;
            assert!(
                is_proven(TYPES[which], &pairs, &token, body == sent),
                "{:?} lets in what nobody signed: {pairs:?} {body:?}",
                TYPES[which]
            );
        }
    }
    // A look that lets nobody in sees nothing of what comes after.
    assert!(let_in.iter().all(|count| *count > 0), "{let_in:?}");
}

#[test]
fn fuzz_tokens_and_keys() {
    let mut random = Random::begin();
    let claims = json!({"iss": "https://a.example", "aud": "us", "exp": tokens::NOW + 60});
    let (token, keys) = (tokens::signed(&claims), tokens::keys());
    let published = tokens::published().to_string();
    let until = golden::seconds().map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut n = 0;
    while until.map_or(n < QUICK, |until| Instant::now() < until) {
        n += 1;
        let text = String::from_utf8_lossy(&mutate(&mut random, token.as_bytes())).into_owned();
        if let Ok(parsed) = Unverified::parse(&text)
            && parsed
                .verify(&keys, &["https://a.example"], "us", tokens::NOW)
                .is_ok()
        {
            assert_eq!(text, token, "a token that nobody signed");
        }
        if let Ok(keys) = Keys::parse(&mutate(&mut random, published.as_bytes())) {
            // What is taken for a key is good for nothing but saying no, or is the key.
            let _ =
                Unverified::parse(&token)
                    .unwrap()
                    .verify(&keys, &["https://a.example"], "us", tokens::NOW);
        }
    }
}

#[test]
fn fuzz_targets() {
    let mut random = Random::begin();
    let closed = runtime::access::Access {
        no_cross_namespace_refs: true,
    };
    for _ in 0..QUICK {
        let text = |random: &mut Random, text: &str| {
            String::from_utf8_lossy(&mutate(random, text.as_bytes())).into_owned()
        };
        let objects = ObjectSelector {
            api_version: (random.below(2) == 0).then(|| text(&mut random, "source.toolkit.fluxcd.io/v1")),
            name: text(&mut random, "app"),
            namespace: (random.below(2) == 0).then(|| text(&mut random, "team")),
            match_labels: [(text(&mut random, "app"), text(&mut random, "web"))].into(),
            ..ObjectSelector::default()
        };
        if let Ok(target) = Target::new("team", &objects, closed) {
            assert_eq!(target.namespace, "team");
            let path = format!(
                "{:?}{}{}",
                target.which, target.resource.group, target.resource.version
            );
            assert!(
                !path.contains(['/', '%', '?', '#', '&']) || path.starts_with("Labelled"),
                "{path}"
            );
            assert!(!path.contains("..") || path.starts_with("Labelled"), "{path}");
        }
    }
}
