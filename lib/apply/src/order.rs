//! PURE: what is written before what. The stages and the order within them are Flux's.

use crate::id::ObjectRef;

/// A set of objects that must be there, and ready, before the next set is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// What defines others: CRDs, Namespaces, ClusterRoles.
    Definitions,
    /// Kinds that others name as their class (StorageClass, IngressClass, …).
    Classes,
    /// Kinds that the operator put here (Flux flag `--custom-apply-stage-kinds`).
    Custom,
    /// Everything else.
    Rest,
}

impl Stage {
    /// All stages in order.
    pub const ALL: [Self; 4] = [Self::Definitions, Self::Classes, Self::Custom, Self::Rest];

    /// The stage of an object; `custom` lists `group/Kind` of the custom stage.
    pub fn of(object: &ObjectRef, custom: &[String]) -> Self {
        let kind = object.kind.as_str();
        match (object.group.as_str(), kind) {
            ("apiextensions.k8s.io", _)
            | ("", "Namespace")
            | ("rbac.authorization.k8s.io", "ClusterRole") => Self::Definitions,
            _ if kind.ends_with("Class") => Self::Classes,
            (group, _)
                if custom
                    .iter()
                    .any(|c| *c == format!("{group}/{kind}") || (group.is_empty() && c == kind)) =>
            {
                Self::Custom
            }
            _ => Self::Rest,
        }
    }

    /// Whether the next stage waits until the objects of this one are ready.
    pub fn gates(self) -> bool {
        match self {
            Self::Definitions | Self::Classes => true,
            Self::Custom | Self::Rest => false,
        }
    }
}

/// Kinds that come first, in this order.
const FIRST: &[&str] = &[
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Kinds that come last: a webhook whose server is not there yet must not refuse the rest.
const LAST: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// The place of a kind among others; equal kinds are ordered by group, kind, namespace and name.
pub fn rank(kind: &str) -> usize {
    if let Some(place) = FIRST.iter().position(|k| *k == kind) {
        return place;
    }
    let last = LAST.iter().position(|k| *k == kind).map_or(0, |p| p + 1);
    FIRST.len() + last
}

/// Sorts objects as they are written: by stage, then by kind, then by name.
pub fn sort_by_ref<T>(objects: &mut [T], custom: &[String], of: impl Fn(&T) -> &ObjectRef) {
    objects.sort_by(|a, b| {
        let (a, b) = (of(a), of(b));
        (
            Stage::of(a, custom),
            rank(&a.kind),
            &a.group,
            &a.kind,
            &a.namespace,
            &a.name,
        )
            .cmp(&(
                Stage::of(b, custom),
                rank(&b.kind),
                &b.group,
                &b.kind,
                &b.namespace,
                &b.name,
            ))
    });
}

/// The batches within a stage that may be written at once: configuration, then workloads, then webhooks.
pub fn batch(kind: &str) -> u8 {
    let workloads = rank("Deployment");
    match rank(kind) {
        place if place < workloads => 0,
        place if place <= FIRST.len() => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(group: &str, kind: &str, name: &str) -> ObjectRef {
        ObjectRef {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            namespace: String::new(),
            name: name.into(),
        }
    }

    #[test]
    fn stages_then_kinds_then_names() {
        let mut objects = vec![
            object(
                "admissionregistration.k8s.io",
                "ValidatingWebhookConfiguration",
                "w",
            ),
            object("example.com", "Widget", "w"),
            object("apps", "Deployment", "b"),
            object("apps", "Deployment", "a"),
            object("", "Service", "s"),
            object("storage.k8s.io", "StorageClass", "s"),
            object("rbac.authorization.k8s.io", "ClusterRole", "r"),
            object("", "Namespace", "n"),
            object("apiextensions.k8s.io", "CustomResourceDefinition", "c"),
        ];
        sort_by_ref(&mut objects, &[], |o| o);
        let order: Vec<_> = objects.iter().map(ToString::to_string).collect();
        assert_eq!(
            order,
            [
                "CustomResourceDefinition/c",
                "Namespace/n",
                "ClusterRole/r",
                "StorageClass/s",
                "Service/s",
                "Deployment/a",
                "Deployment/b",
                "Widget/w",
                "ValidatingWebhookConfiguration/w"
            ]
        );
    }

    #[test]
    fn custom_stage_takes_group_and_kind_or_a_core_kind() {
        let custom = ["example.com/Widget".to_owned(), "Secret".to_owned()];
        assert_eq!(
            Stage::of(&object("example.com", "Widget", "w"), &custom),
            Stage::Custom
        );
        assert_eq!(Stage::of(&object("", "Secret", "s"), &custom), Stage::Custom);
        assert_eq!(
            Stage::of(&object("other.com", "Widget", "w"), &custom),
            Stage::Rest
        );
    }

    #[test]
    fn batches_keep_webhooks_last() {
        assert_eq!(
            ["Secret", "Deployment", "Widget", "MutatingWebhookConfiguration"].map(batch),
            [0, 1, 1, 2]
        );
    }
}
