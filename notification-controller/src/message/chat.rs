//! Discord and Rocket.Chat, which read Slack's form.

use super::{DeliveryError, Letter, Request, request::address, slack, text::defused};
use crate::provider::Service;
use reqwest::Method;

/// An embed has at most 6000 characters, names of fields included, and 4096 of them in its text (Discord API, embed limits).
const DISCORD: slack::Form = slack::Form {
    colours: ["good", "danger"],
    escape: defused,
    // People put links there.
    escape_value: str::to_owned,
    text: 2800,
    value: 120,
    fields: 12,
};

const ROCKET: slack::Form = slack::Form {
    colours: ["#0076D7", "#FF0000"],
    escape: defused,
    // People put links there.
    escape_value: str::to_owned,
    text: 5000,
    value: 1024,
    fields: 50,
};

/// To the form of a Discord hook that reads what is for Slack. The hook knows its channel.
///
/// # Errors
/// An address that cannot be used.
pub fn discord(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let mut url = address(service)?;
    if !url.path().ends_with("/slack") {
        let path = format!("{}/slack", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Request::json(Method::POST, url, &slack::payload(service, letter, &DISCORD, ""))
}

/// To a Rocket.Chat hook.
///
/// # Errors
/// An address that cannot be used.
pub fn rocket(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let payload = slack::payload(service, letter, &ROCKET, &service.channel);
    Request::json(Method::POST, address(service)?, &payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Severity,
        message::example::{body, event, service, with_letter},
    };
    use crds::notification::ProviderType;
    use serde_json::json;

    type Room = fn(&Service, Letter<'_>) -> Result<Request, DeliveryError>;

    #[test]
    fn the_whole_message() {
        let attachment = |colour: &str, text: &str| {
            let first = text.lines().next().unwrap_or_default();
            json!({
                "fallback": format!("kustomization/web.apps: {first}"),
                "color": colour,
                "author_name": "kustomization/web.apps",
                "text": text,
                "mrkdwn_in": ["text"],
                "fields": [
                    {"title": "revision", "value": "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35", "short": false},
                    {"title": "summary", "value": "prod & more", "short": false},
                ],
            })
        };
        let failed = "Health check failed: Deployment/apps/web <not> ready & late";
        let applied = "Applied revision: main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35\nsecond *line*";
        let rooms: [(_, Room, _, _); 2] = [
            (ProviderType::Discord, super::discord, None, ["good", "danger"]),
            (
                ProviderType::Rocket,
                super::rocket,
                Some("room"),
                ["#0076D7", "#FF0000"],
            ),
        ];
        for (kind, room, channel, [good, bad]) in rooms {
            for (severity, colour, text) in [(Severity::Info, good, applied), (Severity::Error, bad, failed)]
            {
                let service = service(kind, "https://chat.example/x", "room", &[]);
                let request = with_letter(&event(severity), |letter| room(&service, letter)).unwrap();
                let mut expected =
                    json!({"username": "kustomize-controller", "attachments": [attachment(colour, text)]});
                if let Some(channel) = channel {
                    expected["channel"] = channel.into();
                }
                assert_eq!(body(&request), expected);
                let headers: Vec<_> = request.headers.iter().collect();
                assert_eq!((request.method, headers.len()), (Method::POST, 1));
            }
        }
    }

    #[test]
    fn an_embed_is_taken_whole() {
        let service = service(
            ProviderType::Discord,
            "https://discord.com/api/webhooks/1/abc",
            "",
            &[],
        );
        let mut event = event(Severity::Info);
        event.message = "x".repeat(10_000);
        event.metadata = (0..40).map(|n| (format!("{n:0200}"), "v".repeat(500))).collect();
        let request = with_letter(&event, |letter| super::discord(&service, letter)).unwrap();
        let embed = &body(&request)["attachments"][0];
        let length = |value: &serde_json::Value| value.as_str().unwrap().chars().count();
        let fields = embed["fields"].as_array().unwrap();
        let fields: usize = fields
            .iter()
            .map(|field| length(&field["title"]) + length(&field["value"]))
            .sum();
        assert!(length(&embed["text"]) + length(&embed["author_name"]) + fields <= 6000);
    }

    #[test]
    fn a_message_is_no_markup() {
        let mut event = event(Severity::Info);
        event.message = "[log in](https://evil) @all".into();
        event.metadata = [("board".into(), "[board](https://grafana)".into())].into();
        let rooms: [(_, Room); 2] = [
            (ProviderType::Discord, super::discord),
            (ProviderType::Rocket, super::rocket),
        ];
        for (kind, room) in rooms {
            let service = service(kind, "https://chat.example/x", "", &[]);
            let request = with_letter(&event, |letter| room(&service, letter)).unwrap();
            let attachment = &body(&request)["attachments"][0];
            assert_eq!(attachment["text"], "[log in]\u{200b}(https://evil) @\u{200b}all");
            assert_eq!(attachment["fields"][0]["value"], "[board](https://grafana)");
        }
    }

    #[test]
    fn each_has_its_own_colours_and_address() {
        let of = |kind, url: &str, request: Room| {
            let service = service(kind, url, "room", &[]);
            with_letter(&event(Severity::Error), |letter| request(&service, letter)).unwrap()
        };
        let hook = "https://discord.com/api/webhooks/1/abc";
        let discord = of(ProviderType::Discord, hook, super::discord);
        assert_eq!(discord.url.as_str(), format!("{hook}/slack"));
        assert_eq!(body(&discord)["channel"], serde_json::Value::Null);
        assert_eq!(body(&discord)["attachments"][0]["color"], "danger");
        let again = of(ProviderType::Discord, discord.url.as_str(), super::discord);
        assert_eq!(again.url, discord.url);
        let rocket = of(
            ProviderType::Rocket,
            "https://rocket.example/hooks/a/b",
            super::rocket,
        );
        assert_eq!(body(&rocket)["channel"], "room");
        assert_eq!(body(&rocket)["attachments"][0]["color"], "#FF0000");
        assert_eq!(
            body(&rocket)["attachments"][0]["text"],
            "Health check failed: Deployment/apps/web <not> ready & late"
        );
    }
}
