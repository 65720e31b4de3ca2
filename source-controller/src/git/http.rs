//! The HTTP transport: requests as Git's smart protocol makes them, with our own login, trust, redirects and limits.

use std::any::Any;
use std::io::{self, BufRead, Read, Write};
use std::sync::{Arc, Mutex};

use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse,
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response};
use tokio::runtime::Runtime;

use super::auth::{HttpAuth, Login};
use super::deadline::{Deadline, Elapsed, runtime};
use super::error::{MirrorError, RemoteError};
use crate::http::Proxy;
use crate::http::{RefusedRedirect, address, basic, bearer, policy, source_of};
pub(super) use crate::http::{bare, client};
use crate::lock::lock;

/// How much of an error page goes into a message, in bytes.
const MAX_REASON: usize = 512;

/// What went wrong first, in a place that outlives the transport: the protocol code above sees only I/O errors.
pub(super) type Failure = Arc<Mutex<Option<RemoteError>>>;

/// Speaks HTTP for gix.
pub(super) struct HttpRemote {
    line: Arc<Line>,
    /// Where the repository really is, once an answer came from elsewhere.
    moved: Option<String>,
}

/// What all requests of one operation share.
struct Line {
    runtime: Runtime,
    client: Client,
    authorization: Option<HeaderValue>,
    deadline: Deadline,
    failure: Failure,
    /// The most bytes that one answer may have.
    limit: u64,
}

/// One request and its answer. The answer is fetched when someone first reads it, because only then is the request complete.
enum State {
    Collecting {
        method: Method,
        url: String,
        headers: HeaderMap,
        body: Vec<u8>,
    },
    Answered(Response),
    Over,
}

/// A handle on one request; the request body, the answer's headers and the answer's body are all of this type.
pub(super) struct Exchange {
    line: Arc<Line>,
    state: Arc<Mutex<State>>,
    /// The part that is being read.
    buffer: Vec<u8>,
    at: usize,
    received: u64,
    part: Part,
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Headers,
    HeadersDone,
    Body,
}

impl HttpRemote {
    /// A client for one operation on a repository.
    pub(super) fn new(
        auth: &HttpAuth,
        login: Option<HeaderValue>,
        proxy: Option<&Proxy>,
        deadline: Deadline,
        limit: u64,
        failure: Failure,
    ) -> Result<HttpRemote, HttpSetupError> {
        let runtime = runtime().map_err(|source| HttpSetupError::Runtime(MirrorError::Runtime(source)))?;
        let has_login = login.is_some();
        let client = client(&auth.tls, proxy, policy(has_login)).map_err(HttpSetupError::Client)?;
        let line = Line {
            runtime,
            client,
            authorization: login,
            deadline,
            failure,
            limit,
        };
        Ok(HttpRemote {
            line: Arc::new(line),
            moved: None,
        })
    }

    fn exchange(
        &self,
        method: Method,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Exchange {
        // gix goes on with the moved URL by itself from the second request on; this is for the case that it does not.
        let url = match &self.moved {
            Some(moved) => url.replacen(base_url, moved, 1),
            None => url.to_owned(),
        };
        let mut map = HeaderMap::new();
        for line in headers {
            if let Some((name, value)) = line.as_ref().split_once(':')
                && let (Ok(name), Ok(value)) =
                    (name.parse::<HeaderName>(), HeaderValue::from_str(value.trim()))
            {
                map.append(name, value);
            }
        }
        if let Some(value) = &self.line.authorization {
            map.insert(AUTHORIZATION, value.clone());
        }
        let state = State::Collecting {
            method,
            url,
            headers: map,
            body: Vec::new(),
        };
        Exchange {
            line: Arc::clone(&self.line),
            state: Arc::new(Mutex::new(state)),
            buffer: Vec::new(),
            at: 0,
            received: 0,
            part: Part::Headers,
        }
    }
}

/// The value of the `Authorization` header. A GitHub App's token must have been exchanged before.
pub(super) fn authorization(login: &Login) -> Option<HeaderValue> {
    match login {
        Login::None | Login::GitHubApp(_) => None,
        Login::Basic { username, password } => basic(username, password),
        Login::Bearer(token) => bearer(token.expose()),
    }
}

/// Why there is no client.
pub(super) enum HttpSetupError {
    Runtime(MirrorError),
    Client(reqwest::Error),
}

impl Line {
    /// Remembers what happened and gives gix an I/O error for it.
    fn fail(&self, error: RemoteError) -> io::Error {
        let kind = match &error {
            RemoteError::Timeout(_) => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::Other,
        };
        let text = error.to_string();
        lock(&self.failure).get_or_insert(error);
        io::Error::new(kind, text)
    }

    fn timed_out(&self, Elapsed(span): Elapsed) -> io::Error {
        self.fail(RemoteError::Timeout(span))
    }

    fn send(&self, method: Method, url: &str, headers: HeaderMap, body: Vec<u8>) -> io::Result<Response> {
        let name = if method == Method::GET { "Get" } else { "Post" };
        let request = self
            .client
            .request(method, url)
            .headers(headers)
            .body(body)
            .send();
        let response = match self.deadline.wait(&self.runtime, request) {
            Err(elapsed) => return Err(self.timed_out(elapsed)),
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let refused = source_of::<RefusedRedirect>(&error)
                    .map(|refused| RemoteError::Redirect(refused.0.clone()));
                let closed = source_of::<io::Error>(&error)
                    .is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
                let request = || RemoteError::Request {
                    method: name,
                    url: bare(url),
                    source: error.without_url(),
                };
                let nobody = closed.then(|| RemoteError::NobodyListens {
                    method: name,
                    url: bare(url),
                    address: address(url),
                });
                return Err(self.fail(refused.or(nobody).unwrap_or_else(request)));
            }
        };
        match response.status().as_u16() {
            200..300 => Ok(response),
            401 => Err(self.fail(RemoteError::AuthenticationRequired(self.reason(response)))),
            403 => Err(self.fail(RemoteError::AuthorizationFailed(self.reason(response)))),
            404 => Err(self.fail(RemoteError::RepositoryNotFound(self.reason(response)))),
            status => Err(self.fail(RemoteError::Status {
                url: bare(url),
                status,
            })),
        }
    }

    /// The beginning of an error page, if it is text.
    fn reason(&self, mut response: Response) -> String {
        let mut text = Vec::new();
        while text.len() < MAX_REASON {
            match self.deadline.wait(&self.runtime, response.chunk()) {
                Ok(Ok(Some(chunk))) => text.extend_from_slice(&chunk),
                _ => break,
            }
        }
        text.truncate(MAX_REASON);
        let text = String::from_utf8_lossy(&text);
        text.chars()
            .filter(|character| !character.is_control() || *character == '\n')
            .collect::<String>()
            .trim()
            .to_owned()
    }
}

impl Exchange {
    /// Another handle on the same request.
    fn share(&self, part: Part) -> Exchange {
        let (line, state) = (Arc::clone(&self.line), Arc::clone(&self.state));
        Exchange {
            line,
            state,
            buffer: Vec::new(),
            at: 0,
            received: 0,
            part,
        }
    }

    /// Sends the request unless that is done; gives the answer's headers in Git's line format.
    fn answer(&self) -> io::Result<Vec<u8>> {
        let mut state = lock(&self.state);
        if let State::Collecting {
            method,
            url,
            headers,
            body,
        } = &mut *state
        {
            let (method, url) = (method.clone(), std::mem::take(url));
            let (headers, body) = (std::mem::take(headers), std::mem::take(body));
            *state = State::Over;
            *state = State::Answered(self.line.send(method, &url, headers, body)?);
        }
        let State::Answered(response) = &*state else {
            return Ok(Vec::new());
        };
        let mut lines = Vec::new();
        for (name, value) in response.headers() {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.push(b':');
            lines.extend_from_slice(value.as_bytes());
            lines.push(b'\n');
        }
        Ok(lines)
    }

    /// The next piece of the answer's body; empty at its end.
    fn piece(&mut self) -> io::Result<Vec<u8>> {
        let mut state = lock(&self.state);
        let State::Answered(response) = &mut *state else {
            return Ok(Vec::new());
        };
        let piece = match self.line.deadline.wait(&self.line.runtime, response.chunk()) {
            Err(elapsed) => return Err(self.line.timed_out(elapsed)),
            Ok(Ok(piece)) => piece.unwrap_or_default(),
            Ok(Err(error)) => {
                let url = bare(response.url().as_str());
                return Err(self.line.fail(RemoteError::Request {
                    method: "Get",
                    url,
                    source: error.without_url(),
                }));
            }
        };
        self.received += piece.len() as u64;
        if self.received > self.line.limit {
            return Err(self.line.fail(RemoteError::TooLarge(self.line.limit)));
        }
        Ok(piece.into())
    }
}

impl BufRead for Exchange {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.buffer.len() {
            self.buffer = match self.part {
                Part::Headers => {
                    self.part = Part::HeadersDone;
                    self.answer()?
                }
                Part::HeadersDone => Vec::new(),
                Part::Body => {
                    self.answer()?;
                    self.piece()?
                }
            };
            self.at = 0;
            if self.buffer.is_empty() {
                break;
            }
        }
        Ok(&self.buffer[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.buffer.len());
    }
}

impl Read for Exchange {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *lock(&self.state) {
            State::Collecting { body, .. } => body.extend_from_slice(bytes),
            State::Answered(_) | State::Over => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Http for HttpRemote {
    type Headers = Exchange;
    type ResponseBody = Exchange;
    type PostBody = Exchange;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Exchange, Exchange>> {
        let headers = self.exchange(Method::GET, url, base_url, headers);
        headers.answer().map_err(gix::Error::from_error)?;
        if let State::Answered(response) = &*lock(&headers.state) {
            let tail = url.strip_prefix(base_url).unwrap_or_default();
            let actual = response.url().as_str();
            if actual != url {
                self.moved = actual.strip_suffix(tail).map(str::to_owned);
            }
        }
        let body = headers.share(Part::Body);
        Ok(GetResponse { headers, body })
    }

    fn post(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _body: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Exchange, Exchange, Exchange>> {
        let headers = self.exchange(Method::POST, url, base_url, headers);
        let (post_body, body) = (headers.share(Part::HeadersDone), headers.share(Part::Body));
        Ok(PostResponse {
            post_body,
            headers,
            body,
        })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.moved.clone()
    }
}
