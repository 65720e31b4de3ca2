//! Ports that strangers reach: bounds on connections, on what a head may be and take, on a request as a whole, and on how slowly
//! an answer may be read.

mod reader;
mod requests;
#[cfg(test)]
mod tests;

pub use reader::Pace;
pub use requests::Requests;

use crate::telemetry::chain;
use axum::{
    body::{Body, Bytes, HttpBody as _},
    http::{Method, Request, Response, StatusCode},
};
use futures::StreamExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use reader::Paced;
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
    /// How long a request may take in all, after its head, until its answer begins; then it is answered with 408.
    pub request: Duration,
    /// How slowly an answer may be read; then the connection ends.
    pub reader: Pace,
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
            // A kibibyte a second.
            reader: Pace {
                bytes: 60 << 10,
                within: Duration::from_secs(60),
            },
            grace: Duration::from_secs(5),
        }
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
        .serve_connection(TokioIo::new(Paced::new(stream, limits.reader)), service);
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
