//! I/O: what all requests of one operation share: the client, the login, the deadline, and the first failure.

use std::io;
use std::sync::{Arc, Mutex};

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response};
use tokio::runtime::Runtime;

use crate::git::deadline::{Deadline, Elapsed};
use crate::git::error::RemoteError;
use crate::git::room::Rooms;
use crate::lock::lock;
use peer::http::{RefusedRedirect, address, bare, retry_after, source_of};

/// How much of an error page goes into a message, in bytes.
const MAX_REASON: usize = 512;

/// What went wrong first, in a place that outlives the transport: the protocol code above sees only I/O errors.
pub(in crate::git) type Failure = Arc<Mutex<Option<RemoteError>>>;

/// What all requests of one operation share.
pub(super) struct Line {
    pub(super) runtime: Runtime,
    pub(super) client: Client,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) deadline: Deadline,
    pub(super) failure: Failure,
    /// The most bytes that one answer may have.
    pub(super) limit: u64,
    /// Room for packs.
    pub(super) rooms: Arc<Rooms>,
}

impl Line {
    /// Remembers what happened and gives gix an I/O error for it.
    pub(super) fn fail(&self, error: RemoteError) -> io::Error {
        let kind = match &error {
            RemoteError::Timeout(_) => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::Other,
        };
        let text = error.to_string();
        lock(&self.failure).get_or_insert(error);
        io::Error::new(kind, text)
    }

    pub(super) fn timed_out(&self, Elapsed(span): Elapsed) -> io::Error {
        self.fail(RemoteError::Timeout(span))
    }

    pub(super) fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> io::Result<Response> {
        let name = if method == Method::GET { "Get" } else { "Post" };
        let request = self.client.request(method, url).headers(headers).body(body);
        // Its timers start with it, and need the runtime that waits for it.
        let request = async { request.send().await };
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
            // GitHub's secondary limits are told so.
            403 if retry_after(&response).is_none() => {
                Err(self.fail(RemoteError::AuthorizationFailed(self.reason(response))))
            }
            404 => Err(self.fail(RemoteError::RepositoryNotFound(self.reason(response)))),
            status => Err(self.fail(RemoteError::Status {
                url: bare(url),
                status,
                retry_after: retry_after(&response),
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
