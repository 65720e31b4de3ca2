//! A service that notes what it is sent and answers as a test wants.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{TlsAcceptor, rustls};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `POST /path HTTP/1.1` and the headers, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

/// How to answer.
#[derive(Clone)]
pub enum Reply {
    /// Status line after `HTTP/1.1 ` with headers, and a body.
    Text(String, Vec<u8>),
    /// Nothing, ever.
    Silence,
    /// A body without an end.
    Endless,
    /// Hangs up.
    HangUp,
}

impl Reply {
    pub fn status(status: &str) -> Self {
        Self::Text(status.into(), Vec::new())
    }
}

type Answers = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// A service that runs until the test ends.
pub struct Sink {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<Mutex<usize>>,
}

impl Sink {
    pub async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(Arc::new(answer), None).await
    }

    pub async fn with_tls(
        config: rustls::ServerConfig,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Arc::new(answer), Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn listen(answer: Answers, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let connections = Arc::<Mutex<usize>>::default();
        let (notes, count) = (seen.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                let (notes, answer, tls) = (notes.clone(), answer.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &notes, &answer).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &notes, &answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            seen,
            connections,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, notes: &Mutex<Vec<Seen>>, answer: &Answers) {
    while let Some(seen) = read(&mut stream).await {
        let reply = answer(&seen);
        notes.lock().unwrap().push(seen);
        match reply {
            Reply::Text(status, body) => {
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
                let sent = stream
                    .write_all(head.as_bytes())
                    .await
                    .and(stream.write_all(&body).await);
                if sent.is_err() {
                    return;
                }
            }
            Reply::Silence => tokio::time::sleep(Duration::from_secs(3600)).await,
            Reply::HangUp => return,
            Reply::Endless => {
                let head = "HTTP/1.1 400 No\r\ncontent-length: 1000000000000\r\n\r\n";
                let mut sent = stream.write_all(head.as_bytes()).await;
                while sent.is_ok() {
                    sent = stream.write_all(&[b'x'; 4096]).await;
                }
                return;
            }
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_string();
    let lower = head.to_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&bytes[end..]).into_owned();
    Some(Seen {
        head: lines(&head),
        body,
    })
}

/// Names of headers in lower case.
fn lines(head: &str) -> String {
    let line = |line: &str| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}\n", name.to_lowercase()),
        None => format!("{line}\n"),
    };
    head.lines().map(line).collect()
}
