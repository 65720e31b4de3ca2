//! Opsgenie: an alert (Opsgenie alert API, create alert).

use super::{
    DeliveryError, Letter, Request,
    request::{address, token},
    text::cut,
};
use crate::provider::Service;
use reqwest::Method;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// An alert. Its alias makes the same reason of the same object one alert.
///
/// # Errors
/// An address or token that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let event = letter.event;
    let about = [
        &service.uid,
        event.kind(),
        event.namespace(),
        event.name(),
        &event.reason,
    ]
    .join("/");
    let values = event.metadata.iter().take(50);
    let mut details: Map<String, Value> = values
        .map(|(key, value)| (key.clone(), cut(value, 150).into()))
        .collect();
    details.insert("severity".into(), event.severity.as_str().into());
    let body = json!({
        "message": cut(&format!("{}/{}", event.kind(), event.name()), 130),
        "alias": hex::encode(Sha256::digest(about)),
        "description": cut(&event.message, 15_000),
        "details": details,
    });
    Request::json(Method::POST, address(service)?, &body)?.authorize("GenieKey", token(service)?)
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
    fn an_alert() {
        let service = service(
            ProviderType::Opsgenie,
            "https://api.opsgenie.com/v2/alerts",
            "",
            &[("token", "k")],
        );
        let request = with_letter(&event(Severity::Error), |letter| request(&service, letter)).unwrap();
        // printf %s 0c9c2e41-d2f9-4f9b-9c41-bebc1984d67a/Kustomization/apps/web/HealthCheckFailed | sha256sum
        assert_eq!(
            body(&request),
            json!({
                "message": "Kustomization/web",
                "alias": "85b4cea86f5c7f086236c38fe054756c761a197762d1ceb71170c02f42156257",
                "description": "Health check failed: Deployment/apps/web <not> ready & late",
                "details": {
                    "revision": "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35",
                    "summary": "prod & more",
                    "severity": "error",
                },
            })
        );
        assert_eq!(request.headers["authorization"], "GenieKey k");
    }
}
