//! What is done when an install or upgrade fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{Duration, HOURS, is_zero};
use crate::schema::rules;

/// What to do when an action fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "!has(self.retryInterval) || self.name == 'RetryOnFailure'",
    "retryInterval goes only with the name 'RetryOnFailure'",
)])))]
pub struct ActionStrategy {
    /// The strategy.
    pub name: ActionStrategyName,
    /// When to try again; after 5 minutes by default. With `RetryOnFailure` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = HOURS))]
    pub retry_interval: Option<Duration>,
}

/// What to do when an action fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ActionStrategyName {
    /// Undo it, as `remediation` says, before trying again.
    #[default]
    RemediateOnFailure,
    /// Try again on top of it.
    RetryOnFailure,
}

/// How a failed install is undone: by uninstalling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallRemediation {
    /// Tests that fail do not make the install fail; as `test.ignoreFailures` says by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_test_failures: Option<bool>,
    /// Undo also the last attempt; no by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediate_last_failure: Option<bool>,
    /// How often to try again; any number of times if negative.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(schema_with = "crate::schema::int")]
    pub retries: i64,
}

/// How a failed upgrade is undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeRemediation {
    /// Tests that fail do not make the upgrade fail; as `test.ignoreFailures` says by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_test_failures: Option<bool>,
    /// Undo also the last attempt; by default if there are any retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediate_last_failure: Option<bool>,
    /// How often to try again; any number of times if negative.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(schema_with = "crate::schema::int")]
    pub retries: i64,
    /// How to undo it; `rollback` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<RemediationStrategy>,
}

/// How a failed upgrade is undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RemediationStrategy {
    /// By going back to the release before.
    #[default]
    Rollback,
    /// By uninstalling.
    Uninstall,
}
