//! Slack, by an incoming web hook or as a bot (Slack API: `chat.postMessage`, attachments, formatting of text).

use super::{
    DeliveryError, Letter, Request, Sent,
    request::address,
    text::{by_severity, cut, escape_html, first_line, masked, object},
};
use crate::provider::{Answer, Service};
use reqwest::Method;
use serde_json::{Value, json};

/// How a service reads this form.
pub struct Form {
    /// The colour of what went well, and of what did not.
    pub colours: [&'static str; 2],
    /// How a message is kept from being markup.
    pub escape: fn(&str) -> String,
    /// How the value of a field is.
    pub escape_value: fn(&str) -> String,
    /// The longest text, in characters.
    pub text: usize,
    /// The longest value of a field, in characters.
    pub value: usize,
    /// So many fields are shown.
    pub fields: usize,
}

/// Slack cuts messages at 40,000 characters; there has to be room for the rest.
const FORM: Form = Form {
    colours: ["good", "danger"],
    escape: escape_html,
    escape_value: escape_html,
    text: 20_000,
    value: 300,
    fields: 50,
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
        &payload(service, letter, &FORM, &service.channel),
    )?;
    match &service.auth.token {
        Some(token) => request.authorize("Bearer", token),
        None => Ok(request),
    }
}

/// The message, in the form that Slack, Discord and Rocket.Chat read.
pub fn payload(service: &Service, letter: Letter<'_>, form: &Form, channel: &str) -> Value {
    let event = letter.event;
    let username = match service.username.is_empty() {
        true => event.reporting_controller.as_str(),
        false => service.username.as_str(),
    };
    let author = object(event);
    let text = |text: &str, most: usize| (form.escape)(&cut(text, most));
    let shown = |value: &str| (form.escape_value)(&cut(value, form.value));
    let fields: Vec<Value> = event
        .metadata
        .iter()
        .take(form.fields)
        .map(|(key, value)| json!({"title": cut(key, form.value), "value": shown(value), "short": false}))
        .collect();
    let [info, error] = form.colours;
    let attachment = json!({
        "fallback": text(&format!("{author}: {}", first_line(&event.message)), form.value),
        "color": by_severity(event, info, error),
        "author_name": author,
        "text": text(&event.message, form.text),
        "mrkdwn_in": ["text"],
        "fields": fields,
    });
    let mut payload = json!({"username": username, "attachments": [attachment]});
    if !channel.is_empty() {
        payload["channel"] = channel.into();
    }
    payload
}

/// A bot is always answered with 200; whether it worked is inside.
///
/// # Errors
/// What Slack says.
pub fn check(answer: &Answer, service: &Service) -> Result<Sent, DeliveryError> {
    let body = crate::json::answer(&answer.body).unwrap_or_default();
    if body["ok"] != Value::Bool(false) {
        return Ok(Sent::Delivered);
    }
    let error = body["error"].as_str().unwrap_or("unknown error");
    let said = masked(error, &service.mask, 200);
    let message = format!("Slack answered with the error '{said}'");
    match error {
        "msg_too_long"
        | "no_text"
        | "too_many_attachments"
        | "invalid_blocks"
        | "invalid_arguments"
        | "invalid_post_type"
        | "metadata_too_large" => Err(DeliveryError::never(message)),
        _ => Err(DeliveryError::later(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Severity;
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
        let service = service(ProviderType::Slack, "https://slack.com/x", "", &[]);
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
            assert_eq!(
                check(&answer, &service).err().map(|error| error.again),
                expected,
                "{body}"
            );
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
        let payload = with_letter(&event, |letter| payload(&service, letter, &FORM, ""));
        let text = payload["attachments"][0]["text"].as_str().unwrap();
        assert!(text.ends_with('…') && payload.to_string().chars().count() < 40_000);
    }
}
