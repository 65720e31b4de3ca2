//! Any event, address, channel and Secret gives a request or an error that says no secret; nothing panics.

use super::{
    Again, DeliveryError, Letter, Request, Sent, alertmanager, chat, comment, datadog, event_hub,
    example::{event, provider, service_of, with_letter},
    generic, git, github_api, google_chat, grafana, incident_io, lark, markdown, matrix, nats, opsgenie,
    otel, pagerduty, pubsub, sentry, slack, status, teams, telegram, wants, webex, zoom, zulip,
};
use crate::{
    event::{Event, Severity},
    provider::{Answer, Secret, Service, asked},
};
use crds::notification::ProviderType;
use proptest::prelude::*;
use serde_json::json;

type Room = fn(&Service, Letter<'_>) -> Result<Request, DeliveryError>;

/// What every room makes of a letter.
fn everything(service: &Service, letter: Letter<'_>) -> Vec<Result<Vec<Request>, DeliveryError>> {
    let token = service.auth.token.clone();
    let token = token.unwrap_or_else(|| Secret::new("user:pass"));
    let one: [Room; 21] = [
        alertmanager::request,
        chat::discord,
        chat::rocket,
        datadog::request,
        generic::request,
        generic::signed_request,
        google_chat::request,
        grafana::request,
        incident_io::request,
        lark::request,
        matrix::request,
        opsgenie::request,
        otel::request,
        sentry::request,
        slack::request,
        teams::request,
        telegram::request,
        webex::request,
        zoom::request,
        zulip::request,
        |service, letter| event_hub::request(service, None, letter, 1, ".servicebus.windows.net"),
    ];
    let mut all: Vec<_> = one
        .iter()
        .map(|room| room(service, letter).map(|request| vec![request]))
        .collect();
    all.push(pagerduty::requests(service, letter));
    all.push(pubsub::request(service, &token, letter).map(|request| vec![request]));
    all.push(github_api::dispatch(service, &token, letter).map(|request| vec![request]));
    all.push(git::commit(letter.event).map(|_| Vec::new()));
    all.push(nats::publish(&serde_json::Value::Null, service, letter).map(|_| Vec::new()));
    let servers = nats::servers(service);
    let proofs = servers.and_then(|servers| {
        servers
            .iter()
            .map(|server| nats::proof(service, server))
            .collect()
    });
    all.push(proofs.map(|_: Vec<_>| Vec::new()));
    all.extend(status::everything(service, &token, letter));
    all.extend(comment::everything(service, letter));
    let _ = (
        markdown::post(letter.event, 100),
        wants(service.kind, letter.event, letter.marks, letter.ends_failure),
    );
    all
}

fn any_event() -> impl Strategy<Value = Event> {
    let text = || "(?s).{0,40}|[a-zA-Z/:@.-]{0,20}|[<>&\"\\\\*_`~|\\r\\n🚨ß]{0,30}";
    let metadata = proptest::collection::btree_map(text(), text(), 0..5);
    let severity = prop_oneof![Just(Severity::Info), Just(Severity::Error), Just(Severity::Trace)];
    (
        severity,
        text(),
        "(?s).{0,2000}",
        text(),
        text(),
        metadata,
        -4_000_000_000i64..4_000_000_000,
    )
        .prop_map(|(severity, name, message, reason, controller, metadata, time)| {
            let mut event = event(severity);
            event.involved_object.name = Some(name.clone());
            event.involved_object.kind = Some(reason.clone());
            event.involved_object.uid = None;
            event.reporting_controller = controller;
            event.timestamp.0 = jiff::Timestamp::from_second(time).unwrap();
            (event.message, event.reason, event.metadata) = (message, reason, metadata);
            // Hosts of Git are asked about such an event only.
            if time % 2 == 0 {
                let facts = [
                    ("commit", "221a93568e4c3e453a2bbde6b488ce3606e39b35"),
                    ("change_request", "12"),
                ];
                let facts = facts.map(|(key, value)| (key.to_owned(), value.to_owned()));
                event.metadata.extend(facts);
            }
            event
        })
}

fn any_address() -> impl Strategy<Value = String> {
    prop_oneof![
        "(?s).{0,40}",
        "(https?|ssh|sb|nats|tls|data|file)://[a-z0-9:@.\\[\\]%-]{0,20}(/[a-z0-9%.~-]{0,6}){0,5}(\\?.{0,10})?",
        "[a-z@.]{0,9}:[a-z/.]{0,12}",
        "Endpoint=(sb|https)://[a-z.]{0,9}/?;SharedAccessKeyName=.{0,5};SharedAccessKey=.{0,9};EntityPath=.{0,9}",
    ]
}

/// A peer may repeat a secret where its words are cut.
#[test]
fn no_part_of_a_secret_is_told_of_an_answer() {
    let secret = [("token", "s3cret-0123456789")];
    let service = service_of(&provider(ProviderType::Slack, "https://h.example/x"), &secret).unwrap();
    type Check = fn(&Answer, &Service) -> Result<Sent, DeliveryError>;
    let checks: [(Check, &str); 3] = [
        (slack::check, r#"{"ok":false,"error":"SAID"}"#),
        (lark::check, r#"{"code":1,"msg":"SAID"}"#),
        (
            otel::check,
            r#"{"partialSuccess":{"rejectedSpans":1,"errorMessage":"SAID"}}"#,
        ),
    ];
    for (check, body) in checks {
        for before in [189, 192, 195, 289, 292, 295] {
            let said = format!("{}{}", "x".repeat(before), secret[0].1);
            let answer = Answer {
                status: reqwest::StatusCode::OK,
                retry_after: None,
                body: body.replace("SAID", &said).into(),
            };
            let error = check(&answer, &service).unwrap_err();
            assert!(
                error.message.contains("xxx") && !error.message.contains("s3c"),
                "{error}"
            );
        }
    }
}

proptest! {
    #[test]
    fn no_event_keeps_others_waiting(event in any_event()) {
        let mut provider = provider(ProviderType::Generic, "https://key@h.example/acme/web");
        provider.spec.channel = Some("room/topic".into());
        let secret = [("token", "user:pass"), ("username", "user"), ("password", "pass")];
        let service = service_of(&provider, &secret).unwrap();
        for made in with_letter(&event, |letter| everything(&service, letter)) {
            match made {
                Ok(_) => {}
                // The one address is none of everything: of a list of servers, of Bitbucket Server, of Azure DevOps.
                Err(error) if error.message.contains("the address of the Provider") => {}
                Err(error) => prop_assert_eq!(error.again, Again::Never, "{}", error),
            }
        }
    }

    #[test]
    fn nothing_panics_and_nothing_is_told(
        event in any_event(),
        address in any_address(),
        channel in "(?s).{0,20}|[a-z]{1,5}/[a-z]{1,5}",
        token in "s3cret-[a-z0-9]{9}(\r?\n)?|s3cret\u{0}.{0,9}",
    ) {
        let account = json!({"client_email": token, "private_key": token, "token_uri": address}).to_string();
        for key in [&token, &account] {
            let made = asked(&Secret::new(key.as_str()), std::time::UNIX_EPOCH);
            prop_assert!(!format!("{made:?}").contains("s3cret"), "{made:?}");
        }
        let mut provider = provider(ProviderType::Generic, &address);
        provider.spec.channel = Some(channel);
        for secret in [
            vec![("token", token.as_str()), ("headers", "X-Key: s3cret-header"), ("creds", &token), ("nkey", &token)],
            vec![("token", token.as_str()), ("username", "me"), ("password", &token)],
            vec![],
        ] {
            let service = service_of(&provider, &secret).unwrap();
            for made in with_letter(&event, |letter| everything(&service, letter)) {
                let shown = format!("{made:?} {service:?}");
                prop_assert!(!shown.contains("s3cret"), "{shown}");
                let requests = made.unwrap_or_default();
                prop_assert!(requests.iter().all(|request| matches!(request.url.scheme(), "http" | "https")));
            }
        }
    }
}
