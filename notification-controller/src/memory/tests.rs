//! How much is saved at once, and that what was begun is ended.

use super::*;
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
    taken: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new() -> Self {
        Self {
            asked: Arc::default(),
            may: Arc::new(Semaphore::new(0)),
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
        let is_change = request.method() == Method::PATCH;
        let body = request.into_body().collect_bytes().await.unwrap();
        if is_change {
            self.asked.notify_one();
            let _place = self.may.acquire().await.unwrap();
            self.taken
                .lock()
                .unwrap()
                .push(String::from_utf8_lossy(&body).into_owned());
        }
        let told = json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "x"}, "items": [],
        });
        Response::new(Body::from(told.to_string().into_bytes()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_save_that_was_begun_is_ended_though_its_process_is_ending() {
    let server = Server::new();
    let stores = (Arc::<Outbox>::default(), Arc::<Digests>::default());
    let memory = Arc::new(Memory {
        maps: Maps::of(server.client(), "flux-system"),
        outbox: stores.0,
        digests: stores.1,
        inside: Mutex::default(),
        changed: Notify::new(),
        saves: tokio::sync::Mutex::default(),
        since: [Timestamp::UNIX_EPOCH; SHARDS as usize],
    });
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
