use super::*;
use crate::receive::validate::validate;
use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, Uri},
    routing::{get, patch},
};
use crds::{
    meta::LocalReference,
    notification::{ObjectKind, ObjectSelector, ReceiverResource, ReceiverSpec},
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::{Semaphore, mpsc};

/// An API server with 120 GitRepositories in each namespace, of which `bad` is one that nobody may write.
#[derive(Clone)]
struct Server {
    /// The namespace and the number of each page that is asked for, and the name of each object that is written to.
    asked: mpsc::UnboundedSender<String>,
    /// How many more pages of the namespace `slow` are answered.
    pages: Arc<Semaphore>,
}

impl Server {
    async fn start() -> (Self, Effect, mpsc::UnboundedReceiver<String>) {
        let (asked, seen) = mpsc::unbounded_channel();
        let pages = Arc::new(Semaphore::new(0));
        let server = Self { asked, pages };
        let objects = "/apis/source.toolkit.fluxcd.io/v1/namespaces/{namespace}/gitrepositories";
        let router = Router::new()
            .route(objects, get(Self::list))
            .route(&format!("{objects}/{{name}}"), patch(Self::write))
            .with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
        (server, Effect::new(client, Access::default()), seen)
    }

    async fn list(State(server): State<Self>, Path(namespace): Path<String>, uri: Uri) -> String {
        let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let query: BTreeMap<_, _> = query.into_owned().collect();
        let number = |key: &str| query.get(key).and_then(|n| n.parse::<usize>().ok());
        let (from, limit) = (number("continue").unwrap_or(0), number("limit").unwrap());
        let _ = server.asked.send(format!("{namespace} {from}"));
        if namespace == "slow" {
            server.pages.acquire().await.unwrap().forget();
        }
        let until = 120.min(from + limit);
        let name = |n: usize| if n == 7 { "bad".into() } else { format!("app-{n}") };
        let items: Vec<Value> = (from..until)
            .map(|n| json!({"metadata": {"name": name(n), "namespace": namespace}}))
            .collect();
        let more = (until < 120).then(|| until.to_string());
        let list = json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
            "metadata": {"continue": more, "resourceVersion": "1"}, "items": items,
        });
        list.to_string()
    }

    async fn write(
        State(server): State<Self>,
        Path((namespace, name)): Path<(String, String)>,
    ) -> (StatusCode, String) {
        let _ = server.asked.send(name.clone());
        if name == "bad" {
            let failure = json!({"kind": "Status", "status": "Failure", "message": "no", "reason": "Forbidden", "code": 403});
            return (StatusCode::FORBIDDEN, failure.to_string());
        }
        let object = json!({"metadata": {"name": name, "namespace": namespace}});
        (StatusCode::OK, object.to_string())
    }
}

fn named(name: &str) -> ReceiverResource {
    ReceiverResource {
        filter: None,
        objects: ObjectSelector {
            kind: ObjectKind::GitRepository,
            name: name.into(),
            ..Default::default()
        },
    }
}

fn labelled(label: &str, filter: Option<&str>) -> ReceiverResource {
    let mut resource = named("*");
    resource.objects.match_labels = BTreeMap::from([("of".into(), label.into())]);
    resource.filter = filter.map(str::to_owned);
    resource
}

/// A Receiver of these, and a request that it takes.
fn receiver(namespace: &str, resources: Vec<ReceiverResource>) -> (Receiver, Arc<Asked>) {
    let spec = ReceiverSpec {
        resources,
        secret_ref: Some(LocalReference { name: "token".into() }),
        ..Default::default()
    };
    let mut receiver = Receiver::new("hook", spec);
    receiver.metadata.namespace = Some(namespace.into());
    let asked = Asked {
        validated: Arc::new(validate(&receiver).unwrap()),
        told: Told::default(),
    };
    (receiver, Arc::new(asked))
}

async fn request(effect: &Effect, namespace: &str, resources: Vec<ReceiverResource>) -> Vec<String> {
    let (receiver, asked) = receiver(namespace, resources);
    let errors = effect.request(&receiver, asked).await;
    errors.iter().map(ToString::to_string).collect()
}

fn all(seen: &mut mpsc::UnboundedReceiver<String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    while let Ok(one) = seen.try_recv() {
        *counts.entry(one).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn however_many_entries_mean_an_object_it_is_asked_once() {
    let (_server, effect, mut seen) = Server::start().await;
    let mut resources = vec![labelled("team", None); 300];
    resources.extend(vec![named("app-3"); 300]);
    resources.push(labelled("team", Some("true")));
    resources.push(labelled("team", Some("res.metadata.name != 'app-5'")));
    resources.extend([named("bad"), named("bad"), named("bad/status")]);
    let mut errors = request(&effect, "team", resources).await;
    errors.sort();
    let expected = [
        "'bad/status' cannot be the name of an object",
        "failed to annotate GitRepository/bad.team",
    ];
    assert_eq!(errors, expected);
    let seen = all(&mut seen);
    let pages: Vec<_> = seen
        .iter()
        .filter(|(what, _)| what.starts_with("team "))
        .collect();
    let of_three = |page: &str| (page.to_owned(), 3);
    let expected = ["team 0", "team 100", "team 50"].map(of_three);
    assert!(
        pages.into_iter().eq(expected.iter().map(|(page, n)| (page, n))),
        "{seen:?}"
    );
    assert_eq!(seen.len(), 3 + 120);
    assert!(
        seen.iter().all(|(what, n)| what.starts_with("team ") || *n == 1),
        "{seen:?}"
    );
    // The next request asks again.
    assert!(request(&effect, "team", vec![named("app-3")]).await.is_empty());
}

#[tokio::test]
async fn no_page_is_asked_for_before_it_has_a_place() {
    let (server, effect, mut seen) = Server::start().await;
    let slow = effect.clone();
    let entries = || {
        (0..20)
            .map(|n| labelled(&format!("l{n}"), Some("false")))
            .collect()
    };
    let request_of_many = tokio::spawn(async move { request(&slow, "slow", entries()).await });
    for _ in 0..PAGES_OF_ONE {
        assert_eq!(seen.recv().await.unwrap(), "slow 0");
    }
    // Others are served meanwhile, from beginning to end; by then more would have been asked for.
    let others = request(&effect, "other", vec![labelled("a", Some("false"))]);
    let errors = tokio::time::timeout(Duration::from_secs(120), others).await;
    assert_eq!(errors, Ok(Vec::new()), "they have places of their own");
    let counts = all(&mut seen);
    let expected = ["other 0", "other 100", "other 50"].map(|page| (page.to_owned(), 1));
    assert_eq!(counts, BTreeMap::from(expected), "no third page of one namespace");
    server.pages.add_permits(3 * 20);
    assert!(request_of_many.await.unwrap().is_empty());
    assert_eq!(all(&mut seen).values().sum::<usize>(), 3 * 20 - PAGES_OF_ONE);
}

#[tokio::test]
async fn entries_without_a_filter_do_not_wait_until_others_are_judged() {
    let (_server, effect, mut seen) = Server::start().await;
    // The judges are at work for long.
    let judges = effect.judges();
    let busy = [judges.engage("busy-1").await, judges.engage("busy-2").await];
    let filtered = ["a", "b", "c", "d"].map(|namespace| {
        let effect = effect.clone();
        let entries = vec![labelled("x", Some("false")), labelled("y", Some("false"))];
        tokio::spawn(async move { request(&effect, namespace, entries).await })
    });
    for _ in 0..PAGES {
        assert!(seen.recv().await.unwrap().ends_with(" 0"));
    }
    let plain = request(&effect, "plain", vec![labelled("x", None)]);
    let errors = tokio::time::timeout(Duration::from_secs(120), plain).await;
    assert_eq!(errors.unwrap(), ["failed to annotate GitRepository/bad.plain"]);
    assert!(filtered.iter().all(|request| !request.is_finished()));
    drop(busy);
    for request in filtered {
        assert!(request.await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_took_too_long_is_said_once_for_all_pages() {
    let (_server, effect, mut seen) = Server::start().await;
    let (receiver, asked) = receiver("team", vec![labelled("a", Some("true"))]);
    let errors = effect.carry_out(&receiver, Case::late(asked)).await;
    assert!(matches!(errors[..], [EffectError::TooMuch { .. }]), "{errors:?}");
    assert_eq!(all(&mut seen), BTreeMap::from([("team 0".to_owned(), 1)]));
}

#[test]
fn times_are_as_go_prints_them() {
    for (nanoseconds, running, expected) in [
        (
            1_700_000_000_120_000_000,
            130_408_580_205,
            "2023-11-14 22:13:20.12 +0000 UTC m=+130.408580205",
        ),
        (
            1_700_000_000_000_000_000,
            5,
            "2023-11-14 22:13:20 +0000 UTC m=+0.000000005",
        ),
    ] {
        let now = Timestamp::from_nanosecond(nanoseconds).unwrap();
        assert_eq!(go_time(now, running), expected);
    }
}
