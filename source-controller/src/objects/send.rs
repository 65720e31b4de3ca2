//! I/O: requests to a store, tried again a little where it is only busy, and bodies under a limit.

use super::ObjectsError;
use peer::http::{Pace, retry_after, without_query};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use std::{io::Write, time::Duration};

/// A page of a listing, or an error, is never larger, in bytes.
const MAX_PAGE: u64 = 16 << 20;
/// So often a request is sent while the store says that it is busy.
const TRIES: u32 = 4;
/// The first pause between them; each next one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);
/// A store that wants a longer pause gets it between passes.
const LONGEST: Duration = Duration::from_secs(2);

/// The content of an object.
#[derive(Debug)]
pub struct Body(Response);

impl Body {
    /// How long it says that it is; a longer one does not come.
    pub fn length(&self) -> Option<u64> {
        self.0.content_length()
    }

    /// Writes the content. `admit` is told of each piece's length before it is written, and may refuse it.
    ///
    /// # Errors
    /// A body that breaks off, a piece that is refused, a writer that fails.
    pub async fn save(
        mut self,
        into: &mut impl Write,
        admit: impl Fn(u64) -> Result<(), ObjectsError>,
    ) -> Result<(), ObjectsError> {
        let url = without_query(self.0.url());
        let failed = |source: reqwest::Error| ObjectsError::Request {
            method: "GET",
            url: url.clone(),
            source: source.without_url(),
        };
        let mut pace = Pace::default();
        while let Some(piece) = self.0.chunk().await.map_err(failed)? {
            pace.keeps(piece.len())
                .map_err(|slow| ObjectsError::Answer(slow.to_string()))?;
            admit(piece.len() as u64)?;
            into.write_all(&piece).map_err(ObjectsError::Write)?;
        }
        Ok(())
    }
}

impl From<Response> for Body {
    fn from(answer: Response) -> Self {
        Self(answer)
    }
}

/// Sends the request that `make` makes; it is made anew for each try, because signatures have a date.
///
/// Gives the answer if it is a success, or what the store refused with.
pub(super) async fn send(
    http: &Client,
    make: impl Fn(&Client) -> Result<RequestBuilder, ObjectsError>,
) -> Result<Result<Response, Refusal>, ObjectsError> {
    let mut pause = PAUSE;
    for attempt in 1.. {
        let request = make(http)?.build().map_err(ObjectsError::Client)?;
        let url = without_query(request.url());
        let method = name(request.method());
        let sent = http.execute(request).await;
        let answer = sent.map_err(|source| ObjectsError::Request {
            method,
            url: url.clone(),
            source: source.without_url(),
        })?;
        if answer.status().is_success() {
            return Ok(Ok(answer));
        }
        let refusal = Refusal {
            status: answer.status(),
            retry_after: retry_after(&answer),
            region: header(&answer, "x-amz-bucket-region"),
            azure: header(&answer, "x-ms-error-code"),
            body: read(answer).await.unwrap_or_default(),
        };
        let wanted = refusal.retry_after.unwrap_or(pause);
        if !refusal.is_busy() || attempt >= TRIES || wanted > LONGEST {
            return Ok(Err(refusal));
        }
        tokio::time::sleep(wanted).await;
        pause *= 2;
    }
    Err(ObjectsError::Answer("the request was never sent".into()))
}

fn name(method: &Method) -> &'static str {
    match *method {
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "GET",
    }
}

/// Whether an answer to the deletion of an object means that it is not there.
pub(super) fn deleted(answer: Result<Response, Refusal>) -> Result<(), ObjectsError> {
    match answer {
        Ok(_) => Ok(()),
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(()),
        Err(refusal) => Err(refusal.told()),
    }
}

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    /// The region that the bucket is in, if S3 says.
    pub(super) region: Option<String>,
    /// Azure's word for it.
    pub(super) azure: Option<String>,
    retry_after: Option<Duration>,
}

impl Refusal {
    fn is_busy(&self) -> bool {
        matches!(self.status.as_u16(), 429 | 500 | 502 | 503 | 504)
    }

    /// The refusal in the words of the body's XML (S3 and Azure: `Code` and `Message`) or of its JSON (Google).
    pub(super) fn told(&self) -> ObjectsError {
        let (code, message) = words(&self.body);
        let code = self.azure.clone().unwrap_or(code);
        ObjectsError::refused(self.status, code, &message, self.retry_after)
    }

    /// The store's word for what is wrong.
    pub(super) fn code(&self) -> String {
        self.azure.clone().unwrap_or_else(|| words(&self.body).0)
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Xml {
    code: String,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Json {
    error: JsonError,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonError {
    message: String,
    errors: Vec<JsonReason>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonReason {
    reason: String,
}

fn words(body: &[u8]) -> (String, String) {
    if let Ok(Json { error }) = serde_json::from_slice(body) {
        let reason = error.errors.into_iter().next().unwrap_or_default().reason;
        return (reason, error.message);
    }
    let Xml { code, message } = xml(body).unwrap_or_default();
    // What Azure says has its request's id and time on further lines: they would make each message a new one.
    let message = message.lines().next().unwrap_or_default().to_owned();
    (code, message)
}

/// Reads XML.
pub(super) fn xml<T: DeserializeOwned>(body: &[u8]) -> Result<T, ObjectsError> {
    // Azure begins with a byte order mark.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let odd = |problem: String| ObjectsError::Answer(format!("the answer cannot be read: {problem}"));
    let text = std::str::from_utf8(body).map_err(|e| odd(e.to_string()))?;
    quick_xml::de::from_str(text).map_err(|e| odd(e.to_string()))
}

/// A body that is a page or an error.
pub(super) async fn read(mut answer: Response) -> Result<Vec<u8>, ObjectsError> {
    let url = without_query(answer.url());
    let (mut body, mut pace) = (Vec::new(), Pace::default());
    loop {
        let piece = answer.chunk().await.map_err(|source| ObjectsError::Request {
            method: "GET",
            url: url.clone(),
            source: source.without_url(),
        })?;
        let Some(piece) = piece else { return Ok(body) };
        pace.keeps(piece.len())
            .map_err(|slow| ObjectsError::Answer(slow.to_string()))?;
        if (body.len() + piece.len()) as u64 > MAX_PAGE {
            return Err(ObjectsError::TooLarge {
                what: format!("the answer of {url}"),
                limit: MAX_PAGE,
            });
        }
        body.extend_from_slice(&piece);
    }
}

pub(super) fn header(answer: &Response, name: &str) -> Option<String> {
    let value = answer.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}
