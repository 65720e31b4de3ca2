//! How objects point at each other and at what they change.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::rules;

/// An object in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct LocalReference {
    /// Name of the object.
    pub name: String,
}

/// A Secret in the same namespace, and one of its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SecretKeyReference {
    /// Name of the Secret.
    pub name: String,
    /// Key in the Secret; each field that uses such a reference has a default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// An object of the same kind that has to be ready first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DependencyReference {
    /// Name of the object.
    pub name: String,
    /// Namespace of the object; the referring object's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// CEL expression that says whether the dependency is ready, with the variables `dep` and `self`. It is
    /// used instead of the built-in check, or in addition to it, as the controller's feature gates say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_expr: Option<String>,
}

/// An object of any kind, in the same or another namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespacedReference {
    /// API version of the object, as `<group>/<version>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// Namespace of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Which cluster to act on, and as whom: exactly one of the two references.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    ("has(self.configMapRef) || has(self.secretRef)", "one of configMapRef and secretRef is required"),
    ("!has(self.configMapRef) || !has(self.secretRef)", "configMapRef and secretRef exclude each other"),
])))]
pub struct KubeConfigReference {
    /// ConfigMap that says how to reach the cluster with the workload identity of a cloud provider: its keys
    /// are `provider`, `cluster`, `address`, `ca.crt`, `audiences` and `serviceAccountName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<LocalReference>,
    /// Secret with a kubeconfig. Without a key, `value` and then `value.yaml` are looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyReference>,
}

/// Labels and annotations for all that is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommonMetadata {
    /// Annotations that are added to the objects' metadata, over those of the same name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels that are added to the objects' metadata, over those of the same name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Which objects are meant; every field that is set has to match.
// The fields stand in Flux's order, which the digests of a HelmRelease's status depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// API group, as an anchored regular expression.
    #[serde(default, skip_serializing_if = "is_blank")]
    pub group: Option<String>,
    /// API version, as an anchored regular expression.
    #[serde(default, skip_serializing_if = "is_blank")]
    pub version: Option<String>,
    /// Kind, as an anchored regular expression.
    #[serde(default, skip_serializing_if = "is_blank")]
    pub kind: Option<String>,
    /// Namespace, as an anchored regular expression.
    #[serde(default, skip_serializing_if = "is_blank")]
    pub namespace: Option<String>,
    /// Name, as an anchored regular expression.
    #[serde(default, skip_serializing_if = "is_blank")]
    pub name: Option<String>,
    /// Annotations, in the syntax of a Kubernetes label selector.
    #[serde(default, skip_serializing_if = "is_blank")]
    pub annotation_selector: Option<String>,
    /// Labels, in the syntax of a Kubernetes label selector.
    #[serde(default, skip_serializing_if = "is_blank")]
    pub label_selector: Option<String>,
}

/// A change to the objects that a selector picks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Patch {
    /// A strategic merge patch or a list of JSON 6902 operations, in YAML.
    pub patch: String,
    /// The objects to change; without it, a strategic merge patch names its object itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Selector>,
}

/// A container image to use instead of another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// The image's name as the manifests have it, without tag.
    pub name: String,
    /// The name to use instead.
    #[serde(default, skip_serializing_if = "is_blank")]
    pub new_name: Option<String>,
    /// The tag to use instead.
    #[serde(default, skip_serializing_if = "is_blank")]
    pub new_tag: Option<String>,
    /// The digest to use instead of a tag; with it, `newTag` is ignored.
    #[serde(default, skip_serializing_if = "is_blank")]
    pub digest: Option<String>,
}

/// How to tell the health of objects of a kind, as CEL expressions over their top-level fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomHealthCheck {
    /// API version of the objects, as `<group>/<version>`; only the group is compared.
    pub api_version: String,
    /// True when the object has become what it should be.
    pub current: String,
    /// True when the object has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// True while the object is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_progress: Option<String>,
    /// Kind of the objects; all kinds of the group by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// Fields that may differ from what is wanted without being corrected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct IgnoreRule {
    /// The fields, as JSON pointers (RFC 6901).
    pub paths: Vec<String>,
    /// The objects; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Selector>,
}

/// Whether Go leaves the field out; the digests of a HelmRelease's status depend on it.
fn is_blank(text: &Option<String>) -> bool {
    text.as_deref().is_none_or(str::is_empty)
}
