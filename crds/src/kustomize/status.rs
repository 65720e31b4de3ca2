//! What became of a Kustomization, and of its recent attempts.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{Condition, Duration, Inventory, Message, is_zero};

/// What became of a Kustomization.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KustomizationStatus {
    /// The state of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What was built lately and what came of it, newest first; at most five.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Snapshot>,
    /// The objects that were applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Inventory>,
    /// The revision of the source code behind the last artifact that was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_applied_origin_revision: Option<String>,
    /// The last revision that was applied with success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_applied_revision: Option<String>,
    /// The last revision that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempted_revision: Option<String>,
    /// The last handled value of the annotation that asks for a reconciliation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// What was told about the object lately, oldest first, for those who pass it on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
    /// The last generation that was reconciled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
}

/// Attempts to apply the same manifests that ended the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Digest of the manifests as they were built.
    pub digest: String,
    /// When the first of the attempts ended.
    #[schemars(schema_with = "crate::schema::date_time")]
    pub first_reconciled: Time,
    /// When the last of the attempts ended.
    #[schemars(schema_with = "crate::schema::date_time")]
    pub last_reconciled: Time,
    /// How long the last of the attempts took.
    pub last_reconciled_duration: Duration,
    /// The reason of the condition Ready after the last of the attempts.
    pub last_reconciled_status: String,
    /// Further facts, such as the revision.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// How many attempts there were.
    pub total_reconciliations: i64,
}
