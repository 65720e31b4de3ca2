//! Grafana: an annotation in Graphite's form (Grafana HTTP API, annotations).

use super::{DeliveryError, Letter, Request, request::address, text::object};
use crate::provider::Service;
use reqwest::Method;
use serde_json::json;

/// An annotation. In a tag, a colon parts name and value.
///
/// # Errors
/// An address or login that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let event = letter.event;
    let mut tags = vec!["flux".to_owned(), event.reporting_controller.clone()];
    let plain = |text: &str| text.replace(':', "|");
    tags.extend(
        event
            .metadata
            .iter()
            .map(|(key, value)| format!("{}: {}", plain(key), plain(value))),
    );
    tags.push(format!("kind: {}", event.kind()));
    tags.push(format!("name: {}", event.name()));
    tags.push(format!("namespace: {}", event.namespace()));
    let body = json!({"when": event.timestamp.0.as_second(), "text": object(event), "tags": tags});
    Request::json(Method::POST, address(service)?, &body)?.by_token_or_login(&service.auth)
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
    fn an_annotation() {
        let service = service(
            ProviderType::Grafana,
            "https://g.example/api/annotations/graphite",
            "",
            &[("token", "t")],
        );
        let request = with_letter(&event(Severity::Error), |letter| request(&service, letter)).unwrap();
        assert_eq!(
            body(&request),
            json!({
                "when": 1_785_579_630,
                "text": "kustomization/web.apps",
                "tags": [
                    "flux", "kustomize-controller", "revision: main@sha1|221a93568e4c3e453a2bbde6b488ce3606e39b35",
                    "summary: prod & more", "kind: Kustomization", "name: web", "namespace: apps",
                ],
            })
        );
    }
}
