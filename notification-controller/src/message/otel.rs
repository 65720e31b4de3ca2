//! OpenTelemetry: a span a message (OTLP/HTTP with JSON; a trace is what an alert tells of one revision).

use super::{
    DeliveryError, Letter, Request, Sent,
    request::address,
    text::{by_severity, cut, masked},
};
use crate::{
    event::Event,
    provider::{Answer, Service},
};
use reqwest::{Method, header::AUTHORIZATION};
use runtime::Key;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A span.
///
/// # Errors
/// An address or header that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let mut url = address(service)?;
    if url.path() == "/" {
        url.set_path("/v1/traces");
    }
    let request = Request::json(Method::POST, url, &payload(letter))?.headers_of(service)?;
    if request.headers.contains_key(AUTHORIZATION) {
        return Ok(request);
    }
    request.by_login_or_token(&service.auth)
}

fn payload(letter: Letter<'_>) -> Value {
    let event = letter.event;
    let alert = Key::of(letter.alert);
    let uid = letter.alert.metadata.uid.as_deref().unwrap_or_default();
    let trace = Sha256::digest(format!("{uid}:{}", revision(event)));
    let span = Sha256::digest(letter.id());
    let time = event.timestamp.0.as_nanosecond().max(0).to_string();
    let own = [
        (
            "object.uid",
            event.involved_object.uid.as_deref().unwrap_or_default(),
        ),
        ("object.kind", event.kind()),
        ("object.name", event.name()),
        ("object.namespace", event.namespace()),
    ];
    let metadata = event
        .metadata
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let attributes: Vec<Value> = own.into_iter().chain(metadata).map(attribute).collect();
    let service = [
        ("service.name", alert.to_string()),
        ("service.namespace", alert.namespace.clone()),
        ("service.instance.id", uid.to_owned()),
    ];
    let resource: Vec<Value> = service
        .iter()
        .map(|(key, value)| attribute((key, value)))
        .collect();
    let span = json!({
        "traceId": hex::encode(&trace[..16]),
        "spanId": hex::encode(&span[..8]),
        "name": format!("{}: {}/{}", event.kind(), event.namespace(), event.name()),
        "kind": 1,
        "startTimeUnixNano": time,
        "endTimeUnixNano": time,
        "attributes": attributes,
        "status": {"code": by_severity(event, 1, 2), "message": cut(&event.message, 10_000)},
    });
    let scope = json!({"scope": {"name": "flux:notification-controller"}, "spans": [span]});
    json!({"resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": [scope]}]})
}

fn attribute((key, value): (&str, &str)) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// An OCIRepository says which version and digest an app has; others have that as their revision.
fn revision(event: &Event) -> String {
    let value = |key: &str| event.metadata.get(key);
    match (value("app-version"), value("oci-digest"), value("revision")) {
        (Some(version), Some(digest), _) => format!("{version}@{digest}"),
        (_, _, Some(revision)) => revision.clone(),
        _ => "unknown".into(),
    }
}

/// A collector says 200 even if it took nothing.
///
/// # Errors
/// What it says.
pub fn check(answer: &Answer, service: &Service) -> Result<Sent, DeliveryError> {
    let body = crate::json::answer(&answer.body).unwrap_or_default();
    let rejected = &body["partialSuccess"]["rejectedSpans"];
    match rejected
        .as_str()
        .map_or_else(|| rejected.as_i64(), |text| text.parse().ok())
    {
        None | Some(0) => Ok(Sent::Delivered),
        Some(_) => {
            let said = body["partialSuccess"]["errorMessage"]
                .as_str()
                .unwrap_or_default();
            Err(DeliveryError::never(format!(
                "the collector rejected the span: {}",
                masked(said, &service.mask, 300)
            )))
        }
    }
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
    fn a_span() {
        let service = service(
            ProviderType::Otel,
            "https://otel.example:4318",
            "",
            &[("headers", "X-Scope: a"), ("token", "t")],
        );
        let of = |event: &Event| with_letter(event, |letter| request(&service, letter)).unwrap();
        let request = of(&event(Severity::Error));
        assert_eq!(request.url.as_str(), "https://otel.example:4318/v1/traces");
        assert_eq!(request.headers["authorization"], "Bearer t");
        let payload = body(&request);
        let resource = &payload["resourceSpans"][0];
        assert_eq!(
            resource["resource"]["attributes"][0],
            json!({"key": "service.name", "value": {"stringValue": "apps/alert"}})
        );
        let span = &resource["scopeSpans"][0]["spans"][0];
        // printf %s '<uid of the alert>:<revision>' | sha256sum | head -c 32
        assert_eq!(span["traceId"], "1b692cca80298d0de168b2a05ad129a7");
        assert_eq!(span["spanId"].as_str().unwrap().len(), 16);
        assert_eq!(span["name"], "Kustomization: apps/web");
        assert_eq!(span["startTimeUnixNano"], "1785579630000000000");
        assert_eq!(span["status"]["code"], 2);
        assert_eq!(
            span["attributes"][3],
            json!({"key": "object.namespace", "value": {"stringValue": "apps"}})
        );

        let mut oci = event(Severity::Info);
        oci.metadata.insert("app-version".into(), "6.0".into());
        oci.metadata.insert("oci-digest".into(), "sha256:ab".into());
        assert_eq!(revision(&oci), "6.0@sha256:ab");
        oci.metadata.clear();
        assert_eq!(revision(&oci), "unknown");
    }

    #[test]
    fn what_a_collector_says() {
        let service = service(ProviderType::Otel, "https://otel.example", "", &[]);
        let is_taken = |body: &str| {
            let answer = Answer {
                status: reqwest::StatusCode::OK,
                retry_after: None,
                body: body.into(),
            };
            check(&answer, &service).is_ok()
        };
        assert!(is_taken("{}") && is_taken(""));
        assert!(!is_taken(
            r#"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"no"}}"#
        ));
        assert!(!is_taken(r#"{"partialSuccess":{"rejectedSpans":1}}"#));
    }
}
