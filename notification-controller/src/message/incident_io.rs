//! incident.io: an alert that fires and is resolved (incident.io, HTTP alert source).

use super::{
    DeliveryError, Letter, Request,
    request::{address, token},
    text::{by_severity, cut, object},
};
use crate::provider::Service;
use reqwest::Method;
use serde_json::{Map, Value, json};

/// An alert, by the uid of the object.
///
/// # Errors
/// An address or token that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let event = letter.event;
    let values = event.metadata.iter();
    let mut metadata: Map<String, Value> = values
        .map(|(key, value)| (key.clone(), value.as_str().into()))
        .collect();
    metadata.insert("severity".into(), event.severity.as_str().into());
    metadata.insert("reason".into(), event.reason.as_str().into());
    if !event.reporting_controller.is_empty() {
        metadata.insert(
            "reportingController".into(),
            event.reporting_controller.as_str().into(),
        );
    }
    let body = json!({
        "title": format!("{}: {}", object(event), event.reason),
        "status": by_severity(event, "resolved", "firing"),
        "deduplication_key": event.involved_object.uid.as_deref().unwrap_or_default(),
        "description": cut(&event.message, 50_000),
        "metadata": metadata,
    });
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
    fn an_alert() {
        let service = service(
            ProviderType::IncidentIo,
            "https://api.incident.io/v2/alert_events/http/1",
            "",
            &[("token", "t")],
        );
        let of = |severity| with_letter(&event(severity), |letter| request(&service, letter)).unwrap();
        assert_eq!(body(&of(Severity::Info))["status"], "resolved");
        assert_eq!(
            body(&of(Severity::Error)),
            json!({
                "title": "kustomization/web.apps: HealthCheckFailed",
                "status": "firing",
                "deduplication_key": "5a7b2e41-0000-4f9b-9c41-bebc1984d67a",
                "description": "Health check failed: Deployment/apps/web <not> ready & late",
                "metadata": {
                    "revision": "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35", "summary": "prod & more",
                    "severity": "error", "reason": "HealthCheckFailed", "reportingController": "kustomize-controller",
                },
            })
        );
    }
}
