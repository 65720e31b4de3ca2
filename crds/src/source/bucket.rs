//! `Bucket`: the objects of a bucket in an object store.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GROUP;
use crate::meta::{
    Artifact, Condition, Duration, HOURS, LocalReference, MINUTES, Message, flux_object, is_zero,
};
use crate::schema::rules;

/// Where a bucket is and which of its objects to fetch.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "source.toolkit.fluxcd.io",
    version = "v1",
    kind = "Bucket",
    namespaced,
    status = "BucketStatus",
    derive = "Default",
    derive = "PartialEq",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-sources",
    annotation("kustomize.toolkit.fluxcd.io/substitute", "disabled"),
    doc = "Bucket offers the objects of a bucket in an object store as an artifact."
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    (
        "!has(self.sts) || self.provider in ['aws', 'generic']",
        "sts goes only with the providers 'aws' and 'generic'",
    ),
    (
        "!has(self.sts) || self.provider != 'aws' || self.sts.provider == 'aws'",
        "the provider 'aws' takes no other sts.provider than 'aws'",
    ),
    (
        "!has(self.sts) || self.provider != 'generic' || self.sts.provider == 'ldap'",
        "the provider 'generic' takes no other sts.provider than 'ldap'",
    ),
    (
        "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.secretRef)",
        "sts.secretRef does not go with the sts.provider 'aws'",
    ),
    (
        "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.certSecretRef)",
        "sts.certSecretRef does not go with the sts.provider 'aws'",
    ),
    (
        "!has(self.serviceAccountName) || self.provider != 'generic'",
        "serviceAccountName does not go with the provider 'generic'",
    ),
    (
        "!has(self.secretRef) || !has(self.serviceAccountName)",
        "secretRef and serviceAccountName exclude each other",
    ),
])))]
pub struct BucketSpec {
    /// Name of the bucket.
    pub bucket_name: String,
    /// Secret with `ca.crt` to trust the store, and `tls.crt` with `tls.key` to be trusted by it; with the
    /// provider `generic` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,
    /// Address of the object store, without a scheme.
    pub endpoint: String,
    /// Patterns of objects to leave out, in the format of `.sourceignore` (that of `.gitignore`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Speak plain HTTP.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// How often to look for changed objects.
    #[schemars(regex(pattern = HOURS))]
    pub interval: Duration,
    /// Fetch only objects whose key begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The kind of object store, and whose credentials to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "generic"))]
    pub provider: Option<BucketProvider>,
    /// Secret with the proxy to use: `address`, and optionally `username` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalReference>,
    /// Region of the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Secret with the credentials, in the keys that the provider asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// ServiceAccount whose workload identity is used; not with the provider `generic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Token service from which to get temporary credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sts: Option<BucketSts>,
    /// Leave this source as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// The longest that fetching may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = MINUTES), extend("default" = "60s"))]
    pub timeout: Option<Duration>,
}

/// Token service from which to get temporary credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketSts {
    /// Secret with `ca.crt` to trust the service, and `tls.crt` with `tls.key` to be trusted by it; with the
    /// provider `ldap` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,
    /// Address of the service: `http://` or `https://`.
    #[schemars(regex(pattern = r"^(http|https)://.*$"))]
    pub endpoint: String,
    /// The kind of service.
    pub provider: StsProvider,
    /// Secret with `username` and `password`; with the provider `ldap` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
}

/// The kind of a token service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StsProvider {
    /// That of AWS.
    #[default]
    Aws,
    /// That of MinIO with LDAP behind it.
    Ldap,
}

/// The kind of an object store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BucketProvider {
    /// Any store that speaks S3.
    #[default]
    Generic,
    /// Amazon S3.
    Aws,
    /// Google Cloud Storage.
    Gcp,
    /// Azure Blob Storage.
    Azure,
}

/// What became of a Bucket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketStatus {
    /// The last artifact that was stored.
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
    /// The last generation that was reconciled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// `spec.ignore` as it was when the artifact was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_ignore: Option<String>,
    /// Where the latest artifact is always found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

flux_object!(Bucket, BucketStatus, GROUP, "v1", interval: |object| Some(&object.spec.interval));
