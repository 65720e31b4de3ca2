//! PURE: which kinds are Kubernetes' own.

/// The API groups whose kinds Flux and Helm know as types.
const BUILT_IN: &[&str] = &[
    "",
    "admissionregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Whether Kubernetes itself defines the kinds of an API group, and Flux and Helm know them as types. Definitions of other
/// kinds (`apiextensions.k8s.io`) are not among them.
pub fn is_built_in(group: &str) -> bool {
    BUILT_IN.contains(&group)
}
