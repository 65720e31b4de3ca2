//! Datadog: an event (Datadog Events API v1).

use super::{
    DeliveryError, Letter, Request,
    request::{address, token},
    text::{by_severity, cut},
};
use crate::provider::Service;
use reqwest::Method;
use serde_json::json;

/// An event. Datadog keeps tags in lower case.
///
/// # Errors
/// An address or token that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let event = letter.event;
    let mut url = address(service)?;
    url.set_path("/api/v1/events");
    url.set_query(None);
    let own = [
        ("flux_reporting_controller", event.reporting_controller.as_str()),
        ("flux_reason", &event.reason),
        ("kube_kind", event.kind()),
        ("kube_name", event.name()),
        ("kube_namespace", event.namespace()),
    ];
    let metadata = event
        .metadata
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let tags = own
        .into_iter()
        .chain(metadata)
        .map(|(key, value)| cut(&format!("{key}:{value}").to_lowercase(), 200));
    let body = json!({
        "title": format!("Events from the {} {}/{}", event.kind(), event.name(), event.namespace()),
        "text": cut(&event.message, 4000),
        "tags": tags.collect::<Vec<String>>(),
        "source_type_name": "fluxcd",
        "date_happened": event.timestamp.0.as_second(),
        "alert_type": by_severity(event, "info", "error"),
    });
    Request::json(Method::POST, url, &body)?.secret_header("DD-API-KEY", token(service)?.expose())
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
    fn an_event() {
        let service = service(
            ProviderType::Datadog,
            "https://api.datadoghq.eu",
            "",
            &[("token", "key")],
        );
        let request = with_letter(&event(Severity::Error), |letter| request(&service, letter)).unwrap();
        assert_eq!(request.url.as_str(), "https://api.datadoghq.eu/api/v1/events");
        assert_eq!(request.headers["dd-api-key"], "key");
        assert_eq!(
            body(&request),
            json!({
                "title": "Events from the Kustomization web/apps",
                "text": "Health check failed: Deployment/apps/web <not> ready & late",
                "tags": [
                    "flux_reporting_controller:kustomize-controller", "flux_reason:healthcheckfailed",
                    "kube_kind:kustomization", "kube_name:web", "kube_namespace:apps",
                    "revision:main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35", "summary:prod & more",
                ],
                "source_type_name": "fluxcd",
                "date_happened": 1_785_579_630,
                "alert_type": "error",
            })
        );
    }
}
