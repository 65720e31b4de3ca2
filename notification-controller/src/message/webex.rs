//! Webex: a message in Markdown by a bot (Webex API, `POST /v1/messages`).

use super::{
    DeliveryError, Letter, Request,
    request::{address, token},
    text::{by_severity, cut_bytes, defused, escape_html, object},
};
use crate::provider::Service;
use reqwest::Method;
use serde_json::json;

/// The longest message, in bytes.
const MOST: usize = 7439;

/// A message.
///
/// # Errors
/// An address or token that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let event = letter.event;
    let sign = by_severity(event, "✅", "💣");
    let head = format!("{sign} **{}**\n", object(event));
    let line =
        |(key, value): (&String, &String)| format!(">**{}**: {}\n", escape_html(key), escape_html(value));
    let metadata: String = event.metadata.iter().map(line).collect();
    let metadata = cut_bytes(&metadata, MOST / 3);
    let room = MOST.saturating_sub(head.len() + metadata.len() + 1);
    let markdown = format!(
        "{head}{}\n{metadata}",
        cut_bytes(&escape_html(&defused(&event.message)), room)
    );
    let body = json!({"roomId": service.channel, "markdown": cut_bytes(&markdown, MOST)});
    Request::json(Method::POST, address(service)?, &body)?.authorize("Bearer", token(service)?)
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
            ProviderType::Webex,
            "https://webexapis.com/v1/messages",
            "room",
            &[("token", "t")],
        );
        let of = |event: &_| with_letter(event, |letter| request(&service, letter)).unwrap();
        let request = of(&event(Severity::Error));
        assert_eq!(
            body(&request),
            json!({"roomId": "room", "markdown":
                "💣 **kustomization/web.apps**\nHealth check failed: Deployment/apps/web &lt;not&gt; ready &amp; late\n\
                 >**revision**: main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35\n>**summary**: prod &amp; more\n"})
        );
        assert_eq!(request.headers["authorization"], "Bearer t");
        let mut link = event(Severity::Info);
        link.message = "[log in](https://evil)".into();
        let said = body(&of(&link));
        let said = said["markdown"].as_str().unwrap();
        assert!(said.contains("[log in]\u{200b}(https://evil)"), "{said}");
        let mut long = event(Severity::Info);
        long.message = "ä".repeat(10_000);
        assert!(body(&of(&long))["markdown"].as_str().unwrap().len() <= MOST);
    }
}
