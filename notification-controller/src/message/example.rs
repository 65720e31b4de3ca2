//! What tests tell services of.

use super::{DeliveryError, Letter, Request};
use crate::{
    event::{Event, Marks, Severity},
    provider::{Held, Peers, Service, assemble},
};
use crds::notification::{Alert, Provider, ProviderSpec, ProviderType};
use k8s_openapi::{
    api::core::v1::ObjectReference,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// A Provider of a type with the address and the Secret given.
pub fn provider(kind: ProviderType, address: &str) -> Provider {
    Provider {
        metadata: ObjectMeta {
            name: Some("chat".into()),
            namespace: Some("apps".into()),
            uid: Some("0c9c2e41-d2f9-4f9b-9c41-bebc1984d67a".into()),
            ..ObjectMeta::default()
        },
        spec: ProviderSpec {
            type_: kind,
            address: (!address.is_empty()).then(|| address.into()),
            secret_ref: Some(crds::meta::LocalReference { name: "chat".into() }),
            ..ProviderSpec::default()
        },
    }
}

/// The service of a Provider with this in its Secret.
pub fn service_of(provider: &Provider, secret: &[(&str, &str)]) -> Result<Service, DeliveryError> {
    let data = secret
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
    let held = Held {
        auth: Some(data.collect()),
        ..Held::default()
    };
    assemble(provider, &held, &Arc::new(Peers::default()))
}

/// A service of a type with address, channel and this in its Secret.
pub fn service(kind: ProviderType, address: &str, channel: &str, secret: &[(&str, &str)]) -> Service {
    let mut provider = provider(kind, address);
    provider.spec.channel = (!channel.is_empty()).then(|| channel.into());
    service_of(&provider, secret).unwrap()
}

/// Something that happened to a Kustomization.
pub fn event(severity: Severity) -> Event {
    let (message, reason) = match severity {
        Severity::Error => (
            "Health check failed: Deployment/apps/web <not> ready & late",
            "HealthCheckFailed",
        ),
        _ => (
            "Applied revision: main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35\nsecond *line*",
            "ReconciliationSucceeded",
        ),
    };
    Event {
        involved_object: ObjectReference {
            api_version: Some("kustomize.toolkit.fluxcd.io/v1".into()),
            kind: Some("Kustomization".into()),
            name: Some("web".into()),
            namespace: Some("apps".into()),
            uid: Some("5a7b2e41-0000-4f9b-9c41-bebc1984d67a".into()),
            resource_version: Some("42".into()),
            ..ObjectReference::default()
        },
        severity,
        timestamp: Time("2026-08-01T10:20:30Z".parse().unwrap()),
        message: message.into(),
        reason: reason.into(),
        metadata: [
            ("revision", "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35"),
            ("summary", "prod & more"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        reporting_controller: "kustomize-controller".into(),
        reporting_instance: "kustomize-controller-0".into(),
    }
}

/// An alert that wants everything of Kustomizations told, as an API server holds it.
pub fn alert() -> Alert {
    serde_json::from_value(json!({
        "metadata": {
            "name": "alert", "namespace": "apps", "uid": "7d1e0000-d2f9-4f9b-9c41-bebc1984d67a",
            "labels": {"team": "a"}, "annotations": {"why": "because"},
            "managedFields": [{"manager": "kubectl", "operation": "Apply"}],
        },
        "spec": {
            "providerRef": {"name": "chat"}, "eventSeverity": "info", "eventMetadata": {"env": "prod"},
            "eventSources": [{"kind": "Kustomization", "name": "*"}],
        },
        "status": {"waiting": 1},
    }))
    .unwrap()
}

/// The letter about an event.
pub fn with_letter<T>(event: &Event, then: impl FnOnce(Letter<'_>) -> T) -> T {
    let alert = alert();
    then(Letter {
        event,
        alert: &alert,
        idempotency_key: "0123456789abcdef0123456789abcdef",
        ends_failure: false,
        marks: Marks::default(),
    })
}

/// The JSON in a request.
pub fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}
