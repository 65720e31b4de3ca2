//! I/O: sends one request and reads the answer, under bounds.

use super::{
    Mask, Service,
    reach::{REFUSAL, is_off_limits},
};
use crate::message::{Again, DeliveryError, Request, cut};
use reqwest::{
    Response, StatusCode,
    header::{HeaderMap, LOCATION, RETRY_AFTER},
};
use runtime::telemetry::chain;
use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use url::{Url, form_urlencoded};

/// So much of an answer is read, in bytes.
const READ: usize = 64 << 10;
/// So much of it is told, in characters.
const TOLD: usize = 512;
/// So often one lets oneself be sent elsewhere.
const REDIRECTS: usize = 5;
/// A service cannot put us off for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// What a service said. Debug does not print it: a service may repeat what it was sent.
#[derive(Clone)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// When to come back, if it says so.
    pub retry_after: Option<Duration>,
    /// What it said, cut.
    pub body: Vec<u8>,
}

/// Sends a request and gives the answer, whatever its status.
///
/// # Errors
/// When there is no answer.
pub(crate) async fn send(service: &Service, request: &Request) -> Result<Answer, DeliveryError> {
    send_up_to(service, request, READ).await
}

/// As [`send`], with a bound of the caller's: what is longer is cut.
pub(crate) async fn send_up_to(
    service: &Service,
    request: &Request,
    most: usize,
) -> Result<Answer, DeliveryError> {
    let transport = &service.transport;
    let client = service
        .peers
        .clients
        .get(transport.fingerprint(), || transport.client())?;
    let mut url = request.url.clone();
    for _ in 0..=REDIRECTS {
        let host = place(&url);
        if is_off_limits(&url) {
            return Err(DeliveryError::later(format!(
                "failed to send to {host}: {REFUSAL}"
            )));
        }
        let unreachable = |error: reqwest::Error| {
            let cause = chain(&error.without_url());
            DeliveryError::later(service.mask.apply(&format!("failed to send to {host}: {cause}")))
        };
        let sent = client
            .request(request.method.clone(), url.clone())
            .headers(request.headers.clone())
            .body(request.body.clone())
            .send();
        let mut response = sent.await.map_err(unreachable)?;
        let Some(location) = redirected(response.status(), response.headers()) else {
            let retry_after = retry_after(response.headers(), SystemTime::now());
            if response.status() == StatusCode::UNAUTHORIZED {
                // What was asked for with something more lasting can be asked for again.
                for value in request.headers.values().filter(|value| value.is_sensitive()) {
                    service.peers.tokens.forget(value.as_bytes());
                }
            }
            return Ok(Answer {
                status: response.status(),
                retry_after,
                body: body(&mut response, most).await,
            });
        };
        url = next(&url, &location, request.is_secret()).map_err(|refused| {
            DeliveryError::later(
                service
                    .mask
                    .apply(&format!("{host} answered with a redirect: {refused}")),
            )
        })?;
    }
    Err(DeliveryError::later(format!(
        "{} redirects without end",
        place(&request.url)
    )))
}

/// What can be read; a connection that breaks has said what it has said.
async fn body(response: &mut Response, most: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < most {
        let Ok(Some(chunk)) = response.chunk().await else {
            break;
        };
        let room = most - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    body
}

/// Where a redirect leads that keeps the method (RFC 9110, 15.4). A 303 says that the message has arrived. So, by habit of
/// clients, might 301 and 302; but a message that was turned into a GET would be lost, so it is sent there as it is.
fn redirected(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    if !matches!(status.as_u16(), 301 | 302 | 307 | 308) {
        return None;
    }
    headers.get(LOCATION)?.to_str().ok().map(str::to_owned)
}

/// The next address. What proves who we are does not leave its host, and goes nowhere unencrypted that it came to encrypted.
fn next(from: &Url, location: &str, secret: bool) -> Result<Url, String> {
    let to = from
        .join(location)
        .map_err(|_| "to something that is no URL".to_owned())?;
    if !matches!(to.scheme(), "http" | "https") {
        return Err("to something that is no http URL".into());
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(format!("from https to http at {}", place(&to)));
    }
    let upgrade =
        from.scheme() == "http" && to.scheme() == "https" && from.port().is_none() && to.port().is_none();
    let same_host =
        from.host() == to.host() && (from.port_or_known_default() == to.port_or_known_default() || upgrade);
    match secret && !same_host {
        true => Err(format!(
            "to another host, {}, which must not get the credentials",
            place(&to)
        )),
        false => Ok(to),
    }
}

/// Scheme, host and port: what may be told of an address.
pub(crate) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3), or when a limit that is used up begins anew (GitHub, rate limits).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let wait = match value(RETRY_AFTER.as_str()) {
        Some(value) => match value.parse::<f64>() {
            Ok(seconds) if seconds >= 0.0 => Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_WAIT),
            Ok(_) => return None,
            Err(_) => httpdate::parse_http_date(value)
                .ok()?
                .duration_since(now)
                .unwrap_or_default(),
        },
        None => {
            value("x-ratelimit-remaining").filter(|left| *left == "0")?;
            let reset = Duration::from_secs(value("x-ratelimit-reset")?.parse().ok()?);
            match UNIX_EPOCH.checked_add(reset) {
                Some(reset) => reset.duration_since(now).ok()?,
                None => LONGEST_WAIT,
            }
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

impl Answer {
    /// Whether the service has taken it: any 2xx, or 303.
    pub fn is_taken(&self) -> bool {
        self.status.is_success() || self.status == StatusCode::SEE_OTHER
    }

    /// Whether a host of Git has taken it: 200, 201 or 204, by the references of all their APIs. With 203, Azure DevOps gives a page
    /// to sign in at to who may not do this.
    pub(crate) fn is_documented(&self) -> bool {
        let page = self.body.trim_ascii_start().starts_with(b"<");
        matches!(self.status.as_u16(), 200 | 201 | 204) && !page
    }

    /// The failure that a status is.
    pub(crate) fn refused(&self, service: &Service, request: &Request) -> DeliveryError {
        let mut mask = service.mask.clone();
        // Tokens that were asked for stand in no Secret.
        for value in request.headers.values().filter(|value| value.is_sensitive()) {
            let value = value.as_bytes();
            let word = value.iter().position(|byte| *byte == b' ');
            mask.hide(word.map_or(value, |at| &value[at..]));
        }
        if request.secret_body {
            for (_, value) in form_urlencoded::parse(&request.body) {
                mask.hide(value.as_bytes());
            }
        }
        let said = self.said(&mask);
        let place = place(&request.url);
        let again = match self.status.as_u16() {
            // GitHub says 403 when a limit is used up.
            403 | 408 | 425 | 429 | 500.. => self.retry_after.map_or(Again::Later, Again::After),
            // What is configured may be put right.
            401 | 404 | 405 | 407 | 410 => Again::Later,
            // What a sign-in page answers, and whoever stands between.
            200..=399 => Again::Later,
            _ => Again::Never,
        };
        let told = match said.is_empty() {
            _ if self.status.is_success() => ", which says that the login was refused".to_owned(),
            true => String::new(),
            false => format!(": {said}"),
        };
        DeliveryError {
            message: mask.apply(&format!("{place} answered {}{told}", self.status)),
            again,
        }
    }

    /// As [`Answer::refused`], where an event names what is asked for: what is not found is missing for this event only, and
    /// others need not wait.
    pub(crate) fn refused_for_good(&self, service: &Service, request: &Request) -> DeliveryError {
        let mut refused = self.refused(service, request);
        if matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            refused.again = Again::Never;
        }
        refused
    }

    /// What it said, for people.
    pub(crate) fn said(&self, mask: &Mask) -> String {
        let text = mask.apply(&String::from_utf8_lossy(&self.body));
        let words: Vec<&str> = text.split_whitespace().collect();
        cut(&words.join(" "), TOLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    #[test]
    fn redirects_keep_secrets_at_home() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (from, to, secret, expected) in [
            ("https://a/x", "/y", true, Ok("https://a/y")),
            ("http://a/x", "https://a/x", true, Ok("https://a/x")),
            ("https://a/x", "https://b/x", false, Ok("https://b/x")),
            (
                "https://a/x",
                "https://b/x",
                true,
                Err("another host, https://b,"),
            ),
            (
                "https://a/x",
                "https://a:8443/x",
                true,
                Err("another host, https://a:8443,"),
            ),
            ("http://a:80/x", "https://a:8443/x", true, Err("another host")),
            (
                "https://a/x",
                "http://a/x",
                false,
                Err("from https to http at http://a"),
            ),
            ("https://a/x", "file:///etc/passwd", false, Err("no http URL")),
            ("https://a/x", "https://[", false, Err("no URL")),
        ] {
            match (next(&url(from), to, secret), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.as_str(), expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, _) => panic!("{from} to {to}: {found:?}"),
            }
        }
    }

    #[test]
    fn when_to_come_back() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (value, expected) in [
            ("120", Some(120)),
            ("0.5", Some(0)),
            ("-1", None),
            ("NaN", None),
            ("soon", None),
            ("inf", Some(3600)),
            ("1000000000000000000000", Some(3600)),
            ("86400", Some(3600)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:40:37 GMT", Some(0)),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            assert_eq!(
                retry_after(&headers, now).map(|wait| wait.as_secs()),
                expected,
                "{value}"
            );
        }
        let limit = |left: &'static str, reset: &'static str| {
            let pairs = [("x-ratelimit-remaining", left), ("x-ratelimit-reset", reset)];
            let headers =
                pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            retry_after(&HeaderMap::from_iter(headers), now).map(|wait| wait.as_secs())
        };
        assert_eq!(limit("0", "784111807"), Some(30));
        assert_eq!(limit("0", "18446744073709551615"), Some(3600));
        assert_eq!(limit("1", "784111807"), None);
    }
}
