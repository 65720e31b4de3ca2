//! A Git server over HTTP: the real `git http-backend` behind authentication, TLS, delays and counters.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::watch;
use tokio_util::io::ReaderStream;

use super::{Identity, repository};
pub use counts::Counts;
use counts::{Asked, Counters};
use tls::TlsListener;

mod counts;
pub(super) mod tls;

/// The most bytes of a request: what a client has and wants, or pushes.
const BODY_LIMIT: usize = 64 << 20;

/// A Git server on a free loopback port. It ends when it is dropped.
#[derive(Debug)]
pub struct GitServer {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    /// What is held up; the server ends when this is gone.
    held: watch::Sender<Held>,
}

/// What a client has to show before it is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Nothing.
    #[default]
    None,
    /// This user name and password (RFC 7617).
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: String,
    },
    /// This token (RFC 6750).
    Bearer(String),
}

/// How connections are secured.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificate and key of the server.
    pub identity: Identity,
    /// Authority, as PEM, that must have signed the certificate of a client; without it, none is asked for.
    pub client_authority: Option<String>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    behaviour: Mutex<Behaviour>,
    counters: Counters,
    held: watch::Receiver<Held>,
}

/// What is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Nothing,
    /// All answers, before they begin.
    Answers,
    /// Answers with objects, when half of them is sent.
    Packs,
}

#[derive(Clone, Debug, Default)]
struct Behaviour {
    auth: Auth,
    delay: Duration,
    status: Option<StatusCode>,
}

impl GitServer {
    /// Serves the repositories under `root` over plain HTTP.
    pub async fn start(root: &Path) -> Result<Self> {
        Self::serve(root, None).await
    }

    /// Serves the repositories under `root` over HTTPS.
    ///
    /// # Errors
    /// When the certificates cannot be used.
    pub async fn start_tls(root: &Path, tls: &Tls) -> Result<Self> {
        Self::serve(root, Some(tls)).await
    }

    /// Address of the repository that was created with this name.
    pub fn url(&self, name: &str) -> String {
        format!("{}://{}/{name}.git", self.scheme, self.address)
    }

    /// Host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks for credentials from the next request on.
    pub fn set_auth(&self, auth: Auth) {
        self.shared.behaviour().auth = auth;
    }

    /// Waits so long before each answer from the next request on.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.behaviour().delay = delay;
    }

    /// Answers each request with this status, such as 503, from the next request on; `None` ends that.
    ///
    /// # Errors
    /// When the number is no HTTP status.
    pub fn set_status(&self, status: Option<u16>) -> Result<()> {
        self.shared.behaviour().status = status.map(StatusCode::from_u16).transpose()?;
        Ok(())
    }

    /// Takes requests without answering them, until [`GitServer::release`]; they are counted.
    pub fn hang(&self) {
        self.held.send_replace(Held::Answers);
    }

    /// Sends half of each answer with objects, and the rest after [`GitServer::release`].
    pub fn hang_in_packs(&self) {
        self.held.send_replace(Held::Packs);
    }

    /// Answers the requests that hang, and all that come.
    pub fn release(&self) {
        self.held.send_replace(Held::Nothing);
    }

    /// What was asked for since the server started.
    pub fn counts(&self) -> Counts {
        self.shared.counters.now()
    }

    async fn serve(root: &Path, tls: Option<&Tls>) -> Result<Self> {
        let (held, hold) = watch::channel(Held::Nothing);
        let shared = Arc::new(Shared {
            root: root
                .canonicalize()
                .with_context(|| format!("serve {}", root.display()))?,
            behaviour: Mutex::default(),
            counters: Counters::default(),
            held: hold,
        });
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let mut alive = shared.held.clone();
        let ended = async move { while alive.changed().await.is_ok() {} };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let scheme = match tls {
            None => {
                tokio::spawn(
                    axum::serve(listener, app)
                        .with_graceful_shutdown(ended)
                        .into_future(),
                );
                "http"
            }
            Some(tls) => {
                let listener = TlsListener::new(listener, tls)?;
                tokio::spawn(
                    axum::serve(listener, app)
                        .with_graceful_shutdown(ended)
                        .into_future(),
                );
                "https"
            }
        };
        Ok(Self {
            address,
            scheme,
            shared,
            held,
        })
    }
}

impl Shared {
    fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts, holds, delays, checks credentials, and hands over to Git.
async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let asked = Asked::of(parts.uri.path(), &parts.headers, &body);
    shared.counters.count(asked);
    let mut held = shared.held.clone();
    // Whoever could release us is gone when this fails, and so is the server.
    let _ = held.wait_for(|held| *held != Held::Answers).await;
    let Behaviour { auth, delay, status } = shared.behaviour().clone();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if let Some(status) = status {
        return status.into_response();
    }
    if !auth.admits(&parts.headers) {
        shared.counters.refused.fetch_add(1, Ordering::SeqCst);
        return (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, auth.challenge())],
        )
            .into_response();
    }
    match backend(&shared.root, &parts, &body).await {
        Ok(response) if asked == Asked::Objects && *held.borrow() == Held::Packs => {
            half(shared.clone(), response).await
        }
        Ok(response) => response,
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// Half of an answer, and the other half when it is released.
async fn half(shared: Arc<Shared>, response: Response) -> Response {
    use futures::StreamExt as _;
    let (head, body) = response.into_parts();
    let Ok(whole) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut rest = whole;
    let begin = rest.split_to(rest.len() / 2);
    let rest = futures::stream::once(async move {
        shared.counters.halves.fetch_add(1, Ordering::SeqCst);
        let mut held = shared.held.clone();
        let _ = held.wait_for(|held| *held != Held::Packs).await;
        Ok(rest)
    });
    let begin = futures::stream::iter([Ok::<_, std::io::Error>(begin)]);
    Response::from_parts(head, Body::from_stream(begin.chain(rest)))
}

impl Auth {
    /// Whether the request shows what is asked for.
    fn admits(&self, headers: &HeaderMap) -> bool {
        use base64::Engine as _;
        let wanted = match self {
            Self::None => return true,
            Self::Basic { username, password } => {
                let text = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
                format!("Basic {text}")
            }
            Self::Bearer(token) => format!("Bearer {token}"),
        };
        headers
            .get(header::AUTHORIZATION)
            .is_some_and(|value| value == wanted.as_str())
    }

    fn challenge(&self) -> &'static str {
        match self {
            Self::None | Self::Basic { .. } => "Basic realm=\"git\"",
            Self::Bearer(_) => "Bearer realm=\"git\"",
        }
    }
}

/// Runs `git http-backend` as a CGI program (RFC 3875) and streams what it prints.
async fn backend(root: &Path, request: &axum::http::request::Parts, body: &Bytes) -> Result<Response> {
    let header = |name: &str| {
        request
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let mut child = Command::from(repository::git(["http-backend"]))
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", request.uri.path())
        .env("QUERY_STRING", request.uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", request.method.as_str())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("start git http-backend")?;
    let mut stdin = child.stdin.take().context("git http-backend has no input")?;
    let body = body.clone();
    tokio::spawn(async move { drop(stdin.write_all(&body).await) });
    let mut stdout = BufReader::new(child.stdout.take().context("git http-backend has no output")?);
    let mut response = Response::builder();
    loop {
        let mut line = String::new();
        ensure!(
            stdout.read_line(&mut line).await? > 0,
            "git http-backend ended before its answer began"
        );
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line
            .split_once(':')
            .with_context(|| format!("no header: {line:?}"))?;
        let value = value.trim();
        response = if name.eq_ignore_ascii_case("status") {
            response.status(value.split(' ').next().unwrap_or(value))
        } else {
            response.header(name, value)
        };
    }
    // The child is waited for when its output ends, and killed when the client goes away first.
    let stream = ReaderStream::new(Attended {
        stdout,
        _child: child,
    });
    Ok(response.body(Body::from_stream(stream))?)
}

/// The output of a child that lives as long as it is read.
struct Attended {
    stdout: BufReader<tokio::process::ChildStdout>,
    _child: tokio::process::Child,
}

impl tokio::io::AsyncRead for Attended {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.stdout).poll_read(context, buffer)
    }
}
