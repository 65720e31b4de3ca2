//! I/O: one request to a token service, and its answer under a limit.

use super::CloudError;
use peer::http::{retry_after, without_queries, without_query};
use reqwest::{Client, RequestBuilder};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// An answer is never larger, in bytes; read as a tree it may take a hundred times of that in memory.
const MAX_ANSWER: usize = 256 << 10;
/// How much of a refusal is told, in characters.
const MAX_TOLD: usize = 300;

/// `POST` of a form.
pub(super) fn form(client: &Client, url: &str, pairs: &[(&str, &str)]) -> RequestBuilder {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(pairs);
    let kind = "application/x-www-form-urlencoded";
    client.post(url).header("content-type", kind).body(text.finish())
}

/// Sends a request and reads its answer.
pub(super) async fn call(request: RequestBuilder) -> Result<Vec<u8>, CloudError> {
    let (client, request) = request.build_split();
    let request = request.map_err(CloudError::Client)?;
    let (method, url) = (request.method().clone(), without_query(request.url()));
    let failed = |source: reqwest::Error| CloudError::Request {
        method: method.clone(),
        url: url.clone(),
        source: source.without_url(),
    };
    let mut answer = client.execute(request).await.map_err(failed)?;
    let (status, retry_after) = (answer.status(), retry_after(&answer));
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(failed)? {
        body.extend_from_slice(&piece);
        if body.len() > MAX_ANSWER {
            return Err(CloudError::Answer(url));
        }
    }
    if status.is_success() {
        return Ok(body);
    }
    let problem = match told(&body) {
        text if text.is_empty() => format!("unexpected status code {status}"),
        text => text,
    };
    Err(CloudError::Refused {
        url,
        problem,
        retry_after,
    })
}

/// As [`call`], for JSON.
pub(super) async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, CloudError> {
    let body = call(request).await?;
    serde_json::from_slice(&body).map_err(|_| CloudError::Answer("the token service".into()))
}

/// As [`call`], for XML.
pub(super) async fn xml<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, CloudError> {
    let body = call(request).await?;
    let unusable = || CloudError::Answer("the token service".into());
    let text = std::str::from_utf8(&body).map_err(|_| unusable())?;
    quick_xml::de::from_str(text).map_err(|_| unusable())
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refusal {
    error: Refused,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refused {
    code: String,
    message: String,
}

/// What a refusal says: OAuth's `error` and `error_description`, Google's and Amazon's `message`, or the XML of STS.
fn told(body: &[u8]) -> String {
    let mut parts = Vec::new();
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        let at = [
            "/error",
            "/error_description",
            "/error/message",
            "/__type",
            "/message",
            "/Message",
            "/errors/0/message",
        ];
        let found = at.iter().filter_map(|at| value.pointer(at)?.as_str());
        parts.extend(found.map(str::to_owned));
    } else if let Ok(Refusal { error }) = quick_xml::de::from_str(&String::from_utf8_lossy(body)) {
        parts.extend(
            [error.code, error.message]
                .into_iter()
                .filter(|part| !part.is_empty()),
        );
    }
    let text = parts.join(": ");
    // Entra adds an id and a time on further lines, which would make each message a new one.
    let line = text.lines().next().unwrap_or_default();
    without_queries(line).chars().take(MAX_TOLD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        time::Duration,
    };

    #[tokio::test]
    async fn a_busy_service_is_left_alone() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let answer = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 90\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).unwrap();
        });
        let refused = call(Client::new().get(url)).await.unwrap_err();
        assert_eq!(refused.retry_after(), Some(Duration::from_secs(90)));
        served.join().unwrap();
    }
}
