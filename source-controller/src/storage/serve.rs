//! The window: artifacts over HTTP, read-only, with ranges and conditions; nothing outside the shelf.

use super::Storage;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use runtime::{
    process::Process,
    server::{self, Limits, Requests},
};
use std::{
    io::SeekFrom,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    net::TcpListener,
};
use tokio_util::io::ReaderStream;

/// What is called with the path of a file that was asked for and is not there.
pub type OnMissing = Arc<dyn Fn(&str) + Send + Sync>;

/// What the window serves from, and whom it tells.
#[derive(Clone)]
struct Window {
    storage: Storage,
    missing: OnMissing,
}

/// Serves the shelf on an address until the process ends, and says of each file that it was asked for in vain.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    process: &Process,
    address: SocketAddr,
    storage: Storage,
    missing: OnMissing,
) -> std::io::Result<()> {
    let listener = runtime::admin::listen(address).await?;
    let requests = Requests::register(&process.tools.metrics, "gotk_artifact", "/");
    let window = Window { storage, missing };
    open(window, listener, limits(), requests, process.stopped());
    Ok(())
}

fn open(
    window: Window,
    listener: TcpListener,
    limits: Limits,
    requests: Requests,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let answer = move |request| answer(window.clone(), request);
    server::serve(listener, limits, requests, stop, answer);
}

/// What the window takes at the most.
fn limits() -> Limits {
    Limits {
        // An artifact may have to be had from the object store first.
        request: Duration::from_secs(600),
        ..Limits::default()
    }
}

async fn answer(window: Window, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
    if method != Method::GET && method != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    // Digests in names have a colon, which some clients escape.
    let Ok(path) = percent_decode_str(uri.path()).decode_utf8() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // The probe of Flux's Deployment asks for the root; names of tenants' objects are nobody's business.
    if path == "/" {
        return StatusCode::OK.into_response();
    }
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let odd = |part: &&str| part.is_empty() || part.starts_with('.') || part.contains(['\\', '\0']);
    if parts.iter().any(odd) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let path = &path[1..];
    let sent = match window.storage.find(path).await {
        Ok(Some(file)) => send(&window.storage, file, &method, &headers).await,
        Ok(None) => None,
        Err(error) => {
            let error = runtime::telemetry::chain(&error);
            tracing::warn!(path, error, "cannot have an artifact from the object store");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    sent.unwrap_or_else(|| {
        (window.missing)(path);
        StatusCode::NOT_FOUND.into_response()
    })
}

async fn send(storage: &Storage, path: PathBuf, method: &Method, headers: &HeaderMap) -> Option<Response> {
    // Links inside the shelf are followed (`latest.tar.gz`), links out of it are not.
    let real = tokio::fs::canonicalize(&path)
        .await
        .ok()
        .filter(|r| r.starts_with(&storage.0.root))?;
    let mut file = tokio::fs::File::open(&real).await.ok()?;
    let meta = file.metadata().await.ok().filter(std::fs::Metadata::is_file)?;
    let (size, modified) = (meta.len(), meta.modified().unwrap_or(UNIX_EPOCH));
    let header = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let response = Response::builder()
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::LAST_MODIFIED, httpdate::fmt_http_date(modified))
        .header(header::CONTENT_TYPE, "application/octet-stream");
    if header(header::IF_MODIFIED_SINCE)
        .and_then(|v| httpdate::parse_http_date(v).ok())
        .is_some_and(|since| whole(modified) <= whole(since))
    {
        return response.status(StatusCode::NOT_MODIFIED).body(Body::empty()).ok();
    }
    let range = header(header::RANGE).map(|r| range(r, size));
    let (status, start, length) = match range {
        None | Some(Range::Whole) => (StatusCode::OK, 0, size),
        Some(Range::Part { start, length }) => (StatusCode::PARTIAL_CONTENT, start, length),
        Some(Range::Unsatisfiable) => {
            let answer = response
                .status(StatusCode::RANGE_NOT_SATISFIABLE)
                .header(header::CONTENT_RANGE, format!("bytes */{size}"));
            return answer.body(Body::empty()).ok();
        }
    };
    let mut response = response.status(status).header(header::CONTENT_LENGTH, length);
    if status == StatusCode::PARTIAL_CONTENT {
        response = response.header(
            header::CONTENT_RANGE,
            format!("bytes {start}-{}/{size}", start + length - 1),
        );
    }
    if *method == Method::HEAD {
        return response.body(Body::empty()).ok();
    }
    file.seek(SeekFrom::Start(start)).await.ok()?;
    response
        .body(Body::from_stream(ReaderStream::new(file.take(length))))
        .ok()
}

/// What of a file is asked for (RFC 9110, one range of bytes).
#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part { start: u64, length: u64 },
    Unsatisfiable,
}

fn range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .filter(|r| !r.contains(','))
        .and_then(|r| r.split_once('-'))
    else {
        return Range::Whole;
    };
    let (start, end) = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(start), Ok(end)) if start <= end => (start, end.saturating_add(1).min(size)),
        (Ok(start), Err(_)) if last.trim().is_empty() => (start, size),
        (Err(_), Ok(suffix)) if first.trim().is_empty() => (size.saturating_sub(suffix), size),
        _ => return Range::Whole,
    };
    if start >= end {
        Range::Unsatisfiable
    } else {
        Range::Part {
            start,
            length: end - start,
        }
    }
}

/// HTTP dates have whole seconds.
fn whole(time: SystemTime) -> Duration {
    Duration::from_secs(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Offer, Retention};
    use artifact::Algorithm;
    use runtime::{Key, metrics::Metrics, server::Pace};
    use std::collections::BTreeMap;
    use tokio::{io::AsyncWriteExt as _, net::TcpStream};

    /// How often this process has a file open.
    fn opened(path: &std::path::Path) -> usize {
        let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        files
            .filter(|file| std::fs::read_link(file.path()).is_ok_and(|target| target == path))
            .count()
    }

    #[tokio::test]
    async fn readers_that_take_nothing_keep_nobody_from_an_artifact() {
        const SIZE: usize = 32 << 20;
        let dir = tempfile::tempdir().unwrap();
        let retention = Retention {
            ttl: Duration::from_secs(60),
            records: 2,
        };
        let storage = Storage::open(dir.path(), String::new(), Algorithm::Sha256, retention, None).unwrap();
        let offer = Offer {
            kind: "Bucket",
            key: Key::new("n", "a"),
            file: "a.tar.gz".to_owned(),
            revision: None,
            metadata: BTreeMap::new(),
            link: None,
        };
        let content: Vec<u8> = (0..SIZE).map(|n| (n % 251) as u8).collect();
        let artifact = storage
            .publish(offer, |w| w.write_all(&content))
            .unwrap()
            .artifact;
        let path = dir.path().canonicalize().unwrap().join(&artifact.path);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let window = Window {
            storage,
            missing: Arc::new(|_| {}),
        };
        let limits = Limits {
            connections: 4,
            reader: Pace {
                bytes: 64 << 10,
                within: Duration::from_secs(1),
            },
            ..limits()
        };
        let requests = Requests::register(&Metrics::default(), "gotk_test", "/");
        open(window, listener, limits, requests, std::future::pending());
        let ask = format!(
            "GET /{} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
            artifact.path
        );
        let ask = async || {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(ask.as_bytes()).await.unwrap();
            stream
        };
        // Three times as many as there are places.
        let mut idle = Vec::new();
        for _ in 0..12 {
            idle.push(ask().await);
        }
        let deadline = Duration::from_secs(60);
        let held = async {
            while opened(&path) < 4 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(deadline, held)
            .await
            .expect("all places are held");
        assert_eq!(opened(&path), 4, "and no more than there are");
        let honest = async {
            let mut answer = Vec::new();
            ask().await.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let answer = tokio::time::timeout(deadline, honest)
            .await
            .expect("the artifact comes");
        assert!(answer.ends_with(&content));
        let closed = async {
            while opened(&path) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(deadline, closed)
            .await
            .expect("no file is held");
        drop(idle);
    }

    #[test]
    fn ranges() {
        for (text, expected) in [
            ("bytes=0-3", Range::Part { start: 0, length: 4 }),
            ("bytes=4-", Range::Part { start: 4, length: 6 }),
            ("bytes=-3", Range::Part { start: 7, length: 3 }),
            ("bytes=8-99", Range::Part { start: 8, length: 2 }),
            ("bytes=10-", Range::Unsatisfiable),
            ("bytes=5-2", Range::Whole),
            ("bytes=0-1,3-4", Range::Whole),
            ("lines=1-2", Range::Whole),
        ] {
            assert_eq!(range(text, 10), expected, "{text}");
        }
    }
}
