//! Sentry: an error as an event, the rest as a transaction (Sentry SDK development, envelopes; DSN).

use super::{DeliveryError, Letter, Request, request::address, text::cut};
use crate::{event::Severity, provider::Service};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// An envelope with one item. Its id is made of the letter's key, so that the same letter sent twice is one event.
///
/// # Errors
/// A DSN that cannot be used.
pub fn request(service: &Service, letter: Letter<'_>) -> Result<Request, DeliveryError> {
    let mut url = address(service)?;
    let wrong = || DeliveryError::later("the address of the Provider is no DSN of Sentry".into());
    let key = url.username().to_owned();
    let (prefix, project) = url
        .path()
        .trim_end_matches('/')
        .rsplit_once('/')
        .ok_or_else(wrong)?;
    if key.is_empty() || project.is_empty() {
        return Err(wrong());
    }
    let path = format!("{prefix}/api/{project}/envelope/");
    url.set_path(&path);
    url.set_query(None);
    url.set_username("")
        .and(url.set_password(None))
        .map_err(|()| wrong())?;

    let id = hex::encode(Sha256::digest(letter.id()));
    let (kind, item) = match letter.event.severity {
        Severity::Error => ("event", error(service, letter, &id)),
        Severity::Info | Severity::Trace => ("transaction", transaction(service, letter, &id)),
    };
    let lines = [json!({"event_id": &id[..32]}), json!({"type": kind}), item].map(|line| line.to_string());
    let envelope = HeaderValue::from_static("application/x-sentry-envelope");
    let request = Request {
        method: Method::POST,
        url,
        headers: HeaderMap::from_iter([(CONTENT_TYPE, envelope)]),
        body: (lines.join("\n") + "\n").into_bytes(),
        secret_body: false,
    };
    let auth = format!("Sentry sentry_version=7, sentry_client=sluice/1.0, sentry_key={key}");
    request.secret_header("X-Sentry-Auth", auth.as_bytes())
}

fn error(service: &Service, letter: Letter<'_>, id: &str) -> Value {
    let mut item = about(service, letter, id);
    item["level"] = "error".into();
    item["server_name"] = letter.event.reporting_controller.as_str().into();
    item["message"] = json!({"formatted": cut(&letter.event.message, 8192)});
    item["contexts"] = json!({"metadata": letter.event.metadata});
    item
}

fn transaction(service: &Service, letter: Letter<'_>, id: &str) -> Value {
    let event = letter.event;
    let own = [
        ("flux_involved_object_kind", event.kind()),
        ("flux_involved_object_namespace", event.namespace()),
        ("flux_involved_object_name", event.name()),
        ("flux_reporting_controller", &event.reporting_controller),
        ("flux_reporting_instance", &event.reporting_instance),
        ("flux_reason", &event.reason),
    ];
    let metadata = event
        .metadata
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let tags = own
        .into_iter()
        .chain(metadata)
        .filter(|(_, value)| !value.is_empty());
    let tags: Map<String, Value> = tags
        .map(|(key, value)| (key.into(), cut(value, 200).into()))
        .collect();
    let mut item = about(service, letter, id);
    item["type"] = "transaction".into();
    item["message"] = cut(&event.message, 8192).into();
    item["start_timestamp"] = item["timestamp"].clone();
    item["contexts"] = json!({"trace": {"trace_id": &id[32..], "span_id": &id[..16], "op": "event"}});
    item["tags"] = tags.into();
    item["spans"] = json!([]);
    item
}

fn about(service: &Service, letter: Letter<'_>, id: &str) -> Value {
    let event = letter.event;
    let mut item = json!({
        "event_id": &id[..32],
        "timestamp": event.timestamp,
        "platform": "other",
        "transaction": format!("{}: {}/{}", event.kind(), event.namespace(), event.name()),
    });
    if !service.channel.is_empty() {
        item["environment"] = service.channel.as_str().into();
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::example::{event, service, with_letter};
    use crds::notification::ProviderType;

    #[test]
    fn an_envelope() {
        let service = service(
            ProviderType::Sentry,
            "https://key@o1.ingest.sentry.io/base/42",
            "prod",
            &[],
        );
        let of = |severity| with_letter(&event(severity), |letter| request(&service, letter)).unwrap();
        let request = of(Severity::Error);
        assert_eq!(
            request.url.as_str(),
            "https://o1.ingest.sentry.io/base/api/42/envelope/"
        );
        assert!(
            request.headers["x-sentry-auth"]
                .to_str()
                .unwrap()
                .ends_with("sentry_key=key")
        );
        let lines = |request: &Request| -> Vec<Value> {
            let text = String::from_utf8(request.body.clone()).unwrap();
            text.lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        };
        let error = lines(&request);
        assert_eq!(error[0]["event_id"].as_str().unwrap().len(), 32);
        assert_eq!(error[1], json!({"type": "event"}));
        assert_eq!(error[2]["level"], "error");
        assert_eq!(error[2]["environment"], "prod");
        assert_eq!(error[2]["transaction"], "Kustomization: apps/web");
        assert_eq!(error[2]["contexts"]["metadata"]["summary"], "prod & more");
        let info = lines(&of(Severity::Info));
        assert_eq!(info[1], json!({"type": "transaction"}));
        assert_eq!(info[2]["tags"]["flux_reason"], "ReconciliationSucceeded");
        assert_eq!(info[2]["tags"]["summary"], "prod & more");
        assert_eq!(
            info[2]["contexts"]["trace"]["trace_id"].as_str().unwrap().len(),
            32
        );
        assert_eq!(info[2]["timestamp"], info[2]["start_timestamp"]);
    }

    #[test]
    fn each_alert_has_an_event_of_its_own() {
        let service = service(ProviderType::Sentry, "https://key@sentry.example/1", "", &[]);
        let event = event(Severity::Error);
        let of = |uid: &str| {
            let mut alert = crate::message::example::alert();
            alert.metadata.uid = Some(uid.into());
            let id = with_letter(&event, |letter| {
                let letter = Letter {
                    alert: &alert,
                    ..letter
                };
                request(&service, letter).unwrap().body
            });
            String::from_utf8(id).unwrap().lines().next().unwrap().to_owned()
        };
        assert_eq!(of("staging"), of("staging"));
        assert_ne!(of("staging"), of("prod"));
    }
}
