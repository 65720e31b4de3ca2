//! A port before an API server that has a token and two objects for everybody.

use super::*;
use crate::judges::Judges;
use axum::{
    Router,
    extract::{Path, State},
    routing::{get, patch},
};
use crds::{
    meta::{Condition, LocalReference},
    notification::{ObjectKind, ObjectSelector, ReceiverResource, ReceiverSpec},
};
use runtime::access::Access;
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc;

/// Told each namespace whose Secret is read.
type Reads = mpsc::UnboundedSender<String>;

async fn secret(State(reads): State<Reads>, Path(namespace): Path<String>) -> String {
    let _ = reads.send(namespace);
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "data": {"token": "dG9rZW4="}}).to_string()
}

async fn list() -> String {
    let items = [1, 2].map(|n| json!({"metadata": {"name": format!("app-{n}")}}));
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": {"resourceVersion": "1"}, "items": items,
    })
    .to_string()
}

async fn write() -> String {
    json!({"metadata": {"name": "app"}}).to_string()
}

async fn start() -> (Arc<Port>, Judges, mpsc::UnboundedReceiver<String>) {
    let (reads, seen) = mpsc::unbounded_channel();
    let objects = "/apis/source.toolkit.fluxcd.io/v1/namespaces/{namespace}/gitrepositories";
    let router = Router::new()
        .route("/api/v1/namespaces/{namespace}/secrets/token", get(secret))
        .route(objects, get(list))
        .route(&format!("{objects}/{{name}}"), patch(write))
        .with_state(reads);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
    let effect = Effect::new(client.clone(), Access::default());
    let judges = effect.judges().clone();
    let issuers = Issuers::new("http://127.0.0.1:1/").unwrap();
    (
        Arc::new(Port::new(client, issuers, effect, Arc::default())),
        judges,
        seen,
    )
}

/// A Receiver that is ready, and what a request to it is answered with.
fn receiver(
    port: &Arc<Port>,
    namespace: &str,
    filter: Option<&str>,
) -> impl Future<Output = StatusCode> + use<> {
    let key = Key::new(namespace, "hook");
    let path = webhook_path(b"token", &key);
    let labelled = ReceiverResource {
        filter: filter.map(str::to_owned),
        objects: ObjectSelector {
            kind: ObjectKind::GitRepository,
            name: "*".into(),
            match_labels: BTreeMap::from([("of".into(), "team".into())]),
            ..Default::default()
        },
    };
    let spec = ReceiverSpec {
        resources: vec![labelled],
        secret_ref: Some(LocalReference { name: "token".into() }),
        ..Default::default()
    };
    let mut receiver = Receiver::new("hook", spec);
    receiver.metadata.namespace = Some(namespace.into());
    let ready: Condition = serde_json::from_value(json!({
        "type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    }))
    .unwrap();
    let status = receiver.status.get_or_insert_default();
    status.conditions = vec![ready];
    status.webhook_path = Some(path.clone());
    port.store.put(receiver);
    let new = port.store.get(&key);
    port.changed(&Change { key, old: None, new });
    let (port, request) = (
        port.clone(),
        axum::http::Request::post(path).body(Body::from("{}")),
    );
    async move { port.answer(request.unwrap()).await }
}

#[tokio::test]
async fn who_has_no_filters_does_not_wait_for_those_of_others() {
    let (port, judges, mut secrets) = start().await;
    // The judges are at work for long.
    let busy = [judges.engage("busy-1").await, judges.engage("busy-2").await];
    let mut waiting = Vec::new();
    for _ in 0..8 {
        for namespace in ["a", "b", "c", "d"] {
            waiting.push(tokio::spawn(receiver(&port, namespace, Some("true"))));
        }
    }
    for _ in 0..waiting.len() {
        secrets.recv().await.unwrap();
    }
    let plain = receiver(&port, "plain", None);
    let answered = tokio::time::timeout(Duration::from_secs(10), plain).await;
    assert_eq!(answered, Ok(StatusCode::OK));
    assert!(waiting.iter().all(|one| !one.is_finished()));
    drop(busy);
    for one in waiting {
        assert_eq!(one.await.unwrap(), StatusCode::OK);
    }
}
