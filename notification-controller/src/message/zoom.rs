//! Zoom Team Chat: a message by an incoming web hook (Zoom, incoming webhook chatbot, `format=full`).

use super::{
    DeliveryError, Letter, Request,
    request::{address, token},
    text::{cut, object},
};
use crate::provider::Service;
use reqwest::Method;
use serde_json::{Value, json};

/// Of the message, in characters.
const TEXT: usize = 4000;

/// A message. The token stands in `Authorization` as it is.
///
/// # Errors
/// An address or token that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let event = letter.event;
    let mut url = address(service)?;
    if !url
        .query_pairs()
        .any(|(key, value)| key == "format" && !value.is_empty())
    {
        url.query_pairs_mut().append_pair("format", "full");
    }
    let mut body = vec![json!({"type": "message", "text": cut(&event.message, TEXT)})];
    if !event.metadata.is_empty() {
        let item = |(key, value): (&String, &String)| json!({"key": key, "value": cut(value, 500)});
        let items: Vec<Value> = event.metadata.iter().take(50).map(item).collect();
        body.push(json!({"type": "fields", "items": items}));
    }
    let head = json!({"text": object(event), "sub_head": {"text": event.severity.as_str()}});
    let payload = json!({"content": {"head": head, "body": body}});
    Request::json(Method::POST, url, &payload)?.secret_header("Authorization", token(service)?.expose())
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
        let service = service(
            ProviderType::Zoom,
            "https://inbots.zoom.us/incoming/hook/x",
            "",
            &[("token", "raw\n")],
        );
        let request = with_letter(&event(Severity::Error), |letter| request(&service, letter)).unwrap();
        assert_eq!(request.url.query(), Some("format=full"));
        assert_eq!(request.headers["authorization"], "raw");
        assert_eq!(
            body(&request)["content"],
            json!({
                "head": {"text": "kustomization/web.apps", "sub_head": {"text": "error"}},
                "body": [
                    {"type": "message", "text": "Health check failed: Deployment/apps/web <not> ready & late"},
                    {"type": "fields", "items": [
                        {"key": "revision", "value": "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35"},
                        {"key": "summary", "value": "prod & more"},
                    ]},
                ],
            })
        );
    }
}
