//! A service that takes notifications: it keeps what it is sent, and answers as the test wants.

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use serde_json::Value;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{net::TcpSocket, task::JoinHandle};

/// Takes notifications on a loopback port, until it is dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
    server: Option<JoinHandle<()>>,
    /// Its port, kept from others while nobody listens there.
    kept: Option<TcpSocket>,
}

#[derive(Debug, Default)]
struct Inside {
    letters: Vec<Letter>,
    answers: VecDeque<Answer>,
    always: Option<Answer>,
    refused: Option<(String, u16)>,
}

/// A request that was taken.
#[derive(Debug, Clone)]
pub struct Letter {
    /// When it came.
    pub at: Instant,
    /// Its method.
    pub method: String,
    /// Its path, with the query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; JSON null if it is no JSON.
    pub body: Value,
    /// How it was answered.
    pub status: u16,
}

/// How to answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// How long to think first.
    pub delay: Duration,
}

impl From<u16> for Answer {
    fn from(status: u16) -> Self {
        Self {
            status,
            retry_after: None,
            delay: Duration::ZERO,
        }
    }
}

impl Sink {
    /// A sink on a free port that answers 200.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn start() -> Result<Self> {
        let mut sink = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            inside: Arc::default(),
            server: None,
            kept: None,
        };
        sink.keep()?;
        sink.up()?;
        Ok(sink)
    }

    /// Listens, on the same port as before.
    ///
    /// # Errors
    /// When it is up.
    pub fn up(&mut self) -> Result<()> {
        let listener = self.kept.take().context("it is up")?.listen(1024)?;
        let router = Router::new().fallback(take).with_state(self.inside.clone());
        self.server = Some(tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        }));
        Ok(())
    }

    /// Listens no more: connections are refused.
    ///
    /// # Errors
    /// When the port is taken by another in this moment.
    pub async fn down(&mut self) -> Result<()> {
        if let Some(server) = self.server.take() {
            server.abort();
            let _ = server.await;
            self.keep()?;
        }
        Ok(())
    }

    /// Takes the port, without listening.
    fn keep(&mut self) -> Result<()> {
        let socket = TcpSocket::new_v4()?;
        // Connections that have ended linger.
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        self.address = socket.local_addr()?;
        self.kept = Some(socket);
        Ok(())
    }

    /// Its address, with a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How the next request is answered, after those that were said before.
    pub fn next(&self, answer: Answer) {
        self.lock().answers.push_back(answer);
    }

    /// How requests are answered from now on; none is 200.
    pub fn always(&self, answer: Option<Answer>) {
        self.lock().always = answer;
    }

    /// Requests whose path has this in it are answered with this status from now on, before anything else that was said.
    pub fn refuse(&self, part_of_path: Option<(&str, u16)>) {
        self.lock().refused = part_of_path.map(|(part, status)| (part.to_owned(), status));
    }

    /// All that was taken.
    pub fn letters(&self) -> Vec<Letter> {
        self.lock().letters.clone()
    }

    /// What was taken and answered with success at a path, as events of Flux.
    pub fn events(&self, path: &str) -> Vec<Value> {
        let letters = self.letters();
        let good = letters
            .into_iter()
            .filter(|letter| letter.path == path && letter.status < 300);
        good.map(|letter| letter.body).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
        }
    }
}

async fn take(
    State(inside): State<Arc<Mutex<Inside>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = {
        let mut inside = inside.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = inside.refused.as_ref();
        let refused = refused.filter(|(part, _)| uri.path().contains(part.as_str()));
        let refused = refused.map(|(_, status)| Answer::from(*status));
        let said = refused
            .or_else(|| inside.answers.pop_front())
            .or_else(|| inside.always.clone());
        let answer = said.unwrap_or_else(|| Answer::from(200));
        inside.letters.push(Letter {
            at: Instant::now(),
            method: method.to_string(),
            path: uri.to_string(),
            headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
            status: answer.status,
        });
        answer
    };
    tokio::time::sleep(answer.delay).await;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match answer.retry_after {
        Some(seconds) => (status, [("retry-after", seconds)]).into_response(),
        None => status.into_response(),
    }
}
