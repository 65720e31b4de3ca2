//! A Git server on loopback: repositories made by `git`, served by `git http-backend` behind a small HTTP server of our own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use source_controller::git::{
    Auth, Checkout, Credentials, GitError, Limits, Mirrors, Provider, Reference, Request, parse_url,
};
use source_controller::spool::Spool;
use tempfile::TempDir;

/// A directory of bare repositories, its server, and mirrors to fetch into.
pub struct Origin {
    pub dir: TempDir,
    pub address: String,
    pub mirrors: Mirrors,
    pub seen: Arc<Seen>,
}

/// What the server was asked.
#[derive(Default)]
pub struct Seen {
    pub requests: Mutex<Vec<String>>,
    /// Bytes of packs that went out.
    pub sent: AtomicUsize,
}

/// One HTTP request.
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Origin {
    pub fn new() -> Origin {
        let dir = TempDir::new().unwrap();
        let mirrors = Mirrors::new(dir.path().join("mirrors"), Limits::default()).unwrap();
        let root = dir.path().join("repositories");
        std::fs::create_dir(&root).unwrap();
        let seen = Arc::new(Seen::default());
        let address = serve({
            let seen = Arc::clone(&seen);
            move |asked, stream| answer(&root, &seen, asked, stream)
        });
        Origin {
            dir,
            address,
            mirrors,
            seen,
        }
    }

    /// Mirrors of their own, in the folder `small`, whose answers may have no more bytes than this.
    pub fn bounded(&self, answer_bytes: u64) -> Mirrors {
        let limits = Limits {
            answer_bytes,
            ..Limits::default()
        };
        Mirrors::new(self.dir.path().join("small"), limits).unwrap()
    }

    /// A bare repository, and the work tree from which it is pushed to.
    pub fn repository(&self, name: &str) -> Work {
        let bare = self.dir.path().join("repositories").join(format!("{name}.git"));
        let work = self.dir.path().join("work").join(name);
        std::fs::create_dir_all(&work).unwrap();
        run(
            self.dir.path(),
            &["init", "-q", "--bare", "-b", "main", bare.to_str().unwrap()],
        );
        run(&work, &["init", "-q", "-b", "main"]);
        run(&work, &["remote", "add", "origin", bare.to_str().unwrap()]);
        Work { dir: work, bare }
    }

    pub fn request(&self, name: &str, reference: Reference) -> Request {
        Request {
            url: parse_url(&format!("{}/{name}.git", self.address)).unwrap(),
            auth: Auth::anonymous(),
            proxy: None,
            reference,
            timeout: Duration::from_secs(20),
            recurse_submodules: false,
        }
    }

    pub fn fetch(&self, name: &str, reference: Reference) -> Result<Checkout, GitError> {
        self.mirrors.fetch(&self.request(name, reference))
    }

    pub fn branch(&self, name: &str) -> Result<Checkout, GitError> {
        self.fetch(name, Reference::Branch("main".to_owned()))
    }

    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.requests.lock().unwrap())
    }
}

/// A work tree.
pub struct Work {
    pub dir: PathBuf,
    pub bare: PathBuf,
}

impl Work {
    pub fn git(&self, arguments: &[&str]) -> String {
        run(&self.dir, arguments)
    }

    /// Writes files, commits and pushes; gives the commit.
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            let path = self.dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "change\n\nwith a body"]);
        self.git(&["push", "-q", "--force", "origin", "HEAD", "--tags"]);
        self.git(&["rev-parse", "HEAD"])
    }
}

/// Runs git with nothing of this machine's configuration.
pub fn run(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "protocol.file.allow=always",
            "-c",
            "user.name=dev",
            "-c",
            "user.email=dev@localhost",
        ])
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", dir)
        .env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
        .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Serves HTTP/1.1, one request a connection, until the test process ends.
pub fn serve(answer: impl Fn(Asked, TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                if let Some(asked) = read_request(&stream) {
                    answer(asked, stream);
                }
            });
        }
    });
    address
}

/// Writes a whole answer.
pub fn respond(mut stream: TcpStream, status: &str, headers: &[(&str, &str)], body: &[u8]) {
    let mut head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    // A client that hung up is the test's business.
    let _ = stream
        .write_all((head + "\r\n").as_bytes())
        .and_then(|()| stream.write_all(body));
}

/// Credentials from a Secret's data.
pub fn login(url: &str, data: &[(&str, &str)]) -> Auth {
    let data = data
        .iter()
        .map(|(key, value)| (key.to_string(), value.as_bytes().to_vec()))
        .collect();
    let secret = Credentials {
        name: "ns/secret",
        data: &data,
    };
    Auth::from_secret(&parse_url(url).unwrap(), Provider::Generic, Some(secret)).unwrap()
}

/// An error with its sources, as conditions have it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text += &format!(": {source}");
        next = source.source();
    }
    text
}

/// Paths below `private` are for user:right or the token, those below `app` for an app whose token is right,
/// and those below `old` are served as if protocol 2 had never been invented.
fn answer(root: &Path, seen: &Seen, asked: Asked, stream: TcpStream) {
    seen.requests
        .lock()
        .unwrap()
        .push(format!("{} {}", asked.method, asked.path));
    let guarded = [
        ("/private", "Basic dXNlcjpyaWdodA=="),
        ("/app", "Basic eC1hY2Nlc3MtdG9rZW46cmlnaHQ="),
        ("/old", ""),
    ];
    let guard = guarded
        .iter()
        .find_map(|(prefix, login)| Some((asked.path.strip_prefix(prefix)?, *login)));
    let path = match guard {
        None => asked.path.clone(),
        Some((path, login)) => {
            let given = asked.headers.get("authorization").map(String::as_str);
            if !login.is_empty() && given != Some(login) && given != Some("Bearer token") {
                return respond(
                    stream,
                    "401 Unauthorized",
                    &[("WWW-Authenticate", "Basic realm=\"git\"")],
                    b"",
                );
            }
            path.to_owned()
        }
    };
    let header = |name: &str| asked.headers.get(name).cloned().unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", &asked.query)
        .env("REQUEST_METHOD", &asked.method)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", asked.body.len().to_string())
        .env(
            "GIT_PROTOCOL",
            if asked.path.starts_with("/old") {
                String::new()
            } else {
                header("git-protocol")
            },
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&asked.body).unwrap();
    let output = child.wait_with_output().unwrap().stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (head, body) = (
        String::from_utf8_lossy(&output[..end]).into_owned(),
        &output[end + 4..],
    );
    let mut status = "200 OK".to_owned();
    let mut headers = Vec::new();
    for line in head.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            status = value.to_owned()
        } else {
            headers.push((name, value))
        }
    }
    seen.sent.fetch_add(body.len(), Ordering::Relaxed);
    respond(stream, &status, &headers, body);
}

fn read_request(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body,
    })
}

/// An archive's files on disk.
pub fn spool(archive: &[u8]) -> Arc<Spool> {
    let scratch = tempfile::tempfile().unwrap();
    Arc::new(Spool::unpack(archive, &artifact::Limits::default(), scratch).unwrap())
}
