//! PURE: an event as third parties post it. What is missing or null is filled, as Go does it for Flux; only what has another type
//! is none.

use crate::{
    event::{Event, Severity},
    json,
};
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Posted {
    #[serde(deserialize_with = "or_none")]
    involved_object: ObjectReference,
    #[serde(deserialize_with = "or_none")]
    severity: String,
    timestamp: Option<Time>,
    #[serde(deserialize_with = "or_none")]
    message: String,
    #[serde(deserialize_with = "or_none")]
    reason: String,
    #[serde(deserialize_with = "or_none")]
    metadata: BTreeMap<String, Option<String>>,
    #[serde(deserialize_with = "or_none")]
    reporting_controller: String,
    #[serde(deserialize_with = "or_none")]
    reporting_instance: String,
}

/// The event in a body that came at this time; none if it is none, or too much of one.
pub fn event(body: &[u8], now: Time) -> Option<Event> {
    // As a tree, for of a field that is there twice the last counts.
    let posted: Posted = match json::answer(body)? {
        Value::Null => Posted::default(),
        fields @ Value::Object(_) => serde_json::from_value(fields).ok()?,
        _ => return None,
    };
    let metadata = posted.metadata.into_iter();
    Some(Event {
        involved_object: posted.involved_object,
        severity: match posted.severity.as_str() {
            "error" => Severity::Error,
            "trace" => Severity::Trace,
            // Whoever asks for all asks for what nobody knows, too (Flux).
            _ => Severity::Info,
        },
        timestamp: posted.timestamp.unwrap_or(now),
        message: posted.message,
        reason: posted.reason,
        metadata: metadata
            .map(|(key, value)| (key, value.unwrap_or_default()))
            .collect(),
        reporting_controller: posted.reporting_controller,
        reporting_instance: posted.reporting_instance,
    })
}

fn or_none<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutate::mutate;
    use golden::Random;
    use serde_json::json;
    use std::time::{Duration, Instant};

    fn read(body: &Value) -> Option<Event> {
        let now = Time("2026-01-02T03:04:05Z".parse().unwrap());
        event(body.to_string().as_bytes(), now)
    }

    fn full() -> Value {
        json!({
            "involvedObject": {"kind": "Canary", "name": "web", "namespace": "team", "apiVersion": "flagger.app/v1beta1"},
            "severity": "error", "timestamp": "2025-01-01T00:00:00Z", "message": "m", "reason": "R",
            "metadata": {"flagger.app/a": "b"}, "reportingController": "flagger", "reportingInstance": "pod",
        })
    }

    #[test]
    fn a_whole_event_is_read_as_it_is() {
        assert_eq!(serde_json::to_value(read(&full()).unwrap()).unwrap(), full());
    }

    /// `FUZZ_SECONDS=3600 cargo test --release -p notification-controller fuzz` looks longer.
    #[test]
    fn fuzz_posted_events() {
        let now = Time("2026-01-02T03:04:05Z".parse().unwrap());
        let until = golden::seconds().map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let (mut random, mut read, mut tried) = (Random::begin(), 0, 0);
        while until.map_or(tried < 6000, |until| Instant::now() < until) {
            tried += 1;
            let body = mutate(&mut random, full().to_string().as_bytes());
            let begin = Instant::now();
            let found = event(&body, now.clone());
            assert!(
                begin.elapsed() < Duration::from_secs(5),
                "{}",
                String::from_utf8_lossy(&body)
            );
            // What was read says what it is: who reads it again reads the same.
            let Some(found) = found else { continue };
            read += 1;
            let said = serde_json::to_value(&found).unwrap();
            let again = event(said.to_string().as_bytes(), now.clone())
                .map(|event| serde_json::to_value(event).unwrap());
            assert_eq!(again, Some(said), "{}", String::from_utf8_lossy(&body));
        }
        assert!(read > tried / 50 && read < tried, "{read} of {tried}");
    }

    #[test]
    fn what_is_missing_is_filled() {
        let fields: Vec<String> = full().as_object().unwrap().keys().cloned().collect();
        for field in &fields {
            let mut without = full();
            without.as_object_mut().unwrap().remove(field);
            let mut null = full();
            null[field] = Value::Null;
            let filled = read(&without);
            assert!(filled.is_some(), "{field}");
            assert_eq!(read(&null), filled, "{field}");
        }
        for body in [json!({}), Value::Null] {
            let empty = read(&body).unwrap();
            assert_eq!(empty.timestamp.0.to_string(), "2026-01-02T03:04:05Z");
            assert_eq!((empty.severity, empty.name()), (Severity::Info, ""));
        }
    }

    #[test]
    fn a_severity_that_nobody_knows_is_none_that_fails() {
        for (word, expected) in [
            ("info", Severity::Info),
            ("error", Severity::Error),
            ("trace", Severity::Trace),
            ("warning", Severity::Info),
            ("", Severity::Info),
        ] {
            let mut event = full();
            event["severity"] = json!(word);
            assert_eq!(read(&event).map(|event| event.severity), Some(expected), "{word}");
        }
    }

    #[test]
    fn what_has_another_type_is_none() {
        for (field, value) in [
            ("involvedObject", json!([])),
            ("severity", json!(1)),
            ("timestamp", json!("")),
            ("timestamp", json!("yesterday")),
            ("timestamp", json!(5)),
            ("message", json!({})),
            ("metadata", json!({"a": 1})),
            ("reason", json!(["R"])),
        ] {
            let mut event = full();
            event[field] = value.clone();
            assert_eq!(read(&event), None, "{field}: {value}");
        }
        for body in [&b"{"[..], b"", b"[]", b"7", b"\"text\"", b"{}{}"] {
            assert_eq!(event(body, Time(Default::default())), None);
        }
        let wide = format!("{{\"message\": \"m\", \"more\": [{}0]}}", "0,".repeat(1 << 20));
        assert_eq!(
            event(wide.as_bytes(), Time(Default::default())),
            None,
            "it would be large in memory"
        );
        let twice = event(br#"{"message": "a", "message": "b"}"#, Time(Default::default()));
        assert_eq!(twice.unwrap().message, "b");
    }
}
