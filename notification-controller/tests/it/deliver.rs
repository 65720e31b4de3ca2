//! Messages are sent over real connections, and what comes of them is told without secrets.

use crate::sink::{Reply, Sink};
use crds::notification::{Alert, Provider, ProviderSpec, ProviderType};
use k8s_openapi::{
    api::core::v1::ObjectReference,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::CustomResourceExt as _;
use notification_controller::{
    event::{Event, Marks, Severity},
    message::{Again, DeliveryError, Letter, Sent, deliver},
    provider::{Held, Peers, Service, assemble},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_rustls::rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};

pub type Pairs<'a> = &'a [(&'a str, &'a str)];

pub fn data(pairs: Pairs<'_>) -> BTreeMap<String, Vec<u8>> {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), value.as_bytes().to_vec());
    pairs.iter().map(pair).collect()
}

pub fn spec(kind: ProviderType, address: &str) -> ProviderSpec {
    ProviderSpec {
        type_: kind,
        address: Some(address.into()),
        timeout: Some("5s".into()),
        ..ProviderSpec::default()
    }
}

pub fn service(spec: ProviderSpec, held: Held) -> Service {
    let provider = Provider {
        metadata: ObjectMeta {
            name: Some("chat".into()),
            namespace: Some("apps".into()),
            uid: Some("0c9c2e41-d2f9-4f9b-9c41-bebc1984d67a".into()),
            ..ObjectMeta::default()
        },
        spec,
    };
    assemble(&provider, &held, &Arc::new(Peers::default())).unwrap()
}

pub fn with_secret(kind: ProviderType, address: &str, secret: Pairs<'_>) -> Service {
    let auth = Some(data(secret));
    service(
        spec(kind, address),
        Held {
            auth,
            ..Held::default()
        },
    )
}

pub fn event() -> Event {
    Event {
        involved_object: ObjectReference {
            api_version: Some("kustomize.toolkit.fluxcd.io/v1".into()),
            kind: Some("Kustomization".into()),
            name: Some("web".into()),
            namespace: Some("apps".into()),
            uid: Some("5a7b2e41-0000-4f9b-9c41-bebc1984d67a".into()),
            ..ObjectReference::default()
        },
        severity: Severity::Error,
        timestamp: Time("2026-08-01T10:20:30Z".parse().unwrap()),
        message: "Health check failed".into(),
        reason: "HealthCheckFailed".into(),
        metadata: BTreeMap::from([(
            "revision".into(),
            "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35".into(),
        )]),
        reporting_controller: "kustomize-controller".into(),
        reporting_instance: "kustomize-controller-0".into(),
    }
}

/// As an alert tells it that adds nothing of its own.
pub async fn tell(service: &Service, event: &Event) -> Result<Sent, DeliveryError> {
    let has = |key: &str| event.metadata.contains_key(key);
    let alert = Alert {
        metadata: ObjectMeta {
            name: Some("alert".into()),
            namespace: Some("apps".into()),
            uid: Some("7d1e0000-d2f9-4f9b-9c41-bebc1984d67a".into()),
            ..ObjectMeta::default()
        },
        ..Alert::default()
    };
    let letter = Letter {
        event,
        alert: &alert,
        idempotency_key: "0123456789abcdef",
        ends_failure: false,
        marks: Marks {
            update: has("commit_status"),
            commit: has("commit"),
            change_request: has("change_request"),
        },
    };
    deliver(service, letter).await
}

#[tokio::test]
async fn an_event_arrives_and_the_connection_is_kept() {
    let sink = Sink::start(|_| Reply::status("202 Accepted")).await;
    let service = with_secret(
        ProviderType::GenericHmac,
        &sink.url("/hook"),
        &[("token", "t0ken"), ("headers", "X-Team: core")],
    );
    for _ in 0..3 {
        assert_eq!(tell(&service, &event()).await, Ok(Sent::Delivered));
    }
    let seen = sink.seen();
    let body: serde_json::Value = serde_json::from_str(&seen[0].body).unwrap();
    assert_eq!(body, serde_json::to_value(event()).unwrap());
    for line in [
        "POST /hook HTTP/1.1\n",
        "content-type: application/json\n",
        "gotk-component: kustomize-controller\n",
        "x-team: core\n",
        "x-signature: sha256=",
    ] {
        assert!(seen[0].head.contains(line), "{line} in {}", seen[0].head);
    }
    assert_eq!((seen.len(), sink.connections()), (3, 1));
}

#[tokio::test]
async fn headers_of_a_secret_do_not_frame_the_message() {
    let sink = Sink::start(|_| Reply::status("200 OK")).await;
    let headers = "Content-Length: '3'\nTransfer-Encoding: chunked\nHost: evil.example\nConnection: close\nX-Team: core\n";
    let service = with_secret(ProviderType::Generic, &sink.url("/"), &[("headers", headers)]);
    for _ in 0..2 {
        assert_eq!(tell(&service, &event()).await, Ok(Sent::Delivered));
    }
    let seen = &sink.seen()[1];
    assert_eq!(seen.body, serde_json::to_string(&event()).unwrap());
    assert!(
        seen.head.contains("x-team: core\n") && !seen.head.contains("evil"),
        "{}",
        seen.head
    );
    assert!(
        !seen.head.contains("chunked") && sink.connections() == 1,
        "{}",
        seen.head
    );
}

#[tokio::test]
async fn what_an_answer_means() {
    for (status, expected) in [
        ("200 OK", None),
        ("204 No Content", None),
        ("303 See Other\r\nlocation: /thanks", None),
        (
            "429 Slow\r\nretry-after: 7",
            Some(Again::After(Duration::from_secs(7))),
        ),
        (
            "503 Down\r\nretry-after: 999999",
            Some(Again::After(Duration::from_secs(3600))),
        ),
        ("429 Slow", Some(Again::Later)),
        ("500 Oops", Some(Again::Later)),
        ("408 Late", Some(Again::Later)),
        ("401 Who", Some(Again::Later)),
        ("403 No", Some(Again::Later)),
        ("404 Where", Some(Again::Later)),
        ("405 How", Some(Again::Later)),
        ("410 Gone", Some(Again::Later)),
        ("304 Same", Some(Again::Later)),
        ("400 Bad", Some(Again::Never)),
        ("413 Much", Some(Again::Never)),
        ("422 What", Some(Again::Never)),
    ] {
        let sink = Sink::start(move |_| Reply::status(status)).await;
        let service = with_secret(ProviderType::Generic, &sink.url("/"), &[]);
        let outcome = tell(&service, &event()).await;
        assert_eq!(outcome.err().map(|error| error.again), expected, "{status}");
        assert_eq!(sink.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn peers_that_do_not_answer_hang_nothing() {
    for reply in [Reply::Silence, Reply::HangUp] {
        let reply = move |_: &_| reply.clone();
        let sink = Sink::start(reply).await;
        let mut spec = spec(ProviderType::Generic, &sink.url("/"));
        spec.timeout = Some("200ms".into());
        let outcome = tell(&service(spec, Held::default()), &event()).await;
        assert_eq!(outcome.unwrap_err().again, Again::Later);
    }
    let closed = with_secret(ProviderType::Generic, "http://127.0.0.1:1/", &[]);
    assert_eq!(tell(&closed, &event()).await.unwrap_err().again, Again::Later);
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let sink = Sink::start(|_| Reply::Endless).await;
    let service = with_secret(ProviderType::Generic, &sink.url("/"), &[]);
    let error = tell(&service, &event()).await.unwrap_err();
    assert_eq!(error.again, Again::Never);
    assert!(error.message.len() < 1000, "{}", error.message.len());
}

#[tokio::test]
async fn redirects_on_the_host_keep_the_message_and_others_are_refused() {
    let other = Sink::start(|_| Reply::status("200 OK")).await;
    let there = other.url("/taken");
    let sink = Sink::start(move |seen| match seen.head.split(' ').nth(1) {
        Some("/moved") => Reply::status("301 Moved\r\nlocation: /new"),
        Some("/away") => Reply::status(&format!("307 Away\r\nlocation: {there}")),
        Some("/round") => Reply::status("308 Round\r\nlocation: /round"),
        _ => Reply::status("200 OK"),
    })
    .await;
    let signed = |path: &str| with_secret(ProviderType::GenericHmac, &sink.url(path), &[("token", "t0ken")]);
    assert_eq!(tell(&signed("/moved"), &event()).await, Ok(Sent::Delivered));
    let seen = sink.seen();
    assert!(seen[1].head.starts_with("POST /new ") && seen[1].body == seen[0].body);

    let error = tell(&signed("/away"), &event()).await.unwrap_err();
    assert!(error.message.contains("must not get the credentials"), "{error}");
    assert!(other.seen().is_empty());
    let plain = with_secret(ProviderType::Generic, &sink.url("/away"), &[]);
    assert_eq!(tell(&plain, &event()).await, Ok(Sent::Delivered));
    assert_eq!(other.seen().len(), 1);

    let error = tell(&signed("/round"), &event()).await.unwrap_err();
    assert!(error.message.contains("without end"), "{error}");
}

#[tokio::test]
async fn a_proxy_is_asked_with_its_login() {
    let proxy = Sink::start(|_| Reply::status("200 OK")).await;
    let held = Held {
        proxy: Some(data(&[
            ("address", &proxy.url("")),
            ("username", "me"),
            ("password", "pass"),
        ])),
        ..Held::default()
    };
    let service = service(spec(ProviderType::Generic, "http://nowhere.invalid/hook"), held);
    assert_eq!(tell(&service, &event()).await, Ok(Sent::Delivered));
    let head = &proxy.seen()[0].head;
    assert!(
        head.starts_with("POST http://nowhere.invalid/hook HTTP/1.1\n"),
        "{head}"
    );
    assert!(
        head.contains("proxy-authorization: Basic bWU6cGFzcw==\n"),
        "{head}"
    );
}

#[tokio::test]
async fn a_ca_of_ones_own_and_a_certificate_of_ones_own() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let issue = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &ca)
            .unwrap();
        (certificate, key)
    };
    let (server, server_key) = issue("localhost");
    let (client, client_key) = issue("me");
    let mut roots = tokio_rustls::rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(ca.der().to_vec())).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let verifier = tokio_rustls::rustls::server::WebPkiClientVerifier::builder_with_provider(
        roots.into(),
        provider.clone(),
    );
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![server.der().clone()],
            PrivateKeyDer::try_from(server_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let sink = Sink::with_tls(config, |_| Reply::status("200 OK")).await;
    let url = format!("https://localhost:{}/", sink.address.port());
    let (ca, client, client_key) = (ca.pem(), client.pem(), client_key.serialize_pem());
    let with = |pairs: Pairs<'_>| Held {
        certificates: (!pairs.is_empty()).then(|| data(pairs)),
        ..Held::default()
    };
    for (pairs, works) in [
        (
            &[
                ("ca.crt", ca.as_str()),
                ("tls.crt", &client),
                ("tls.key", &client_key),
            ][..],
            true,
        ),
        (
            &[("caFile", &ca), ("certFile", &client), ("keyFile", &client_key)],
            true,
        ),
        (&[("ca.crt", &ca)], false),
        (&[], false),
    ] {
        let outcome = tell(&service(spec(ProviderType::Generic, &url), with(pairs)), &event()).await;
        assert_eq!(outcome.is_ok(), works, "{outcome:?}");
    }
}

/// Every type, as its definition lists them.
fn every_type() -> Vec<ProviderType> {
    let definition = serde_json::to_value(Provider::crd()).unwrap();
    let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    serde_json::from_value(spec["properties"]["type"]["enum"].clone()).unwrap()
}

/// An address of a type at `place`.
fn address(kind: ProviderType, place: &str) -> String {
    use ProviderType::*;
    match kind {
        Slack | Discord | MsTeams | Rocket | Generic | GenericHmac | GoogleChat | Webex | Lark | Matrix
        | Zulip | Zoom | Opsgenie | Alertmanager | Grafana | PagerDuty | Datadog | Otel | IncidentIo => {
            format!("{place}/services/T0000/B0000/abcdefghijklmnop")
        }
        GitHub
        | GitLab
        | Gitea
        | Bitbucket
        | GitHubDispatch
        | Telegram
        | GitHubPullRequestComment
        | GitLabMergeRequestComment
        | GiteaPullRequestComment => format!("{place}/acme/web"),
        BitbucketServer => format!("{place}/scm/proj/web.git"),
        AzureDevOps => format!("{place}/org/proj/_git/web"),
        Sentry => format!("{}/1", place.replace("://", "://dsnkey0123@")),
        AzureEventHub => {
            format!("Endpoint={place}/;SharedAccessKeyName=n;SharedAccessKey=sharedkey0123;EntityPath=flux")
        }
        Nats => place.replace("http://", "nats://"),
        GooglePubSub => "acme".into(),
    }
}

#[tokio::test]
async fn what_a_peer_repeats_of_a_secret_is_not_told() {
    // Only the beginning of an answer is told, so what matters comes first.
    let sink = Sink::start(|seen| {
        let boring = [
            "content-",
            "accept",
            "user-agent",
            "host",
            "x-github",
            "x-atlassian",
            "x-requested",
        ];
        let lines = seen
            .head
            .lines()
            .filter(|line| !boring.iter().any(|name| line.starts_with(name)));
        let told = format!("you sent {} {}", lines.collect::<Vec<_>>().join(" "), seen.body);
        Reply::Text("400 Bad".into(), told.into_bytes())
    })
    .await;
    let types = every_type();
    assert!(types.contains(&ProviderType::Slack) && types.contains(&ProviderType::IncidentIo));
    for kind in types {
        let address = address(kind, &sink.url(""));
        let token = match kind {
            ProviderType::Bitbucket => "bituser:xoxb-123456",
            _ => "xoxb-123456\n",
        };
        let secret = [
            ("token", token),
            ("headers", "X-Key: k3y-of-mine"),
            ("username", "me"),
            ("password", "pa55 w0rd\"!"),
            ("proxy", ""),
        ];
        let mut spec = spec(kind, &address);
        spec.channel = Some(
            if kind == ProviderType::PagerDuty {
                "routing-k3y"
            } else {
                "room/topic"
            }
            .into(),
        );
        if kind == ProviderType::Nats {
            spec.channel = Some("subject".into());
        }
        let auth = Some(data(&secret));
        let service = service(
            spec,
            Held {
                auth,
                ..Held::default()
            },
        );
        let mut event = event();
        event.metadata.insert("change_request".into(), "1".into());
        let error = tell(&service, &event).await.unwrap_err();
        let shown = format!("{error} {error:?} {service:?}");
        for hidden in [
            "xoxb-123456",
            "eG94Yi0xMjM0NTY",
            "k3y-of-mine",
            "pa55",
            "w0rd",
            "bWU6cGE1NSB3MHJkIiE",
            "abcdefghijklmnop",
            "T0000",
            "routing-k3y",
            "dsnkey0123",
            "sharedkey0123",
            "SharedAccessSignature sr=",
        ] {
            assert!(!shown.contains(hidden), "{kind:?} tells {hidden}: {shown}");
        }
        match kind {
            // These say something of their own.
            ProviderType::Nats | ProviderType::GooglePubSub => {}
            _ => assert!(shown.contains("you sent "), "{kind:?}: {shown}"),
        }
    }
}
