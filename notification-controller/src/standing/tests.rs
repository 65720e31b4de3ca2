use super::*;
use crate::outbox::example;
use axum::{Router, extract::State, http::StatusCode, routing::patch};
use serde_json::Value;
use tokio::sync::mpsc;

/// An API server with the status of one alert, which heeds versions and tells what it was asked to write.
#[derive(Clone)]
struct Server {
    alert: Arc<Mutex<Value>>,
    asked: mpsc::UnboundedSender<(u16, Value)>,
}

impl Server {
    async fn start(alert: Value) -> (Self, Client, mpsc::UnboundedReceiver<(u16, Value)>) {
        let (asked, writes) = mpsc::unbounded_channel();
        let server = Self {
            alert: Arc::new(Mutex::new(alert)),
            asked,
        };
        let status = "/apis/notification.toolkit.fluxcd.io/v1beta3/namespaces/team/alerts/all/status";
        let router = Router::new()
            .route(status, patch(Self::patched))
            .with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = kube::Config::new(url.parse().unwrap());
        (server, Client::try_from(config).unwrap(), writes)
    }

    async fn patched(State(server): State<Self>, body: String) -> (StatusCode, String) {
        let body: Value = serde_json::from_str(&body).unwrap();
        let mut alert = server.alert.lock().unwrap();
        let same = body["metadata"]["resourceVersion"] == alert["metadata"]["resourceVersion"];
        let code = if same {
            StatusCode::OK
        } else {
            StatusCode::CONFLICT
        };
        let _ = server.asked.send((code.as_u16(), body["status"].clone()));
        if !same {
            let failure = json!({"kind": "Status", "status": "Failure", "message": "", "reason": "Conflict", "code": 409});
            return (code, failure.to_string());
        }
        for (field, value) in body["status"].as_object().unwrap() {
            alert["status"][field] = value.clone();
        }
        alert["status"]
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        alert["metadata"]["resourceVersion"] = json!("100");
        (code, alert.to_string())
    }
}

fn alert(version: &str, status: &Value) -> Value {
    json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3", "kind": "Alert",
        "metadata": {"namespace": "team", "name": "all", "uid": "a", "resourceVersion": version},
        "spec": {"providerRef": {"name": "sink"}, "eventSources": []}, "status": status,
    })
}

fn item(uid: &str) -> Item {
    Item {
        alert_uid: uid.into(),
        ..example::item("1", "a", "R", "m")
    }
}

/// A replica that knows the alert so.
fn replica(client: &Client, known: Value) -> Arc<Standing> {
    let alerts = Arc::new(Store::<Alert>::default());
    alerts.put(serde_json::from_value(known).unwrap());
    let recorder = Recorder::new(client.clone(), "test");
    let standing = Arc::new(Standing::new(alerts, Arc::default(), recorder));
    let (writes, client) = (standing.clone(), client.clone());
    tokio::spawn(async move { writes.write(client).await });
    standing
}

async fn next(writes: &mut mpsc::UnboundedReceiver<(u16, Value)>) -> (u16, Value) {
    let next = tokio::time::timeout(Duration::from_secs(30), writes.recv()).await;
    next.unwrap().unwrap()
}

#[tokio::test]
async fn a_standby_says_nothing_of_what_waits_at_the_leader() {
    let sink = Key::new("team", "sink");
    let said = json!({"waiting": 5, "deadLetters": 3});
    let (server, client, mut writes) = Server::start(alert("1", &said)).await;
    let standby = replica(&client, alert("1", &said));
    standby.settled(&sink, &item("a"));
    assert!(standby.lock().is_empty(), "nothing of its own is wrong");

    // What it gives up itself is counted with what others have given up.
    standby.given_up(&sink, &item("a"), "no");
    let (code, mut written) = next(&mut writes).await;
    assert_eq!(
        (code, written["lastFailure"]["message"].take()),
        (200, json!("no"))
    );
    assert_eq!(written["deadLetters"], 4);
    assert_eq!(written.get("waiting"), None);
    assert_eq!(server.alert.lock().unwrap()["status"]["waiting"], 5);

    // The next leader puts right what the last one said.
    let known = server.alert.lock().unwrap().clone();
    let leader = replica(&client, known);
    leader.lead();
    leader.settled(&sink, &item("a"));
    assert_eq!(next(&mut writes).await, (200, json!({"waiting": null})));
}

#[tokio::test]
async fn what_another_replica_has_written_meanwhile_stays() {
    let sink = Key::new("team", "sink");
    let (server, client, mut writes) = Server::start(alert("2", &json!({"deadLetters": 7}))).await;
    let standing = replica(&client, alert("1", &json!({"deadLetters": 3})));
    standing.given_up(&sink, &item("a"), "no");
    let (code, written) = next(&mut writes).await;
    assert_eq!((code, &written["deadLetters"]), (409, &json!(4)));
    // As the watch does.
    let now = server.alert.lock().unwrap().clone();
    standing.alerts.put(serde_json::from_value(now).unwrap());
    loop {
        // It may have tried again before.
        let (code, written) = next(&mut writes).await;
        if code == 200 {
            assert_eq!(written["deadLetters"], 8);
            return;
        }
    }
}

#[tokio::test]
async fn an_alert_of_the_same_name_begins_without_troubles() {
    let sink = Key::new("team", "sink");
    let (_server, client, mut writes) = Server::start(alert("9", &json!({}))).await;
    let standing = replica(&client, alert("9", &json!({})));
    standing.given_up(&sink, &item("the one before"), "no");
    standing.given_up(&sink, &item("a"), "yes");
    let (code, written) = next(&mut writes).await;
    assert_eq!((code, &written["deadLetters"]), (200, &json!(1)));
    assert_eq!(written["lastFailure"]["message"], "yes");
}
