//! Microsoft Teams: an adaptive card for workflows, a message card for the connectors of old (Microsoft Teams, webhooks and
//! connectors; Adaptive Cards 1.4).

use super::{
    DeliveryError, Letter, Request, Sent,
    request::address,
    text::{by_severity, cut, defused, escape_html, fit, object},
};
use crate::{
    event::SUMMARY,
    provider::{Answer, Service},
};
use reqwest::Method;
use serde_json::{Value, json};

/// A message may have 28 KB.
const MOST: usize = 27_000;
/// Of a fact, in characters.
const FACT: usize = 300;

/// A card.
///
/// # Errors
/// An address that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let url = address(service)?;
    let is_old = url
        .host_str()
        .is_some_and(|host| host.ends_with(".webhook.office.com"));
    let write = |limit| match is_old {
        true => message_card(letter, limit),
        false => adaptive_card(letter, limit),
    };
    Request::json(Method::POST, url, &fit(MOST, write))
}

fn adaptive_card(letter: Letter<'_>, limit: usize) -> Value {
    let event = letter.event;
    let mut facts: Vec<(&String, &String)> = event.metadata.iter().collect();
    // It is shown before all other.
    facts.sort_by_key(|(key, _)| (key.as_str() != SUMMARY, *key));
    let fact = |(key, value): (&String, &String)| json!({"title": key, "value": cut(value, limit.min(FACT))});
    let mut message =
        json!({"type": "TextBlock", "text": defused(&cut(&event.message, limit)), "wrap": true});
    if let Some(colour) = by_severity(event, None, Some("attention")) {
        message["color"] = colour.into();
    }
    let title = json!({
        "type": "TextBlock", "text": object(event), "size": "large", "weight": "bolder", "wrap": true,
    });
    let facts: Vec<Value> = facts.into_iter().take(50).map(fact).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [{
                    "type": "Container",
                    "items": [title, message, {"type": "FactSet", "facts": facts}],
                }],
                "msteams": {"width": "Full"},
            },
        }],
    })
}

fn message_card(letter: Letter<'_>, limit: usize) -> Value {
    let event = letter.event;
    let fact = |(key, value): (&String, &String)| json!({"name": key, "value": escape_html(&cut(value, limit.min(FACT)))});
    let facts: Vec<Value> = event.metadata.iter().take(50).map(fact).collect();
    json!({
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": by_severity(event, "0076D7", "FF0000"),
        "summary": object(event),
        "sections": [{
            "activityTitle": escape_html(&cut(&event.message, limit)),
            "activitySubtitle": object(event),
            "facts": facts,
        }],
    })
}

/// A connector says 200 even if Teams did not take the message.
///
/// # Errors
/// When it did not.
pub fn check(answer: &Answer, service: &Service) -> Result<Sent, DeliveryError> {
    if !answer.body.starts_with(b"Webhook message delivery failed") {
        return Ok(Sent::Delivered);
    }
    let said = answer.said(&service.mask);
    let about_the_message = ["HTTP error 400", "HTTP error 413"];
    match about_the_message.iter().any(|error| said.contains(error)) {
        true => Err(DeliveryError::never(said)),
        false => Err(DeliveryError::later(said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Severity,
        message::Again,
        message::example::{body, event, service, with_letter},
    };
    use crds::notification::ProviderType;

    fn of(url: &str, event: &crate::event::Event) -> Value {
        let service = service(ProviderType::MsTeams, url, "", &[]);
        body(&with_letter(event, |letter| request(&service, letter)).unwrap())
    }

    #[test]
    fn an_adaptive_card() {
        let card = of(
            "https://prod-1.logic.azure.com/workflows/1",
            &event(Severity::Error),
        );
        let content = &card["attachments"][0]["content"];
        assert_eq!(
            (&content["type"], &content["version"]),
            (&"AdaptiveCard".into(), &"1.4".into())
        );
        assert_eq!(
            content["body"][0]["items"],
            json!([
                {"type": "TextBlock", "text": "kustomization/web.apps", "size": "large", "weight": "bolder", "wrap": true},
                {"type": "TextBlock", "text": "Health check failed: Deployment/apps/web <not> ready & late",
                 "wrap": true, "color": "attention"},
                {"type": "FactSet", "facts": [
                    {"title": "summary", "value": "prod & more"},
                    {"title": "revision", "value": "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35"},
                ]},
            ])
        );
    }

    #[test]
    fn a_message_is_no_markup() {
        let mut event = event(Severity::Info);
        event.message = "[log in](https://evil)".into();
        event
            .metadata
            .insert("board".into(), "[board](https://grafana)".into());
        let card = of("https://prod-1.logic.azure.com/workflows/1", &event).to_string();
        assert!(card.contains("[log in]\u{200b}(https://evil)"), "{card}");
        // People put links there.
        assert!(card.contains("[board](https://grafana)"), "{card}");
    }

    #[test]
    fn a_message_card() {
        let card = of(
            "https://acme.webhook.office.com/webhookb2/1",
            &event(Severity::Error),
        );
        assert_eq!(card["@type"], "MessageCard");
        assert_eq!(card["themeColor"], "FF0000");
        assert_eq!(
            card["sections"][0]["activityTitle"],
            "Health check failed: Deployment/apps/web &lt;not&gt; ready &amp; late"
        );
        assert_eq!(
            card["sections"][0]["facts"][1],
            json!({"name": "summary", "value": "prod &amp; more"})
        );
    }

    #[test]
    fn what_a_connector_says() {
        let service = service(
            ProviderType::MsTeams,
            "https://acme.webhook.office.com/1",
            "",
            &[],
        );
        let said = |body: &str| {
            let answer = Answer {
                status: reqwest::StatusCode::OK,
                retry_after: None,
                body: body.into(),
            };
            check(&answer, &service).map_err(|error| error.again)
        };
        let failed =
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error";
        assert_eq!(said("1"), Ok(Sent::Delivered));
        assert_eq!(said(&format!("{failed} 429 with ContextId x")), Err(Again::Later));
        assert_eq!(said(&format!("{failed} 413 with ContextId x")), Err(Again::Never));
    }

    #[test]
    fn a_long_message_fits() {
        let mut event = event(Severity::Info);
        event.message = "<\"ä".repeat(50_000);
        for url in [
            "https://acme.webhook.office.com/webhookb2/1",
            "https://logic.azure.com/1",
        ] {
            let card = of(url, &event);
            assert!(card.to_string().len() <= MOST && card.to_string().contains('…'));
        }
    }
}
