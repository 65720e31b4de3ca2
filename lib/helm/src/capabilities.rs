//! What a cluster can do, as `.Capabilities` shows it.

use crate::Error;
use crate::template::object::{Field, Object};
use crate::template::value::{List, ListKind, Text, Value};
use std::rc::Rc;

/// A version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// The whole version, such as `v1.33.4-gke.1245000`.
    pub version: String,
    /// Without suffixes, for constraints: `v1.33.4`.
    pub normalized: String,
    /// The major number.
    pub major: String,
    /// The minor number.
    pub minor: String,
}

/// What Helm says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelmVersion {
    /// Such as `v4.3`.
    pub version: String,
    /// The commit it was built from.
    pub git_commit: String,
    /// `clean` or `dirty`.
    pub git_tree_state: String,
    /// The compiler.
    pub go_version: String,
    /// The version of Kubernetes' client library.
    pub kube_client_version: String,
}

/// The cluster that is rendered for.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// Its version.
    pub kube_version: KubeVersion,
    /// `group/version` and `group/version/Kind` that it serves.
    pub api_versions: Vec<String>,
    /// The Helm that templates believe they run in.
    pub helm_version: HelmVersion,
}

impl KubeVersion {
    /// Reads a version loosely, as Kubernetes does: two or more numbers, and whatever follows.
    ///
    /// # Errors
    /// Text that does not begin with two numbers.
    pub fn parse(text: &str) -> Result<KubeVersion, Error> {
        let bad = || {
            Error::Values(format!(
                "invalid kube version '{text}': could not parse {} as version",
                crate::template::quote::quote(text.as_bytes())
            ))
        };
        let trimmed = text.trim_start();
        let trimmed = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let end = trimmed
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(trimmed.len());
        let numbers = trimmed[..end].trim_end_matches('.');
        let parts: Vec<&str> = numbers.split('.').collect();
        if parts.len() < 2 {
            return Err(bad());
        }
        let mut clean = Vec::new();
        for part in &parts {
            if part.len() > 1 && part.starts_with('0') {
                return Err(bad());
            }
            clean.push(part.parse::<u32>().map_err(|_| bad())?.to_string());
        }
        while clean.len() < 3 {
            clean.push("0".to_string());
        }
        let prefix = if text.starts_with('v') { "" } else { "v" };
        Ok(KubeVersion {
            version: format!("{prefix}{text}"),
            normalized: format!("v{}", clean.join(".")),
            major: clean[0].clone(),
            minor: clean[1].clone(),
        })
    }
}

impl Default for Capabilities {
    /// What `helm template` assumes without a cluster.
    fn default() -> Self {
        Capabilities {
            kube_version: KubeVersion {
                version: "v1.37.0".into(),
                normalized: "v1.37.0".into(),
                major: "1".into(),
                minor: "37".into(),
            },
            api_versions: API_VERSIONS.iter().map(ToString::to_string).collect(),
            helm_version: HelmVersion {
                version: "v4.3".into(),
                git_commit: String::new(),
                git_tree_state: String::new(),
                go_version: "go1.26.8".into(),
                kube_client_version: "v1.37".into(),
            },
        }
    }
}

impl Capabilities {
    /// As templates see them.
    pub(crate) fn to_value(&self) -> Value {
        let text = |text: &str| Value::string(text);
        let kube = &self.kube_version;
        let kube_version = Object {
            name: "common.KubeVersion",
            pointer: false,
            fields: vec![
                Field::plain("Version", text(&kube.version)),
                Field {
                    json: "",
                    ..Field::plain("normalizedVersion", text(&kube.normalized))
                },
                Field::plain("Major", text(&kube.major)),
                Field::plain("Minor", text(&kube.minor)),
            ],
            text: Some(Text::from(kube.normalized.as_str())),
        };
        let helm = &self.helm_version;
        let field = |name, json, value: &str| Field {
            name,
            json,
            omit_empty: true,
            value: text(value),
        };
        let helm_version = Object {
            name: "version.BuildInfo",
            pointer: false,
            fields: vec![
                field("Version", "version", &helm.version),
                field("GitCommit", "git_commit", &helm.git_commit),
                field("GitTreeState", "git_tree_state", &helm.git_tree_state),
                field("GoVersion", "go_version", &helm.go_version),
                Field {
                    omit_empty: false,
                    ..field(
                        "KubeClientVersion",
                        "kube_client_version",
                        &helm.kube_client_version,
                    )
                },
            ],
            text: None,
        };
        let versions = self.api_versions.iter().map(|version| text(version)).collect();
        Value::Object(Rc::new(Object {
            name: "common.Capabilities",
            pointer: true,
            fields: vec![
                Field::plain("KubeVersion", Value::Object(Rc::new(kube_version))),
                Field::plain(
                    "APIVersions",
                    List::of(ListKind::Named("common.VersionSet"), versions),
                ),
                Field::plain("HelmVersion", Value::Object(Rc::new(helm_version))),
            ],
            text: None,
        }))
    }
}

/// The API versions that Helm's client library knows, in its order.
const API_VERSIONS: &[&str] = &[
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];
