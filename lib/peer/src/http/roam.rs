//! I/O: requests to peers that may send on to others, as registries and Helm repositories do. Wherever that leads, a login stays
//! where it was given.

use reqwest::{
    Client, Method, Response, StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION},
    redirect,
};
use url::Url;

use super::MAX_REDIRECTS;

/// For clients that are given to [`send`]: redirects at one place are followed; one to another place is the answer. From https to
/// http nobody goes.
pub fn at_home() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let Some(from) = attempt.previous().last() else {
            return attempt.stop();
        };
        if from.scheme() == "https" && attempt.url().scheme() != "https" {
            return attempt.error("refused to follow a redirect from https to http");
        }
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error("too many redirects");
        }
        match from.origin() == attempt.url().origin() {
            true => attempt.follow(),
            false => attempt.stop(),
        }
    })
}

/// Sends a request without a body, with a login for its own scheme, host and port, and follows where it is sent. The client itself
/// does not do for that: on the second redirect of another host it would send the login again (tower-http 0.6, which reqwest
/// follows redirects with).
///
/// # Errors
/// As the client; an answer that still sends on after ten places is given as it is.
pub async fn send(
    http: &Client,
    method: &Method,
    url: &Url,
    headers: &HeaderMap,
    login: Option<HeaderValue>,
) -> reqwest::Result<Response> {
    let request = |url: Url| http.request(method.clone(), url).headers(headers.clone());
    let mut first = request(url.clone());
    if let Some(login) = login {
        first = first.header(AUTHORIZATION, login);
    }
    let mut answer = first.send().await?;
    for _ in 0..MAX_REDIRECTS {
        let Some(place) = elsewhere(&answer) else { break };
        answer = request(place).send().await?;
    }
    Ok(answer)
}

/// Where an answer sends on to.
fn elsewhere(answer: &Response) -> Option<Url> {
    let sends_on = matches!(
        answer.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = answer.headers().get(LOCATION).filter(|_| sends_on)?;
    answer.url().join(location.to_str().ok()?).ok()
}
