//! What a HelmRelease remembers of a release that it made.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One release as it was observed, and the digests by which a change by others is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// What made the release: `install`, `upgrade`, `rollback`, `uninstall` or `uninstall-remediation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Version of the scheme of this snapshot; the current one is `v2`. Digests of others are not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Version of the application, as the chart says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// Name of the chart.
    pub chart_name: String,
    /// Version of the chart.
    pub chart_version: String,
    /// Digest of the values, as `<algorithm>:<checksum>`.
    pub config_digest: String,
    /// When the release was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::date_time")]
    pub deleted: Option<Time>,
    /// Digest of the release in storage, as `<algorithm>:<checksum>`.
    pub digest: String,
    /// When the first release of this name was made.
    #[schemars(schema_with = "crate::schema::date_time")]
    pub first_deployed: Time,
    /// When this release was made.
    #[schemars(schema_with = "crate::schema::date_time")]
    pub last_deployed: Time,
    /// Name of the release.
    pub name: String,
    /// Namespace of the release.
    pub namespace: String,
    /// Digest of the OCI artifact that the chart came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci_digest: Option<String>,
    /// State of the release, in Helm's words.
    pub status: String,
    /// The tests that ran, by the name of their object; absent if none were asked for, empty if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_hooks: Option<BTreeMap<String, Option<TestHookStatus>>>,
    /// Number of the release.
    #[schemars(schema_with = "crate::schema::int")]
    pub version: i64,
}

/// What makes or undoes a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReleaseAction {
    /// An install.
    Install,
    /// An upgrade.
    Upgrade,
    /// A rollback of a failed upgrade.
    Rollback,
    /// An uninstall.
    Uninstall,
    /// An uninstall of a failed install or upgrade.
    UninstallRemediation,
}

impl ReleaseAction {
    /// The word that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Rollback => "rollback",
            Self::Uninstall => "uninstall",
            Self::UninstallRemediation => "uninstall-remediation",
        }
    }
}

/// What became of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestHookStatus {
    /// When the test last ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::date_time")]
    pub last_completed: Option<Time>,
    /// When the test last began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::date_time")]
    pub last_started: Option<Time>,
    /// State of the test, in Helm's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
}
