//! Zulip: a message to a topic of a stream (Zulip REST API, `POST /api/v1/messages`).

use super::{DeliveryError, Letter, Request, markdown, request::address, text::cut};
use crate::provider::Service;

/// The longest message, in characters.
const MOST: usize = 10_000;

/// A message. `spec.channel` is `<stream>/<topic>`.
///
/// # Errors
/// An address, login or channel that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let channel = service
        .channel
        .split_once('/')
        .filter(|(stream, topic)| !stream.is_empty() && !topic.is_empty());
    let (stream, topic) = channel.ok_or_else(|| {
        DeliveryError::later("spec.channel is not of the form '<stream>/<topic>', which Zulip needs".into())
    })?;
    let missing = || DeliveryError::later("the Provider's Secret has no 'username' with 'password'".into());
    let (user, password) = service.auth.login.as_ref().ok_or_else(missing)?;
    let mut url = address(service)?;
    url.set_path("/api/v1/messages");
    let content = cut(&markdown::post(letter.event, MOST), MOST);
    let pairs = [
        ("type", "stream"),
        ("to", stream),
        ("topic", topic),
        ("content", &content),
    ];
    Request::form(url, &pairs).basic(user, password.expose().trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Severity,
        message::example::{event, service, with_letter},
    };
    use crds::notification::ProviderType;

    #[test]
    fn a_form() {
        let of = |channel: &str| {
            let service = service(
                ProviderType::Zulip,
                "https://z.example/x",
                channel,
                &[("username", "bot@z"), ("password", "p")],
            );
            with_letter(&event(Severity::Info), |letter| request(&service, letter))
        };
        let request = of("ops/flux/a").unwrap();
        assert_eq!(request.url.as_str(), "https://z.example/api/v1/messages");
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        assert_eq!(fields[1], ("to".into(), "ops".into()));
        assert_eq!(fields[2], ("topic".into(), "flux/a".into()));
        assert!(
            fields[3]
                .1
                .starts_with("## Flux Status\n\nℹ️ Kustomization/apps/web\n")
        );
        assert_eq!(request.headers["authorization"], "Basic Ym90QHo6cA==");
        for wrong in ["", "ops", "ops/", "/flux"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
