//! PURE: the objects that an entry of a Receiver means, or why it means none.

use crds::notification::{ObjectKind, ObjectSelector};
use kube::core::{ApiResource, GroupVersionKind};
use runtime::{
    access::{Access, Denied},
    name::is_object_name,
};
use thiserror::Error;

/// Objects of one kind in one namespace.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The kind.
    pub resource: ApiResource,
    /// The namespace.
    pub namespace: String,
    /// Which of them.
    pub which: Which,
}

/// Which objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one of this name.
    Named(String),
    /// All with labels as this selector says.
    Labelled(String),
}

/// Why an entry of a Receiver means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// It leaves its namespace where that is forbidden.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The kind has no version that is meant without being said.
    #[error("apiVersion is required for the kind {0}")]
    NoVersion(&'static str),
    /// A name would become another path at the API server.
    #[error("'{value}' cannot be the {field} of an object")]
    NotAName {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: String,
    },
    /// All objects would be meant.
    #[error("matchLabels is required where the name is '*'")]
    NoLabels,
    /// A label would become another selector at the API server.
    #[error("'{0}' cannot be a label")]
    NotALabel(String),
}

impl Target {
    /// What an entry of a Receiver in `from` means.
    ///
    /// # Errors
    /// When it means nothing, or what it may not mean.
    pub fn new(from: &str, objects: &ObjectSelector, access: Access) -> Result<Self, TargetError> {
        let kind = objects.kind.as_str();
        let namespace = objects
            .namespace
            .as_deref()
            .filter(|n| !n.is_empty())
            .unwrap_or(from);
        // Nothing that a user writes becomes a part of a path before it is looked at.
        if !is_object_name(namespace) {
            return Err(not_a_name("namespace", namespace));
        }
        let every = objects.name == "*";
        if !every && !is_object_name(&objects.name) {
            return Err(not_a_name("name", &objects.name));
        }
        access.check(from, kind, namespace, &objects.name)?;
        let which = if every {
            Which::Labelled(selector(objects)?)
        } else {
            Which::Named(objects.name.clone())
        };
        let version = objects.api_version.as_deref().filter(|v| !v.is_empty());
        let version = version
            .or(version_of(objects.kind))
            .ok_or(TargetError::NoVersion(kind))?;
        let (group, version) = group_version(version).ok_or_else(|| not_a_name("apiVersion", version))?;
        Ok(Self {
            resource: ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)),
            namespace: namespace.to_owned(),
            which,
        })
    }
}

/// The versions that need not be said (Flux).
fn version_of(kind: ObjectKind) -> Option<&'static str> {
    match kind {
        ObjectKind::Bucket
        | ObjectKind::GitRepository
        | ObjectKind::HelmChart
        | ObjectKind::HelmRepository
        | ObjectKind::OciRepository => Some("source.toolkit.fluxcd.io/v1"),
        ObjectKind::ImageRepository => Some("image.toolkit.fluxcd.io/v1"),
        ObjectKind::ArtifactGenerator => Some("source.extensions.fluxcd.io/v1beta1"),
        ObjectKind::Kustomization
        | ObjectKind::HelmRelease
        | ObjectKind::ImagePolicy
        | ObjectKind::ImageUpdateAutomation
        | ObjectKind::ExternalArtifact => None,
    }
}

fn group_version(text: &str) -> Option<(&str, &str)> {
    let (group, version) = text.split_once('/')?;
    let fine = |v: &str| !v.is_empty() && v.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (is_object_name(group) && fine(version)).then_some((group, version))
}

fn not_a_name(field: &'static str, value: &str) -> TargetError {
    TargetError::NotAName {
        field,
        value: value.chars().take(253).collect(),
    }
}

fn selector(objects: &ObjectSelector) -> Result<String, TargetError> {
    if objects.match_labels.is_empty() {
        return Err(TargetError::NoLabels);
    }
    let fine = |text: &str, more: &[char]| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || more.contains(&c))
            && text.len() <= 317
    };
    let mut pairs = Vec::new();
    for (key, value) in &objects.match_labels {
        let pair = format!("{key}={value}");
        if key.is_empty() || !fine(key, &['-', '_', '.', '/']) || !fine(value, &['-', '_', '.']) {
            return Err(TargetError::NotALabel(pair));
        }
        pairs.push(pair);
    }
    Ok(pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        api_version: &str,
        kind: ObjectKind,
        name: &str,
        namespace: &str,
        labels: &[(&str, &str)],
    ) -> ObjectSelector {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ObjectSelector {
            api_version: text(api_version),
            kind,
            name: name.into(),
            namespace: text(namespace),
            match_labels: labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        }
    }

    #[test]
    fn what_entries_mean() {
        use ObjectKind::{ArtifactGenerator, GitRepository, HelmRelease, Kustomization, OciRepository};
        for (objects, expected) in [
            (
                of("", GitRepository, "app", "", &[]),
                "source.toolkit.fluxcd.io/v1 gitrepositories team Named(\"app\")",
            ),
            (
                of("", OciRepository, "app", "other", &[]),
                "source.toolkit.fluxcd.io/v1 ocirepositories other Named(\"app\")",
            ),
            (
                of("", ArtifactGenerator, "app", "", &[]),
                "source.extensions.fluxcd.io/v1beta1 artifactgenerators team Named(\"app\")",
            ),
            (
                of(
                    "helm.toolkit.fluxcd.io/v2",
                    HelmRelease,
                    "*",
                    "",
                    &[("a", "b"), ("c/d", "")],
                ),
                "helm.toolkit.fluxcd.io/v2 helmreleases team Labelled(\"a=b,c/d=\")",
            ),
            (
                of("", Kustomization, "app", "", &[]),
                "apiVersion is required for the kind Kustomization",
            ),
            (
                of("", GitRepository, "*", "", &[]),
                "matchLabels is required where the name is '*'",
            ),
            (
                of("", GitRepository, "*", "", &[("a", "b,c!=d")]),
                "'a=b,c!=d' cannot be a label",
            ),
            (
                of("", GitRepository, "../../other/gitrepositories/app", "", &[]),
                "'../../other/gitrepositories/app' cannot be the name of an object",
            ),
            (
                of("", GitRepository, "a/status", "", &[]),
                "'a/status' cannot be the name of an object",
            ),
            (
                of("", GitRepository, "app", "team/../other", &[]),
                "'team/../other' cannot be the namespace of an object",
            ),
            (
                of(
                    "source.toolkit.fluxcd.io/v1/namespaces/other",
                    GitRepository,
                    "app",
                    "",
                    &[],
                ),
                "'source.toolkit.fluxcd.io/v1/namespaces/other' cannot be the apiVersion of an object",
            ),
            (
                of("v1", GitRepository, "app", "", &[]),
                "'v1' cannot be the apiVersion of an object",
            ),
        ] {
            let told = match Target::new("team", &objects, Access::default()) {
                Ok(t) => format!(
                    "{} {} {} {:?}",
                    t.resource.api_version, t.resource.plural, t.namespace, t.which
                ),
                Err(error) => error.to_string(),
            };
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn namespaces_are_left_only_where_that_is_allowed() {
        let closed = Access {
            no_cross_namespace_refs: true,
        };
        let own = of("", ObjectKind::GitRepository, "app", "team", &[]);
        assert!(Target::new("team", &own, closed).is_ok());
        let others = of("", ObjectKind::GitRepository, "*", "other", &[("a", "b")]);
        assert!(matches!(
            Target::new("team", &others, closed),
            Err(TargetError::Denied(_))
        ));
    }
}
