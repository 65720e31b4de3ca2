//! Google Cloud Pub/Sub: the event as a message of a topic (Pub/Sub REST API, `topics.publish`).

use super::{DeliveryError, Letter, Request, git::below};
use crate::provider::{Secret, Service};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Map, Value, json};
use url::Url;

/// Where Pub/Sub is.
const API: &str = "https://pubsub.googleapis.com";

/// The attribute with what tells a message from all others: a subscriber that gets it again leaves it.
const ID: &str = "idempotency-key";

/// Where Pub/Sub is, or what stands for it.
///
/// # Errors
/// None: the address is a URL.
pub fn api(service: &Service) -> Result<Url, DeliveryError> {
    let api = service.peers.pubsub.clone().map_or_else(|| Url::parse(API), Ok);
    api.map_err(|_| DeliveryError::later("the address of Pub/Sub is missing".into()))
}

/// A message. The address is the id of the project, the channel that of the topic; headers become attributes, beside the message's
/// own key.
///
/// # Errors
/// A project or topic that is missing; an attribute that is not UTF-8.
pub fn request(service: &Service, token: &Secret, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let failed = |error| DeliveryError::never(format!("failed to write the event: {error}"));
    let event = serde_json::to_vec(letter.event).map_err(failed)?;
    let missing = |what: &str| DeliveryError::later(format!("{what} is missing"));
    let project = service.address.text().filter(|project| !project.is_empty());
    let project = project
        .ok_or_else(|| missing("the address of the Provider, which is the id of a Google project,"))?;
    if service.channel.is_empty() {
        return Err(missing("spec.channel, which is the id of a topic,"));
    }
    let unusable = |name: &str| DeliveryError::later(format!("the header '{name}' is not valid UTF-8"));
    let attribute = |(name, value): (&String, &Secret)| match value.text() {
        Some(text) => Ok((name.clone(), text.into())),
        None => Err(unusable(name)),
    };
    let key = [Ok((ID.to_owned(), letter.id().into()))];
    let attributes: Map<String, Value> = key
        .into_iter()
        .chain(service.auth.headers.iter().map(attribute))
        .collect::<Result<_, _>>()?;
    let message = json!({"data": STANDARD.encode(event), "attributes": attributes});
    let topic = format!("{}:publish", service.channel);
    let mut url = below(&api(service)?, &["v1", "projects", project, "topics", &topic]);
    // The colon before the verb stands as it is.
    let path = url.path().replace("%3Apublish", ":publish");
    url.set_path(&path);
    Request::json(Method::POST, url, &json!({"messages": [message]}))?.authorize("Bearer", token)
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
        let of = |project: &str, topic: &str| {
            let service = service(
                ProviderType::GooglePubSub,
                project,
                topic,
                &[("headers", "env: prod")],
            );
            with_letter(&event(Severity::Info), |letter| {
                request(&service, &Secret::new("t"), letter)
            })
        };
        let request = of("acme", "flux").unwrap();
        assert_eq!(
            request.url.as_str(),
            "https://pubsub.googleapis.com/v1/projects/acme/topics/flux:publish"
        );
        let message = &body(&request)["messages"][0];
        assert_eq!(
            message["attributes"],
            json!({"env": "prod", "idempotency-key": "43e79197ed591430fd6b0ed6929ce374"})
        );
        let data = STANDARD.decode(message["data"].as_str().unwrap()).unwrap();
        assert_eq!(
            serde_json::from_slice::<crate::event::Event>(&data).unwrap(),
            event(Severity::Info)
        );
        assert!(of("", "flux").is_err() && of("acme", "").is_err());
        assert!(of("../x", "flux").unwrap().url.path().contains("..%2Fx"));
    }
}
