//! Slack, by an incoming web hook or as a bot (Slack API: `chat.postMessage`, attachments, formatting of text).

use super::{
    DeliveryError, Letter, Request, Sent,
    request::address,
    text::{cut, first_line, object},
};
use crate::{
    event::Severity,
    provider::{Answer, Service},
};
use reqwest::Method;
use serde_json::{Value, json};

/// Slack cuts messages at 40,000 characters; there has to be room for the rest.
const TEXT: usize = 30_000;
/// A value of a field.
const VALUE: usize = 2000;
/// So many fields are shown.
const FIELDS: usize = 50;

/// What colours mean.
pub struct Colours {
    /// All is well.
    pub info: &'static str,
    /// It is not.
    pub error: &'static str,
}

/// Slack's own names of colours.
pub const COLOURS: Colours = Colours {
    info: "good",
    error: "danger",
};

/// A message with one attachment.
///
/// # Errors
/// An address or token that cannot be used; a bot without a channel.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let url = address(service)?;
    let bot = url.path().ends_with("/chat.postMessage");
    if bot && service.channel.is_empty() {
        return Err(DeliveryError::later(
            "spec.channel is missing, which a Slack bot needs".into(),
        ));
    }
    let request = Request::json(
        Method::POST,
        url,
        &payload(service, letter, &COLOURS, &service.channel),
    )?;
    match &service.auth.token {
        Some(token) => request.authorize("Bearer", token),
        None => Ok(request),
    }
}

/// The message, in the form that Slack, Discord and Rocket.Chat read.
pub fn payload(service: &Service, letter: Letter<'_>, colours: &Colours, channel: &str) -> Value {
    let event = letter.event;
    let username = match service.username.is_empty() {
        true => event.reporting_controller.as_str(),
        false => service.username.as_str(),
    };
    let author = object(event);
    let fields: Vec<Value> = event
        .metadata
        .iter()
        .take(FIELDS)
        .map(|(key, value)| json!({"title": key, "value": escape(&cut(value, VALUE)), "short": false}))
        .collect();
    let attachment = json!({
        "fallback": escape(&cut(&format!("{author}: {}", first_line(&event.message)), VALUE)),
        "color": if event.severity == Severity::Error { colours.error } else { colours.info },
        "author_name": author,
        "text": escape(&cut(&event.message, TEXT)),
        "mrkdwn_in": ["text"],
        "fields": fields,
    });
    let mut payload = json!({"username": username, "attachments": [attachment]});
    if !channel.is_empty() {
        payload["channel"] = channel.into();
    }
    payload
}

/// Slack's three control characters.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A bot is always answered with 200; whether it worked is inside.
///
/// # Errors
/// What Slack says.
pub fn check(answer: &Answer) -> Result<Sent, DeliveryError> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if body["ok"] != Value::Bool(false) {
        return Ok(Sent::Delivered);
    }
    let error = body["error"].as_str().unwrap_or("unknown error");
    let message = format!("Slack answered with the error '{}'", cut(error, 200));
    match error {
        "msg_too_long" | "no_text" | "too_many_attachments" | "invalid_blocks" => {
            Err(DeliveryError::never(message))
        }
        _ => Err(DeliveryError::later(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{
        Again,
        example::{body, event, service, with_letter},
    };
    use crds::notification::ProviderType;
    use reqwest::StatusCode;

    #[test]
    fn a_hook() {
        let service = service(
            ProviderType::Slack,
            "https://hooks.slack.com/services/a/b/c",
            "",
            &[],
        );
        let request = with_letter(&event(Severity::Error), |letter| request(&service, letter)).unwrap();
        assert_eq!(
            body(&request),
            json!({
                "username": "kustomize-controller",
                "attachments": [{
                    "fallback": "kustomization/web.apps: Health check failed: Deployment/apps/web &lt;not&gt; ready &amp; late",
                    "color": "danger",
                    "author_name": "kustomization/web.apps",
                    "text": "Health check failed: Deployment/apps/web &lt;not&gt; ready &amp; late",
                    "mrkdwn_in": ["text"],
                    "fields": [
                        {"title": "revision", "value": "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35", "short": false},
                        {"title": "summary", "value": "prod &amp; more", "short": false},
                    ],
                }],
            })
        );
        assert!(!request.headers.contains_key("authorization"));
    }

    #[test]
    fn a_bot_needs_a_channel() {
        let of = |channel: &str| {
            let url = "https://slack.com/api/chat.postMessage";
            let service = service(ProviderType::Slack, url, channel, &[("token", "xoxb-1\n")]);
            with_letter(&event(Severity::Info), |letter| request(&service, letter))
        };
        let request = of("alerts").unwrap();
        assert_eq!(body(&request)["channel"], "alerts");
        assert_eq!(request.headers["authorization"], "Bearer xoxb-1");
        assert!(of("").unwrap_err().message.contains("spec.channel"));
    }

    #[test]
    fn what_slack_says() {
        for (body, expected) in [
            ("ok", None),
            ("", None),
            (r#"{"ok":true}"#, None),
            (r#"{"ok":false,"error":"channel_not_found"}"#, Some(Again::Later)),
            (r#"{"ok":false,"error":"msg_too_long"}"#, Some(Again::Never)),
            (r#"{"ok":false}"#, Some(Again::Later)),
        ] {
            let answer = Answer {
                status: StatusCode::OK,
                retry_after: None,
                body: body.into(),
            };
            assert_eq!(check(&answer).err().map(|error| error.again), expected, "{body}");
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        let service = service(
            ProviderType::Slack,
            "https://hooks.slack.com/services/a/b/c",
            "",
            &[],
        );
        let mut event = event(Severity::Info);
        event.message = "x".repeat(1 << 20);
        let payload = with_letter(&event, |letter| payload(&service, letter, &COLOURS, ""));
        let text = payload["attachments"][0]["text"].as_str().unwrap();
        assert!(text.ends_with('…') && payload.to_string().chars().count() < 40_000);
    }
}
