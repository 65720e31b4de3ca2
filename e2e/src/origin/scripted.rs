//! A peer that answers as a test says: for what no real server does, and for services that are only on the internet.

use super::{Identity, Tls, git::tls::TlsListener};
use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, Uri},
    response::Response,
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{net::TcpListener, task::JoinHandle};

/// What was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The query.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
    /// The body as it came.
    pub bytes: Bytes,
}

impl Asked {
    /// A header's text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    }
}

type Script = Arc<dyn Fn(&Asked) -> Response + Send + Sync>;

/// A server on a free loopback port. It ends when it is dropped.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    script: Script,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    /// Answers each request as `script` says.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(script: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Result<Self> {
        Self::serve(script, None).await
    }

    /// The same over TLS, as this server.
    ///
    /// # Errors
    /// When no port is free, or the identity is none.
    pub async fn start_tls(
        identity: Identity,
        script: impl Fn(&Asked) -> Response + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::serve(script, Some(identity)).await
    }

    async fn serve(
        script: impl Fn(&Asked) -> Response + Send + Sync + 'static,
        identity: Option<Identity>,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = Shared {
            script: Arc::new(script),
            asked: asked.clone(),
        };
        let router = Router::new().fallback(answer).with_state(shared);
        let task = match identity {
            None => tokio::spawn(async move {
                let _ = axum::serve(listener, router).await;
            }),
            Some(identity) => {
                let tls = Tls {
                    identity,
                    client_authority: None,
                };
                let listener = TlsListener::new(listener, &tls)?;
                tokio::spawn(async move {
                    let _ = axum::serve(listener, router).await;
                })
            }
        };
        Ok(Self { address, asked, task })
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The address as a URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked {
        method,
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        bytes: body,
    };
    let response = (shared.script)(&asked);
    shared
        .asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(asked);
    response
}
