//! How much is saved at once, and that what was begun is ended.

use super::*;
use crate::outbox::example;
use http::{Method, Request, Response};
use kube::client::Body;
use std::convert::Infallible;
use tokio::sync::Semaphore;

#[test]
fn who_has_saved_much_pauses_long() {
    assert_eq!(pause_after(0), PAUSES.0);
    let lane = pause_after(crate::outbox::LANE_BYTES);
    assert!(lane >= Duration::from_secs(3), "{lane:?}");
    // Five minutes of whatever may wait, as long as the store keeps it: far from the two GiB that it has by default.
    let (mut at, mut written) = (Duration::ZERO, 0);
    while at < Duration::from_secs(300) {
        written += crate::outbox::ALL_BYTES;
        at += pause_after(crate::outbox::ALL_BYTES);
    }
    assert!(written < 400 << 20, "{written}");
}

/// An API server that takes changes when it may, and knows what it has taken.
#[derive(Clone)]
struct Server {
    asked: Arc<Notify>,
    may: Arc<Semaphore>,
    /// What it takes no changes of.
    refused: Arc<Mutex<Option<String>>>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new() -> Self {
        Self {
            asked: Arc::default(),
            may: Arc::new(Semaphore::new(0)),
            refused: Arc::default(),
            taken: Arc::default(),
        }
    }

    fn client(&self) -> Client {
        let this = self.clone();
        let answer = move |request: Request<Body>| {
            let this = this.clone();
            async move { Ok::<_, Infallible>(this.answer(request).await) }
        };
        Client::new(tower::service_fn(answer), "flux-system")
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let body = request.into_body().collect_bytes().await.unwrap();
        if self
            .refused
            .lock()
            .unwrap()
            .as_ref()
            .is_some_and(|name| path.ends_with(name))
        {
            let mut away = Response::new(Body::from(Vec::new()));
            *away.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            return away;
        }
        if method != Method::GET {
            self.asked.notify_one();
            let _place = self.may.acquire().await.unwrap();
            let change = format!("{method} {path} {}", String::from_utf8_lossy(&body));
            self.taken.lock().unwrap().push(change);
        }
        let told = match method {
            Method::DELETE => json!({"apiVersion": "v1", "kind": "Status", "status": "Success"}),
            _ => {
                json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "x"}})
            }
        };
        Response::new(Body::from(told.to_string().into_bytes()))
    }
}

fn memory(server: &Server) -> Arc<Memory> {
    Arc::new(Memory {
        maps: Maps::of(server.client(), "flux-system"),
        outbox: Arc::default(),
        digests: Arc::default(),
        inside: Mutex::default(),
        changed: Notify::new(),
        saves: tokio::sync::Mutex::default(),
        since: [Timestamp::UNIX_EPOCH; SHARDS as usize],
    })
}

#[tokio::test]
async fn what_was_taken_from_a_lane_stays_saved_there_until_it_is_saved_elsewhere() {
    let server = Server::new();
    server.may.add_permits(100);
    let memory = memory(&server);
    let (old, new) = (Key::new("team", "a"), Key::new("team", "b"));
    let message = || [(example::item("1", "app", "R", "m"), None)];
    memory.outbox.post(&old, message(), tokio::time::Instant::now());
    assert!(memory.save().await.all);
    // It goes to another Provider, and the API server does not take that for now.
    memory.outbox.post(&new, message(), tokio::time::Instant::now());
    memory.outbox.done(&old, "1", "a");
    *server.refused.lock().unwrap() = Some(name_of_lane(&new, 0));
    let gone = format!(
        "DELETE /api/v1/namespaces/flux-system/configmaps/{} ",
        name_of_lane(&old, 0)
    );
    let is_gone = || {
        server
            .taken
            .lock()
            .unwrap()
            .iter()
            .any(|change| change.starts_with(&gone))
    };
    assert!(!memory.save().await.all);
    assert!(!is_gone());
    *server.refused.lock().unwrap() = None;
    assert!(memory.save().await.all);
    assert!(is_gone());
}

#[tokio::test(start_paused = true)]
async fn a_save_that_was_begun_is_ended_though_its_process_is_ending() {
    let server = Server::new();
    let memory = memory(&server);
    memory.note("first", "GitRepository", Cursor::default());
    let keeper = memory.clone();
    let keeping = tokio::spawn(async move { keeper.keep().await });
    server.asked.notified().await;
    // The signal to end comes while the API server has not answered yet.
    keeping.abort();
    assert!(keeping.await.unwrap_err().is_cancelled());
    memory.note("second", "GitRepository", Cursor::default());
    let last = memory.clone();
    let last = tokio::spawn(async move { last.save().await });
    server.may.add_permits(1);
    assert!(last.await.unwrap().all);
    let taken = server.taken.lock().unwrap().concat();
    assert!(taken.contains("first") && taken.contains("second"), "{taken}");
}
