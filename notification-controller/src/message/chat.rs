//! Discord and Rocket.Chat, which read Slack's form.

use super::{DeliveryError, Letter, Request, request::address, slack};
use crate::provider::Service;
use reqwest::Method;

/// Discord shows 4096 characters of a text, 25 fields and 1024 characters of a field (Discord API, embed limits).
const DISCORD: slack::Form = slack::Form {
    colours: ["good", "danger"],
    escape: str::to_owned,
    text: 4096,
    value: 1024,
    fields: 25,
};

const ROCKET: slack::Form = slack::Form {
    colours: ["#0076D7", "#FF0000"],
    escape: str::to_owned,
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

    #[test]
    fn each_has_its_own_colours_and_address() {
        let of = |kind, url: &str, request: fn(&Service, Letter<'_>) -> Result<Request, DeliveryError>| {
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
