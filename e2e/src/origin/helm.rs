//! A Helm repository over HTTP on loopback that behaves as told, and the real Helm that makes and pushes what is in it.

mod large;
mod signed;

pub use large::large;
pub use signed::{Signed, Signer};

use anyhow::{Context as _, Result, bail};
use axum::serve::Listener as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::{Registry, Tls, git::tls::TlsListener, oci::USER};
use crate::tools::Tools;

/// A request's head is never longer, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// What is at a path.
#[derive(Debug, Clone)]
pub enum Page {
    /// Content that the server knows again by its ETag.
    Known(Vec<u8>),
    /// Content without anything to know it by.
    Plain(Vec<u8>),
    /// A status, and headers.
    Status(u16, Vec<(&'static str, String)>),
    /// Content that says it is longer than it is.
    Truncated(Vec<u8>),
    /// These bytes again and again, without an end.
    Endless(Vec<u8>),
    /// Content of which a piece comes after each pause; a thousand pieces in all.
    Slow(Vec<u8>, Duration),
    /// A claim to be so long, and nothing after it.
    Claims(u64),
    /// No answer at all.
    Hang,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The path.
    pub path: String,
    /// What it had as `Authorization`.
    pub authorization: Option<String>,
    /// Whether it asked for new content only.
    pub conditional: bool,
    /// What it was answered.
    pub status: u16,
}

/// A server on a free loopback port. It ends when it is dropped.
#[derive(Debug)]
pub struct HelmServer {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    pages: Mutex<BTreeMap<String, Page>>,
    login: Mutex<Option<String>>,
    seen: Mutex<Vec<Seen>>,
}

impl HelmServer {
    /// Serves over plain HTTP.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, shared) = (listener.local_addr()?, Arc::<Shared>::default());
        let served = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = served.clone();
                // A client that goes away is no error.
                tokio::spawn(async move { drop(answer(stream, &shared).await) });
            }
        });
        Ok(Self {
            address,
            scheme: "http",
            shared,
            task,
        })
    }

    /// Serves over HTTPS.
    ///
    /// # Errors
    /// When the certificates cannot be used.
    pub async fn start_tls(tls: &Tls) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, shared) = (listener.local_addr()?, Arc::<Shared>::default());
        let mut listener = TlsListener::new(listener, tls)?;
        let served = shared.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await;
                let shared = served.clone();
                tokio::spawn(async move { drop(answer(stream, &shared).await) });
            }
        });
        Ok(Self {
            address,
            scheme: "https",
            shared,
            task,
        })
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// As [`HelmServer::url`], by the name of the machine: another host to whoever compares names.
    pub fn other_url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.address.port())
    }

    /// Puts something at a path.
    pub fn put(&self, path: &str, page: Page) {
        lock(&self.shared.pages).insert(path.to_owned(), page);
    }

    /// Lets in only whoever says [`USER`]; everybody, if `guarded` is false.
    pub fn guard(&self, guarded: bool) {
        let login = STANDARD.encode(format!("{}:{}", USER.0, USER.1));
        *lock(&self.shared.login) = guarded.then(|| format!("Basic {login}"));
    }

    /// The requests for a path so far.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = lock(&self.shared.seen);
        seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }
}

impl Drop for HelmServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let path = path.split('?').next().unwrap_or_default().to_owned();
    let header = |wanted: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.to_owned())
    };
    let authorization = header("authorization");
    let known = header("if-none-match");
    let refused = lock(&shared.login)
        .clone()
        .is_some_and(|login| authorization != Some(login));
    let page = match refused {
        true => Page::Status(401, vec![("WWW-Authenticate", "Basic realm=\"helm\"".to_owned())]),
        false => {
            let found = lock(&shared.pages).get(&path).cloned();
            found.unwrap_or_else(|| Page::Status(404, Vec::new()))
        }
    };
    let same = matches!(&page, Page::Known(content) if known == Some(tag(content)));
    let status = match &page {
        Page::Status(status, _) => *status,
        _ if same => 304,
        _ => 200,
    };
    lock(&shared.seen).push(Seen {
        path,
        authorization,
        conditional: known.is_some(),
        status,
    });
    send(&mut stream, page, status).await?;
    stream.shutdown().await
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), page: Page, status: u16) -> std::io::Result<()> {
    let begin = |headers: &str| format!("HTTP/1.1 {status} Told\r\nConnection: close\r\n{headers}\r\n");
    match page {
        Page::Known(content) if status == 304 => {
            let head = begin(&format!("ETag: {}\r\n", tag(&content)));
            stream.write_all(head.as_bytes()).await
        }
        Page::Known(content) => {
            let head = begin(&format!(
                "ETag: {}\r\nContent-Length: {}\r\n",
                tag(&content),
                content.len()
            ));
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&content).await
        }
        Page::Plain(content) => {
            let head = begin(&format!("Content-Length: {}\r\n", content.len()));
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&content).await
        }
        Page::Status(_, headers) => {
            let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
            let head = begin(&format!("Content-Length: 0\r\n{}", headers.collect::<String>()));
            stream.write_all(head.as_bytes()).await
        }
        Page::Truncated(content) => {
            let head = begin(&format!("Content-Length: {}\r\n", content.len() + 100));
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&content).await
        }
        Page::Endless(content) => {
            stream.write_all(begin("").as_bytes()).await?;
            loop {
                stream.write_all(&content).await?;
            }
        }
        Page::Slow(content, pause) => {
            let head = begin(&format!("Content-Length: {}\r\n", content.len()));
            stream.write_all(head.as_bytes()).await?;
            for piece in content.chunks(content.len().div_ceil(1000).max(1)) {
                stream.write_all(piece).await?;
                stream.flush().await?;
                tokio::time::sleep(pause).await;
            }
            Ok(())
        }
        Page::Claims(length) => {
            let head = begin(&format!("Content-Length: {length}\r\n"));
            stream.write_all(head.as_bytes()).await?;
            std::future::pending().await
        }
        Page::Hang => std::future::pending().await,
    }
}

fn tag(content: &[u8]) -> String {
    format!("\"{}\"", hex::encode(Sha256::digest(content)))
}

/// An index of charts, in the form of a table: name, version, and where its archive is.
pub fn index(entries: &[(&str, &str, &str)]) -> Vec<u8> {
    let mut charts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, version, url) in entries {
        let entry = format!(
            "  - {{apiVersion: v2, name: {name}, version: {version}, urls: ['{url}'], created: '2026-01-01T00:00:00Z'}}\n"
        );
        charts.entry(name).or_default().push(entry);
    }
    let charts = charts
        .iter()
        .map(|(name, entries)| format!("  {name}:\n{}", entries.concat()));
    format!(
        "apiVersion: v1\ngenerated: '2026-01-01T00:00:00Z'\nentries:\n{}",
        charts.collect::<String>()
    )
    .into_bytes()
}

/// The files of a small chart: a ConfigMap with a value in it.
pub fn chart(name: &str, version: &str) -> Vec<(String, String)> {
    let file = |path: &str, text: String| (path.to_owned(), text);
    vec![
        file("Chart.yaml", format!("apiVersion: v2\nname: {name}\nversion: {version}\n")),
        file("values.yaml", "# what it says\nvalue: one\nmore: {a: 1, b: 2}\n".to_owned()),
        file("prod.yaml", "value: two\nmore: {b: 3}\n".to_owned()),
        file(
            "templates/cm.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\ndata: {value: {{ .Values.value }}, b: {{ .Values.more.b | quote }}}\n"
                .to_owned(),
        ),
    ]
}

/// What the real Helm packages of a chart's files.
///
/// # Errors
/// When Helm cannot be built, or refuses.
pub async fn package(files: &[(String, String)]) -> Result<Vec<u8>> {
    let files = files.to_vec();
    tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir()?;
        let root = folder.path().join("chart");
        lay(&files, &root)?;
        let out = folder.path().join("out");
        run(Command::new(Tools::oracle("helm")?)
            .args(["package", "--destination"])
            .arg(&out)
            .arg(&root))?;
        let made = std::fs::read_dir(&out)?.next().context("no archive was made")??;
        Ok(std::fs::read(made.path())?)
    })
    .await?
}

/// What the real Helm renders of an archive.
///
/// # Errors
/// When Helm cannot be built, or refuses.
pub async fn template(archive: &[u8]) -> Result<String> {
    let archive = archive.to_vec();
    tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("chart.tgz");
        std::fs::write(&path, archive)?;
        run(Command::new(Tools::oracle("helm")?)
            .args(["template", "rel"])
            .arg(&path))
    })
    .await?
}

/// Pushes an archive below a path of a registry with the real Helm.
///
/// # Errors
/// When Helm cannot be built, or the registry refuses.
pub async fn push(registry: &Registry, path: &str, archive: &[u8], login: bool) -> Result<()> {
    let (archive, url) = (archive.to_vec(), registry.url(path));
    tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("chart.tgz");
        std::fs::write(&file, archive)?;
        let mut command = Command::new(Tools::oracle("helm")?);
        command.env("HELM_REGISTRY_CONFIG", folder.path().join("registry.json"));
        command.arg("push").arg(&file).arg(&url).arg("--plain-http");
        if login {
            command.args(["--username", USER.0, "--password", USER.1]);
        }
        run(&mut command).map(drop)
    })
    .await?
}

fn lay(files: &[(String, String)], root: &Path) -> Result<()> {
    for (path, text) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(root))?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().context("run helm")?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
