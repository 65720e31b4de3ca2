//! The HTTP transport: requests as Git's smart protocol makes them, with our own login, trust, redirects and limits.

mod exchange;
mod line;

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse,
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};

use super::auth::{HttpAuth, Login};
use super::deadline::runtime;
use super::error::MirrorError;
use super::greeting::{Greeting, LONGEST, Meeting};
use super::remote::Call;
use exchange::Exchange;
pub(super) use line::Failure;
use line::Line;
pub(super) use peer::http::{bare, client};
use peer::http::{basic, bearer, policy_telling};

/// What the answer to the first request is, of a server that speaks the smart protocol.
const ADVERTISEMENT: &str = "application/x-git-upload-pack-advertisement";

/// Speaks HTTP for gix.
pub(super) struct HttpRemote {
    line: Arc<Line>,
    /// Where the repository really is, once an answer came from elsewhere.
    moved: Option<String>,
    /// Whether the way to it led over a redirect that is good for once only, or to another host.
    fleeting: Arc<AtomicBool>,
    meeting: Meeting,
}

impl HttpRemote {
    /// A client for one operation on a repository.
    pub(super) fn new(
        call: Call<'_>,
        auth: &HttpAuth,
        failure: Failure,
        meeting: Meeting,
    ) -> Result<HttpRemote, HttpSetupError> {
        let runtime = runtime().map_err(|source| HttpSetupError::Runtime(MirrorError::Runtime(source)))?;
        let authorization = authorization(&auth.login);
        let fleeting = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&fleeting);
        let policy = policy_telling(authorization.is_some(), move |status, same_host| {
            // RFC 9110, 15.4: the others may lead elsewhere tomorrow.
            let for_good = matches!(
                status,
                StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT
            );
            if !(for_good && same_host) {
                seen.store(true, Ordering::Relaxed);
            }
        });
        let client = client(&auth.tls, call.proxy, policy).map_err(HttpSetupError::Client)?;
        let line = Line {
            runtime,
            client,
            authorization,
            deadline: call.deadline,
            failure,
            limit: call.limit,
            rooms: Arc::clone(call.rooms),
        };
        Ok(HttpRemote {
            line: Arc::new(line),
            moved: None,
            fleeting,
            meeting,
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
        Exchange::new(Arc::clone(&self.line), method, url, map)
    }

    /// The greeting as it was given last time; nothing goes over the line.
    fn repeat(&mut self, greeting: &Greeting) -> GetResponse<Exchange, Exchange> {
        self.moved.clone_from(&greeting.moved);
        let said = |bytes: Vec<u8>| Exchange::said(Arc::clone(&self.line), bytes);
        GetResponse {
            headers: said(format!("content-type:{ADVERTISEMENT}\n").into_bytes()),
            body: said(greeting.body.clone()),
        }
    }

    /// Reads as much of an answer as a greeting may have, and remembers it if it is one.
    fn learn(&self, body: &mut Exchange) -> std::io::Result<()> {
        if body.content_type().as_deref() != Some(ADVERTISEMENT) || self.fleeting.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let Some(whole) = body.peek(LONGEST)? {
            let moved = self.moved.clone();
            self.meeting.learn(Greeting {
                body: whole.to_vec(),
                moved,
            });
        }
        Ok(())
    }
}

/// The value of the `Authorization` header. A GitHub App's token must have been exchanged before.
fn authorization(login: &Login) -> Option<HeaderValue> {
    match login {
        Login::None | Login::GitHubApp(_) => None,
        Login::Basic { username, password } => basic(username, password),
        Login::Bearer(token) => bearer(token.expose()),
        Login::Granted { login, .. } => authorization(login),
    }
}

/// Why there is no client.
pub(super) enum HttpSetupError {
    Runtime(MirrorError),
    Client(reqwest::Error),
}

impl Http for HttpRemote {
    type Headers = Exchange;
    type ResponseBody = Exchange;
    type PostBody = Exchange;

    /// Protocol code makes this request once, at the beginning, to be greeted.
    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Exchange, Exchange>> {
        if let Some(greeting) = self.meeting.known.clone() {
            return Ok(self.repeat(&greeting));
        }
        let headers = self.exchange(Method::GET, url, base_url, headers);
        headers.answer().map_err(gix::Error::from_error)?;
        if let Some(actual) = headers.came_from().filter(|actual| actual != url) {
            let tail = url.strip_prefix(base_url).unwrap_or_default();
            self.moved = actual.strip_suffix(tail).map(str::to_owned);
        }
        let mut body = headers.body();
        self.learn(&mut body).map_err(gix::Error::from_error)?;
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
        Ok(PostResponse {
            post_body: headers.request(),
            body: headers.body(),
            headers,
        })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.moved.clone()
    }
}
