//! Google Chat: a card (Google Chat API, `cards` of version 1, whose texts are simple HTML).

use super::{
    DeliveryError, Letter, Request,
    request::address,
    text::{by_severity, cut, escape_html, fit, object},
};
use crate::provider::Service;
use reqwest::Method;
use serde_json::{Value, json};

/// A message may have 32 KB.
const MOST: usize = 31_000;

/// A card with the message and the metadata.
///
/// # Errors
/// An address that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    Request::json(
        Method::POST,
        address(service)?,
        &fit(MOST, |limit| card(letter, limit)),
    )
}

fn card(letter: Letter<'_>, limit: usize) -> Value {
    let event = letter.event;
    let message = escape_html(&cut(&event.message, limit));
    let message = by_severity(
        event,
        message.clone(),
        format!("<font color=\"#ff0000\">{message}</font>"),
    );
    let mut sections = vec![json!({"widgets": [{"textParagraph": {"text": message}}]})];
    let value = |(key, value): (&String, &String)| {
        let content = escape_html(&cut(value, limit.min(500)));
        json!({"keyValue": {"topLabel": key, "content": content, "contentMultiline": false}})
    };
    if !event.metadata.is_empty() {
        let widgets: Vec<Value> = event.metadata.iter().take(50).map(value).collect();
        sections.push(json!({"widgets": widgets}));
    }
    let header = json!({"title": object(event), "subtitle": event.reporting_controller});
    json!({"cards": [{"header": header, "sections": sections}]})
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
    fn a_card() {
        let service = service(
            ProviderType::GoogleChat,
            "https://chat.googleapis.com/v1/spaces/1",
            "",
            &[],
        );
        let request = with_letter(&event(Severity::Error), |letter| request(&service, letter)).unwrap();
        assert_eq!(
            body(&request),
            json!({"cards": [{
                "header": {"title": "kustomization/web.apps", "subtitle": "kustomize-controller"},
                "sections": [
                    {"widgets": [{"textParagraph": {"text":
                        "<font color=\"#ff0000\">Health check failed: Deployment/apps/web &lt;not&gt; ready &amp; late</font>"}}]},
                    {"widgets": [
                        {"keyValue": {"topLabel": "revision", "content": "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35",
                                      "contentMultiline": false}},
                        {"keyValue": {"topLabel": "summary", "content": "prod &amp; more", "contentMultiline": false}},
                    ]},
                ],
            }]})
        );
    }
}
