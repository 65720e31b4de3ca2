//! PagerDuty: an incident that is triggered and resolved, and a change (PagerDuty Events API v2).

use super::{
    DeliveryError, Letter, Request,
    request::address,
    text::{by_severity, cut, name_and_words},
};
use crate::{event::Severity, provider::Service};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

/// The requests for an event: what went well resolves an incident and is a change.
///
/// # Errors
/// An address or channel that cannot be used.
pub fn requests(service: &Service, letter: Letter<'_>) -> Result<Vec<Request>, DeliveryError> {
    let event = letter.event;
    if service.channel.is_empty() {
        return Err(DeliveryError::later(
            "spec.channel is missing, which is the routing key of PagerDuty".into(),
        ));
    }
    let uid = event.involved_object.uid.as_deref().unwrap_or_default();
    let mut incident = json!({
        "routing_key": service.channel,
        "event_action": by_severity(event, "resolve", "trigger"),
        "dedup_key": uid,
    });
    let mut payload = about(letter);
    let post = |path: &str, body: &Value| Request::json(Method::POST, at(service, path)?, body);
    if event.severity == Severity::Error {
        payload["severity"] = "error".into();
        payload["component"] = event.name().into();
        payload["group"] = event.kind().into();
        incident["payload"] = payload;
        return Ok(vec![post("/v2/enqueue", &incident)?]);
    }
    let change = json!({"routing_key": service.channel, "payload": payload});
    let mut requests = vec![post("/v2/enqueue", &incident)?];
    if event.severity == Severity::Info {
        requests.push(post("/v2/change/enqueue", &change)?);
    }
    Ok(requests)
}

fn about(letter: Letter<'_>) -> Value {
    let event = letter.event;
    let (name, words) = name_and_words(event);
    json!({
        "summary": cut(&format!("{words}: {name}"), 1024),
        "source": format!("Flux {}", event.reporting_controller),
        "timestamp": event.timestamp,
        "custom_details": {"message": cut(&event.message, 100_000), "metadata": event.metadata},
    })
}

fn at(service: &Service, path: &str) -> Result<Url, DeliveryError> {
    let mut url = address(service)?;
    url.set_path(path);
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::example::{body, event, service, with_letter};
    use crds::notification::ProviderType;

    #[test]
    fn errors_trigger_and_the_rest_resolves() {
        let service = service(
            ProviderType::PagerDuty,
            "https://events.pagerduty.com/x?y",
            "routing",
            &[],
        );
        let of = |severity| with_letter(&event(severity), |letter| requests(&service, letter)).unwrap();
        let error = of(Severity::Error);
        assert_eq!(error.len(), 1);
        assert_eq!(error[0].url.as_str(), "https://events.pagerduty.com/v2/enqueue");
        let details = |message: &str| {
            json!({"message": message, "metadata": {
                "revision": "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35", "summary": "prod & more",
            }})
        };
        assert_eq!(
            body(&error[0]),
            json!({
                "routing_key": "routing",
                "event_action": "trigger",
                "dedup_key": "5a7b2e41-0000-4f9b-9c41-bebc1984d67a",
                "payload": {
                    "summary": "health check failed: kustomization/web",
                    "source": "Flux kustomize-controller",
                    "timestamp": "2026-08-01T10:20:30Z",
                    "custom_details": details("Health check failed: Deployment/apps/web <not> ready & late"),
                    "severity": "error",
                    "component": "web",
                    "group": "Kustomization",
                },
            })
        );
        let info = of(Severity::Info);
        assert_eq!(body(&info[0])["event_action"], "resolve");
        assert_eq!(info[1].url.path(), "/v2/change/enqueue");
        assert_eq!(
            body(&info[1])["payload"]["summary"],
            "reconciliation succeeded: kustomization/web"
        );
        assert_eq!(of(Severity::Trace).len(), 1);
    }
}
