//! How much is saved at once, and that what was begun is ended.

use super::*;
use crate::outbox::{Next, example};
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
    /// There is nothing yet that could be changed.
    is_empty: bool,
}

impl Server {
    fn new() -> Self {
        Self {
            asked: Arc::default(),
            may: Arc::new(Semaphore::new(0)),
            refused: Arc::default(),
            taken: Arc::default(),
            is_empty: false,
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
        let fails = |code: u16| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code});
            let mut failure = Response::new(Body::from(status.to_string().into_bytes()));
            *failure.status_mut() = http::StatusCode::from_u16(code).unwrap();
            failure
        };
        let refused = self.refused.lock().unwrap().clone();
        if refused.is_some_and(|name| path.ends_with(&name)) {
            return fails(503);
        }
        if self.is_empty && method == Method::PATCH {
            return fails(404);
        }
        if method != Method::GET {
            self.asked.notify_one();
            let _place = self.may.acquire().await.unwrap();
            let change = format!("{method} {path} {}", String::from_utf8_lossy(&body));
            self.taken.lock().unwrap().push(change);
        }
        let told = match method {
            Method::DELETE => json!({"apiVersion": "v1", "kind": "Status", "status": "Success"}).to_string(),
            Method::POST => String::from_utf8_lossy(&body).into_owned(),
            _ => {
                json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "x"}})
                    .to_string()
            }
        };
        Response::new(Body::from(told.into_bytes()))
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
    let (outbox, now) = (&memory.outbox, tokio::time::Instant::now());
    let message = |key| [(example::item(key, "app", "R", "m"), None)];
    outbox.post(&old, message("first"), now);
    assert!(memory.save().await.all);
    let written = |server: &Server| std::mem::take(&mut *server.taken.lock().unwrap()).concat();
    written(&server);
    // It goes to another Provider, something else comes, and the API server does not take what is of the other for now.
    let Next::Send(item) = outbox.next(&old, now) else {
        panic!()
    };
    outbox.moved(&old, &new, &item, now);
    outbox.post(&old, message("second"), now);
    *server.refused.lock().unwrap() = Some(name_of_lane(&new, 0));
    for _ in 0..2 {
        assert!(!memory.save().await.all);
    }
    let of_old = written(&server);
    assert!(of_old.contains("first") && of_old.contains("second"), "{of_old}");
    *server.refused.lock().unwrap() = None;
    assert!(memory.save().await.all);
    assert!(written(&server).contains("first"), "where it is now");
    assert!(memory.save().await.all);
    let of_old = written(&server);
    assert!(of_old.contains("second") && !of_old.contains("first"), "{of_old}");
}

#[tokio::test]
async fn no_cursor_is_saved_that_moved_after_the_messages_were_looked_at() {
    let mut server = Server::new();
    server.is_empty = true;
    let memory = memory(&server);
    let cursor = |sequence| Cursor {
        sequence,
        ..Cursor::default()
    };
    memory.note("a", "GitRepository", cursor(1));
    memory.outbox.post(
        &Key::new("team", "a"),
        [(example::item("1", "app", "R", "m"), None)],
        tokio::time::Instant::now(),
    );
    let saving = memory.clone();
    let saving = tokio::spawn(async move { saving.save().await });
    server.asked.notified().await;
    // While the messages are written, more happens; and the cursors of all have gone, so that they are written whole.
    let shard = |uid: &str| shard_of(uid) == shard_of("a");
    let other = (0..).map(|n| n.to_string()).find(|uid| shard(uid)).unwrap();
    memory.note("a", "GitRepository", cursor(2));
    memory.note(&other, "GitRepository", cursor(1));
    server.may.add_permits(100);
    saving.await.unwrap();
    let taken = server.taken.lock().unwrap().concat();
    assert!(taken.contains(r#""a":"GitRepository/1/"#), "{taken}");
    assert!(!taken.contains(&format!(r#""{other}":"#)), "{taken}");
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
