//! A message to try things with.

use super::Item;
use crate::event::{Event, Marks, Severity};
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time};
use std::collections::BTreeMap;

/// A failure of a Kustomization, for the alert `team/all`.
pub fn item(key: &str, name: &str, reason: &str, message: &str) -> Item {
    Item {
        key: key.into(),
        ends_failure: false,
        marks: Marks::default(),
        causes: Vec::new(),
        held: false,
        alert_namespace: "team".into(),
        alert_name: "all".into(),
        alert_uid: "a".into(),
        event: Event {
            involved_object: ObjectReference {
                kind: Some("Kustomization".into()),
                name: Some(name.into()),
                namespace: Some("team".into()),
                ..Default::default()
            },
            severity: Severity::Error,
            timestamp: Time(Timestamp::UNIX_EPOCH),
            message: message.into(),
            reason: reason.into(),
            metadata: BTreeMap::from([("revision".into(), "main".into()), ("name".into(), name.into())]),
            reporting_controller: "kustomize-controller".into(),
            reporting_instance: String::new(),
        },
        since: Timestamp::UNIX_EPOCH,
    }
}
