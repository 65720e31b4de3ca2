//! Telegram: a message by a bot (Telegram Bot API, `sendMessage`, MarkdownV2).

use super::{
    Again, DeliveryError, Letter, Request,
    request::{address, token},
    text::{by_severity, cut_utf16},
};
use crate::provider::{Answer, Service};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;
use url::Url;

/// The bot API, unless the Provider names another server of it.
const API: &str = "https://api.telegram.org";
/// What MarkdownV2 takes for markup.
const SPECIAL: &[char] = &[
    '\\', '_', '*', '[', ']', '(', ')', '~', '`', '>', '#', '+', '-', '=', '|', '{', '}', '.', '!',
];
/// A text has at most 4096 UTF-16 units, without its markup; these are the parts of it.
const MESSAGE: usize = 2600;
const METADATA: usize = 1000;

/// A message. The token is part of the address.
///
/// # Errors
/// A token or channel that is missing.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let event = letter.event;
    if service.channel.is_empty() {
        return Err(DeliveryError::later(
            "spec.channel is missing, which Telegram needs".into(),
        ));
    }
    let unusable = || DeliveryError::later("the token cannot be part of an address".into());
    let token = token(service)?.text().ok_or_else(unusable)?;
    // A bot's token has a colon and else letters that an address can have; anything else is no token.
    let token = utf8_percent_encode(token, NON_ALPHANUMERIC)
        .to_string()
        .replace("%3A", ":")
        .replace("%2D", "-")
        .replace("%5F", "_");
    let base = match service.address.is_blank() {
        true => Url::parse(API).map_err(|_| unusable())?,
        false => address(service)?,
    };
    let base = base.as_str().trim_end_matches('/').to_owned();
    let url = Url::parse(&format!("{base}/bot{token}/sendMessage")).map_err(|_| unusable())?;

    let sign = by_severity(event, "💫", "🚨");
    let heading = format!(
        "{sign} {}/{}/{}",
        event.kind().to_lowercase(),
        event.name(),
        event.namespace()
    );
    let heading = escape(&cut_utf16(&heading, 400));
    let mut room = METADATA;
    let mut metadata = String::new();
    for (key, value) in &event.metadata {
        let line = 5 + key.encode_utf16().count() + value.encode_utf16().count();
        if line > room {
            metadata.push_str("…\n");
            break;
        }
        room -= line;
        metadata.push_str(&format!("\\- *{}*: {}\n", escape(key), escape(value)));
    }
    let message = escape(&cut_utf16(&event.message, MESSAGE));
    let (chat, thread) = match service.channel.split_once(':') {
        Some((chat, thread)) => (chat, Some(thread)),
        None => (service.channel.as_str(), None),
    };
    let mut body = json!({
        "chat_id": chat,
        "text": format!("*{heading}*\n{message}\n{metadata}"),
        "parse_mode": "MarkdownV2",
    });
    if let Some(thread) = thread {
        body["message_thread_id"] = thread.into();
    }
    Request::json(Method::POST, url, &body)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if SPECIAL.contains(&letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// When to come back stands in the body.
pub fn again(answer: &Answer) -> Option<Again> {
    if answer.status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let body = crate::json::answer(&answer.body)?;
    let seconds = body["parameters"]["retry_after"].as_u64()?;
    Some(Again::After(Duration::from_secs(seconds.min(3600))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Severity,
        message::example::{body, event, service, with_letter},
    };
    use crds::notification::ProviderType;

    #[test]
    fn a_message() {
        let service = service(ProviderType::Telegram, "", "-100:7", &[("token", "123:AB_c-d")]);
        let request = with_letter(&event(Severity::Error), |letter| request(&service, letter)).unwrap();
        assert_eq!(
            request.url.as_str(),
            "https://api.telegram.org/bot123:AB_c-d/sendMessage"
        );
        assert_eq!(
            body(&request),
            json!({
                "chat_id": "-100",
                "message_thread_id": "7",
                "parse_mode": "MarkdownV2",
                "text": "*🚨 kustomization/web/apps*\nHealth check failed: Deployment/apps/web <not\\> ready & late\n\
                         \\- *revision*: main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35\n\\- *summary*: prod & more\n",
            })
        );
        assert_eq!(escape("a_b*c.d!\\"), "a\\_b\\*c\\.d\\!\\\\");
    }

    #[test]
    fn a_long_message_is_cut() {
        let service = service(ProviderType::Telegram, "", "1", &[("token", "123:AB")]);
        let mut event = event(Severity::Info);
        event.message = "🚨x".repeat(10_000);
        event.metadata = (0..100).map(|n| (format!("key{n}"), "v".repeat(90))).collect();
        let request = with_letter(&event, |letter| request(&service, letter)).unwrap();
        let text = body(&request)["text"].as_str().unwrap().replace('\\', "");
        assert!(
            text.encode_utf16().count() <= 4096,
            "{}",
            text.encode_utf16().count()
        );
    }
}
