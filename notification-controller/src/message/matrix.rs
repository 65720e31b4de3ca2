//! Matrix: a message in a room (Matrix client-server API, `PUT /rooms/{room}/send/{type}/{transaction}`).

use super::{
    DeliveryError, Letter, Request,
    git::below,
    request::{address, token},
    text::{by_severity, cut, fit, object},
};
use crate::provider::Service;
use reqwest::Method;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

/// An event may have 65,536 bytes, with what the server adds.
const MOST: usize = 60_000;

/// A message. The transaction is named after the event, so that the same event sent twice is one message.
///
/// # Errors
/// An address, token or channel that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let failed = |error| DeliveryError::never(format!("failed to write the event: {error}"));
    let transaction = hex::encode(Sha1::digest(serde_json::to_vec(letter.event).map_err(failed)?));
    if service.channel.is_empty() {
        return Err(DeliveryError::later(
            "spec.channel is missing, which names the room".into(),
        ));
    }
    let room = &service.channel;
    let path = [
        "_matrix",
        "client",
        "r0",
        "rooms",
        room,
        "send",
        "m.room.message",
        &transaction,
    ];
    let url = below(&address(service)?, &path);
    Request::json(Method::PUT, url, &fit(MOST, |limit| body(letter, limit)))?
        .authorize("Bearer", token(service)?)
}

fn body(letter: Letter<'_>, limit: usize) -> Value {
    let event = letter.event;
    let line = |(key, value): (&String, &String)| format!("- {key}: {}\n", cut(value, limit.min(500)));
    let metadata: String = event.metadata.iter().take(50).map(line).collect();
    let sign = by_severity(event, "💫", "🚨");
    let text = format!(
        "{sign} {}\n{}\n{metadata}",
        object(event),
        cut(&event.message, limit)
    );
    json!({"body": text, "msgtype": "m.text"})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Severity,
        message::example::{body as body_of, event, service, with_letter},
    };
    use crds::notification::ProviderType;

    #[test]
    fn the_same_event_is_the_same_transaction() {
        let service = service(
            ProviderType::Matrix,
            "https://matrix.example/",
            "!r:x",
            &[("token", "t")],
        );
        let of = |severity| with_letter(&event(severity), |letter| request(&service, letter)).unwrap();
        let (first, second) = (of(Severity::Info), of(Severity::Info));
        assert_eq!(first.url, second.url);
        assert_ne!(first.url, of(Severity::Error).url);
        let path = "https://matrix.example/_matrix/client/r0/rooms/%21r%3Ax/send/m.room.message/";
        assert!(first.url.as_str().starts_with(path), "{}", first.url);
        assert_eq!(
            (first.method.clone(), &first.headers["authorization"]),
            (Method::PUT, &"Bearer t".parse().unwrap())
        );
        let text = "💫 kustomization/web.apps\nApplied revision: main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35\n\
                    second *line*\n- revision: main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35\n- summary: prod & more\n";
        assert_eq!(body_of(&first), json!({"msgtype": "m.text", "body": text}));
        let text = "🚨 kustomization/web.apps\nHealth check failed: Deployment/apps/web <not> ready & late\n\
                    - revision: main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35\n- summary: prod & more\n";
        assert_eq!(
            body_of(&of(Severity::Error)),
            json!({"msgtype": "m.text", "body": text})
        );
    }
}
