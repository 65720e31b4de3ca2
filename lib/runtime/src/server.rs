//! Ports that strangers reach: bounds on connections, on what a head may be and take, and on a request as a whole; and
//! what was asked, counted under the names that Flux's dashboards read.

use crate::{metrics::Metrics, telemetry::chain};
use axum::{
    body::{Body, Bytes, HttpBody as _},
    http::{Method, Request, Response, StatusCode},
};
use futures::StreamExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
};
use std::{
    convert::Infallible,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
};
use tracing::{debug, error, warn};

/// What a port takes at the most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; further ones wait to be accepted.
    pub connections: usize,
    /// How long the head of a request may take to arrive, and how long a connection may be idle before it.
    pub head: Duration,
    /// How large the head may be, in bytes; what has arrived with the last of them may be on top.
    pub head_bytes: usize,
    /// How long a request may take in all, after its head; then it is answered with 408.
    pub request: Duration,
    /// How long requests may go on when the process ends.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            head: Duration::from_secs(10),
            head_bytes: 64 << 10,
            request: Duration::from_secs(45),
            grace: Duration::from_secs(5),
        }
    }
}

/// Requests of one port, counted: `<prefix>_http_request_duration_seconds` and its sisters.
#[derive(Debug, Clone)]
pub struct Requests {
    handler: &'static str,
    durations: Family<Labels, Histogram, fn() -> Histogram>,
    sizes: Family<Labels, Histogram, fn() -> Histogram>,
    in_flight: Family<HandlerLabels, Gauge>,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    service: &'static str,
    handler: &'static str,
    method: &'static str,
    code: u16,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HandlerLabels {
    service: &'static str,
    handler: &'static str,
}

impl Requests {
    /// Registers the metrics of a port: `prefix` as in `gotk_receiver`, `handler` as in `/hook/`.
    pub fn register(metrics: &Metrics, prefix: &str, handler: &'static str) -> Self {
        fn seconds() -> Histogram {
            Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
        }
        fn bytes() -> Histogram {
            Histogram::new([1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9])
        }
        let requests = Self {
            handler,
            durations: Family::new_with_constructor(seconds),
            sizes: Family::new_with_constructor(bytes),
            in_flight: Family::default(),
        };
        metrics.register(|registry| {
            registry.register(
                format!("{prefix}_http_request_duration_seconds"),
                "The latency of the HTTP requests",
                requests.durations.clone(),
            );
            registry.register(
                format!("{prefix}_http_response_size_bytes"),
                "The size of the HTTP responses",
                requests.sizes.clone(),
            );
            registry.register(
                format!("{prefix}_http_requests_inflight"),
                "The number of inflight requests being handled at the same time",
                requests.in_flight.clone(),
            );
        });
        requests
    }

    fn begin(&self) -> InFlight {
        let labels = HandlerLabels {
            service: "",
            handler: self.handler,
        };
        let gauge = self.in_flight.get_or_create_owned(&labels);
        gauge.inc();
        InFlight(gauge)
    }

    fn end(&self, method: &'static str, code: u16, took: Duration, size: u64) {
        let labels = Labels {
            service: "",
            handler: self.handler,
            method,
            code,
        };
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
        // A body of more than 2^53 bytes is none.
        self.sizes.get_or_create(&labels).observe(size as f64);
    }
}

/// A request that is being handled.
struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is larger than it may be.
    #[error("the body is too large")]
    TooLarge,
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The connection broke.
    #[error("the body did not arrive: {0}")]
    Broken(String),
}

impl BodyError {
    /// The status that says so (RFC 9110).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// The whole body of a request, of at most `largest` bytes that arrive within a time.
///
/// # Errors
/// See [`BodyError`]; one that is too large is known as soon as it is.
pub async fn read(body: Body, largest: usize, within: Duration) -> Result<Bytes, BodyError> {
    let all = async {
        let mut text = Vec::new();
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| BodyError::Broken(chain(&error)))?;
            if text.len() + chunk.len() > largest {
                return Err(BodyError::TooLarge);
            }
            text.extend_from_slice(&chunk);
        }
        Ok(Bytes::from(text))
    };
    tokio::time::timeout(within, all)
        .await
        .map_err(|_| BodyError::TooSlow)?
}

/// Serves a port until `stop`, each request by `answer` and in a task of its own: one that panics is answered with 500,
/// one whose sender has gone is carried to its end. The task ends when the last request has, or the grace is over.
pub fn serve<H, A>(
    listener: TcpListener,
    limits: Limits,
    requests: Requests,
    stop: impl Future<Output = ()> + Send + 'static,
    answer: H,
) -> JoinHandle<()>
where
    H: Fn(Request<Body>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(limits.connections));
        let (closing, closed) = watch::channel(false);
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = async {
                let place = places.clone().acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, stream) = tokio::select! {
                (Ok(place), accepted) = accepted => (place, accepted),
                () = &mut stop => break,
            };
            let (stream, _) = match stream {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(error = %error, "cannot accept a connection");
                    // Of the kind that file descriptors ran out: at once would be again in vain.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (requests, answer, closed) = (requests.clone(), answer.clone(), closed.clone());
            tokio::spawn(connection(stream, place.into(), limits, requests, closed, answer));
        }
        drop(listener);
        closing.send_replace(true);
        let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(limits.grace, places.acquire_many(all)).await;
    })
}

/// The place is free when the connection has ended, and so has whatever was asked over it.
async fn connection<H, A>(
    stream: TcpStream,
    place: Arc<OwnedSemaphorePermit>,
    limits: Limits,
    requests: Requests,
    mut closed: watch::Receiver<bool>,
    answer: H,
) where
    H: Fn(Request<Body>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (requests, answer, place) = (requests.clone(), answer.clone(), place.clone());
        async move {
            let (method, begin) = (known(request.method()), Instant::now());
            let in_flight = requests.begin();
            let handled = tokio::spawn(async move {
                let _place = place;
                let answer = tokio::time::timeout(limits.request, answer(request.map(Body::new))).await;
                let answer = answer.unwrap_or_else(|_| status(StatusCode::REQUEST_TIMEOUT));
                let size = answer.body().size_hint().exact().unwrap_or(0);
                requests.end(method, answer.status().as_u16(), begin.elapsed(), size);
                drop(in_flight);
                answer
            });
            let answer = handled.await.unwrap_or_else(|panic| {
                error!(error = %panic, "a request panicked");
                status(StatusCode::INTERNAL_SERVER_ERROR)
            });
            Ok::<_, Infallible>(answer)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = async { drop(closed.wait_for(|closed| *closed).await) } => {
            // What is under way is answered; what is idle is closed.
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        debug!(error = %error, "a connection ended");
    }
}

/// A response without a body.
pub fn status(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

/// The method as a label: what strangers make up is one label, not many.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn port(limits: Limits) -> (std::net::SocketAddr, Metrics) {
        let metrics = Metrics::default();
        let requests = Requests::register(&metrics, "gotk_test", "/t/");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        serve(
            listener,
            limits,
            requests,
            std::future::pending(),
            async |request: Request<Body>| {
                assert!(request.uri().path() != "/panic", "as asked");
                if request.uri().path() == "/slow" {
                    std::future::pending::<()>().await;
                }
                status(StatusCode::OK)
            },
        );
        (address, metrics)
    }

    /// What comes back until the peer closes the connection.
    async fn talk(address: std::net::SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // What is refused early is not read to its end.
        let _ = stream.write_all(text.as_bytes()).await;
        let mut answer = Vec::new();
        // A reset is an end as well.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    fn request(path: &str, more: &str) -> String {
        format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{more}\r\n")
    }

    #[tokio::test]
    async fn a_panic_is_one_requests_and_what_is_slow_ends() {
        let limits = Limits {
            request: Duration::from_millis(50),
            head: Duration::from_millis(200),
            ..Limits::default()
        };
        let (address, metrics) = port(limits).await;
        assert!(
            talk(address, &request("/panic", ""))
                .await
                .starts_with("HTTP/1.1 500")
        );
        assert!(
            talk(address, &request("/slow", ""))
                .await
                .starts_with("HTTP/1.1 408")
        );
        assert!(talk(address, &request("/", "")).await.starts_with("HTTP/1.1 200"));
        let begin = Instant::now();
        talk(address, "POST / HTTP/1.1\r\nhost:").await;
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "a head that never ends is not waited for"
        );
        let text = metrics.render();
        let count = r#"gotk_test_http_request_duration_seconds_count{service="",handler="/t/",method="POST",code="200"} 1"#;
        assert!(text.contains(count), "{text}");
        assert!(
            text.contains(r#"gotk_test_http_requests_inflight{service="",handler="/t/"} 0"#),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_large_head_is_refused() {
        let (address, _) = port(Limits::default()).await;
        let large = format!("x-a: {}\r\n", "a".repeat(512 << 10));
        let answer = talk(address, &request("/", &large)).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{answer}"
        );
        let many = "x-a: b\r\n".repeat(1000);
        let answer = talk(address, &request("/", &many)).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }

    #[tokio::test]
    async fn connections_are_bounded_and_none_is_lost() {
        let limits = Limits {
            connections: 2,
            head: Duration::from_millis(300),
            ..Limits::default()
        };
        let (address, _) = port(limits).await;
        // Two that say nothing hold both places, until they are not waited for any more.
        let mut idle = Vec::new();
        for _ in 0..2 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let begin = Instant::now();
        let answer = tokio::time::timeout(Duration::from_secs(5), talk(address, &request("/", ""))).await;
        assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
        let waited = begin.elapsed();
        assert!(
            waited >= Duration::from_millis(200),
            "there was no place: {waited:?}"
        );
    }

    #[tokio::test]
    async fn an_idle_connection_does_not_hold_up_the_end() {
        let metrics = Metrics::default();
        let requests = Requests::register(&metrics, "gotk_test", "/t/");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let server = serve(listener, Limits::default(), requests, stopped, async |_| {
            status(StatusCode::OK)
        });
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 15];
        idle.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        drop(stop);
        let begin = Instant::now();
        server.await.unwrap();
        assert!(
            begin.elapsed() < Limits::default().grace,
            "it took {:?}",
            begin.elapsed()
        );
    }

    /// What comes of a body of these pieces, and nothing after the last if it `hangs`.
    async fn body(pieces: Vec<Vec<u8>>, hangs: bool) -> Result<usize, BodyError> {
        let pieces = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        let body = if hangs {
            Body::from_stream(pieces.chain(futures::stream::pending()))
        } else {
            Body::from_stream(pieces)
        };
        read(body, 1000, Duration::from_millis(50))
            .await
            .map(|text| text.len())
    }

    #[tokio::test]
    async fn bodies_are_bounded_in_size_and_time() {
        let a = |n| vec![b'a'; n];
        assert_eq!(body(vec![], false).await, Ok(0));
        assert_eq!(body(vec![a(999), a(1)], false).await, Ok(1000));
        assert_eq!(body(vec![a(1000), a(1)], false).await, Err(BodyError::TooLarge));
        assert_eq!(
            body(vec![a(1000), a(1)], true).await,
            Err(BodyError::TooLarge),
            "at once"
        );
        assert_eq!(body(vec![a(1)], true).await, Err(BodyError::TooSlow));
        assert_eq!(body(vec![], true).await, Err(BodyError::TooSlow));
    }
}
