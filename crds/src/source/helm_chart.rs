//! `HelmChart`: one version of a Helm chart, downloaded or packaged.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GROUP;
use super::verification::{CHART_RULES, ChartVerificationProvider, OidcIdentity};
use crate::meta::{Artifact, Condition, Duration, HOURS, LocalReference, Message, flux_object, is_zero};
use crate::schema::rules;

/// Which chart to fetch, and from where.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "source.toolkit.fluxcd.io",
    version = "v1",
    kind = "HelmChart",
    namespaced,
    status = "HelmChartStatus",
    derive = "Default",
    derive = "PartialEq",
    shortname = "hc",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-sources",
    annotation("kustomize.toolkit.fluxcd.io/substitute", "disabled"),
    doc = "HelmChart offers a Helm chart of another source as an artifact."
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",
    "verify goes only with a sourceRef of the kind 'HelmRepository'",
)])))]
pub struct HelmChartSpec {
    /// Name of the chart in a HelmRepository, or its path in another source.
    pub chart: String,
    /// Go on without values files that do not exist.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_missing_values_files: bool,
    /// How often to look for a new version.
    #[schemars(regex(pattern = HOURS))]
    pub interval: Duration,
    /// What counts as a new chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "ChartVersion"))]
    pub reconcile_strategy: Option<ReconcileStrategy>,
    /// The source of the chart.
    pub source_ref: ChartSourceReference,
    /// Leave this source as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// Values files to use instead of the chart's `values.yaml`, merged in this order: paths in the chart for
    /// a HelmRepository, else paths in the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,
    /// Whose signature the chart has to bear; by `cosign` and `notation` in a container registry only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<HelmChartVerification>,
    /// Version of the chart, or range of versions; of account for a HelmRepository only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "*"))]
    pub version: Option<String>,
}

/// The source of a chart, in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChartSourceReference {
    /// API version of the source; of no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the source.
    pub kind: ChartSourceKind,
    /// Name of the source.
    pub name: String,
}

/// Kinds of sources that charts come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ChartSourceKind {
    /// A Helm repository.
    #[default]
    HelmRepository,
    /// A Git repository.
    GitRepository,
    /// A bucket of an object store.
    Bucket,
}

impl ChartSourceKind {
    /// The kind's name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HelmRepository => "HelmRepository",
            Self::GitRepository => "GitRepository",
            Self::Bucket => "Bucket",
        }
    }
}

/// What counts as a new chart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ReconcileStrategy {
    /// A new version of the chart.
    #[default]
    ChartVersion,
    /// A new revision of the chart's source.
    Revision,
}

/// Whose signature a chart has to bear.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(CHART_RULES)))]
pub struct HelmChartVerification {
    /// Identities that may have signed without a key; any of them will do.
    #[serde(rename = "matchOIDCIdentity", default, skip_serializing_if = "Vec::is_empty")]
    pub match_oidc_identity: Vec<OidcIdentity>,
    /// The tool that made the signature; `pgp` for a provenance file of Helm.
    #[schemars(extend("default" = "cosign"))]
    pub provider: ChartVerificationProvider,
    /// Secret with the public keys (`*.pub`), or the trust policy and certificates of Notation, or, for `pgp`, OpenPGP
    /// key rings under any names, armored or in binary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
}

/// What became of a HelmChart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartStatus {
    /// The last chart that was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The state of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The last handled value of the annotation that asks for a reconciliation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// What was told about the object lately, oldest first, for those who pass it on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
    /// Name of the chart that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_chart_name: Option<String>,
    /// The last generation that was reconciled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// Revision of the source's artifact that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_source_artifact_revision: Option<String>,
    /// The values files that were found, if missing ones are ignored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_values_files: Vec<String>,
    /// Where the latest chart is always found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

flux_object!(HelmChart, HelmChartStatus, GROUP, "v1", interval: |object| Some(&object.spec.interval));
