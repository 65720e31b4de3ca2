//! Prometheus Alertmanager: an alert (Alertmanager API v2, `POST /api/v2/alerts`).

use super::{DeliveryError, Letter, Request, request::address};
use crate::{event::SUMMARY, provider::Service};
use reqwest::Method;
use serde_json::{Map, Value, json};

/// An alert that ends when Alertmanager's `resolve_timeout` is over.
///
/// # Errors
/// An address or login that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let event = letter.event;
    let mut annotations = json!({"message": event.message});
    if let Some(summary) = event.metadata.get(SUMMARY) {
        annotations[SUMMARY] = summary.as_str().into();
    }
    // That is told beside the labels.
    let metadata = event.metadata.iter().filter(|(key, _)| *key != SUMMARY);
    let mut labels: Map<String, Value> = metadata
        .map(|(key, value)| (key.clone(), value.as_str().into()))
        .collect();
    for (key, value) in [
        (
            "alertname",
            format!("Flux{}{}", event.kind(), title(&event.reason)).as_str(),
        ),
        ("severity", event.severity.as_str()),
        ("reason", &event.reason),
        ("kind", event.kind()),
        ("name", event.name()),
        ("namespace", event.namespace()),
        ("reportingcontroller", &event.reporting_controller),
    ] {
        labels.insert(key.into(), value.into());
    }
    let alert = json!({
        "status": "firing",
        "labels": labels,
        "annotations": annotations,
        "startsAt": event.timestamp,
    });
    Request::json(Method::POST, address(service)?, &[alert])?.by_login_or_token(&service.auth)
}

/// The first letter of each word in upper case and the rest in lower case, as Go's `cases.Title` has it.
fn title(text: &str) -> String {
    let mut inside = false;
    let mut titled = String::new();
    for letter in text.chars() {
        match inside {
            true => titled.extend(letter.to_lowercase()),
            false => titled.extend(letter.to_uppercase()),
        }
        inside = letter.is_alphanumeric() || letter == '_' || letter == '\'';
    }
    titled
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
        let url = "https://alerts.example/api/v2/alerts";
        let service = service(
            ProviderType::Alertmanager,
            url,
            "",
            &[("token", "t"), ("username", "me"), ("password", "p")],
        );
        let request = with_letter(&event(Severity::Error), |letter| request(&service, letter)).unwrap();
        assert_eq!(
            body(&request),
            json!([{
                "status": "firing",
                "labels": {
                    "revision": "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35",
                    "alertname": "FluxKustomizationHealthcheckfailed",
                    "severity": "error",
                    "reason": "HealthCheckFailed",
                    "kind": "Kustomization",
                    "name": "web",
                    "namespace": "apps",
                    "reportingcontroller": "kustomize-controller",
                },
                "annotations": {
                    "message": "Health check failed: Deployment/apps/web <not> ready & late",
                    "summary": "prod & more",
                },
                "startsAt": "2026-08-01T10:20:30Z",
            }])
        );
        assert_eq!(request.headers["authorization"], "Basic bWU6cA==");
    }
}
