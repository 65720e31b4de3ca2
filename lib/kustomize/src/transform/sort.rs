//! The order of the output.

use crate::Error;
use crate::id::Id;
use crate::kustomization::SortOptions;
use crate::object::Object;

/// Kinds that others need, in kustomize's legacy order.
const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Kinds that judge others.
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Sorts by kind, then group, version, namespace and name.
pub(crate) fn legacy(objects: &mut [Object], options: Option<&SortOptions>) {
    let strings = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_string()).collect::<Vec<_>>();
    let (mut first, mut last) = (strings(&FIRST), strings(&LAST));
    if let Some(options) = options.filter(|options| options.legacy) {
        first.clone_from(&options.order_first);
        last.clone_from(&options.order_last);
    }
    objects.sort_by_cached_key(|object| key(&object.id(), &first, &last));
}

/// Checks `sortOptions` and says whether it asks for the legacy order.
///
/// # Errors
/// An unknown order; lists given without the order they belong to.
pub(crate) fn wants_legacy(options: &SortOptions) -> Result<bool, Error> {
    let problem = match options.order.as_str() {
        "fifo" if options.legacy => "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'".to_string(),
        "fifo" => return Ok(false),
        "legacy" => return Ok(true),
        _ => "the field 'sortOptions.order' must be one of [fifo, legacy]".to_string(),
    };
    Err(Error::Option { problem })
}

/// Rank of the kind; then texts in which an unset part sorts behind letters.
fn key(id: &Id, first: &[String], last: &[String]) -> (i64, String, String) {
    let kind = id.gvk.kind.as_str();
    let count = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
    let rank = match (
        first.iter().position(|k| k == kind),
        last.iter().position(|k| k == kind),
    ) {
        (Some(at), _) => count(at) - count(first.len()),
        (None, Some(at)) => count(at) + 1,
        (None, None) => 0,
    };
    let or = |text: &str, none: &str| {
        if text.is_empty() {
            none.to_string()
        } else {
            text.to_string()
        }
    };
    let (group, version) = (or(&id.gvk.group, "~G"), or(&id.gvk.version, "~V"));
    let shown_kind = or(kind, "~K");
    // Among kinds called Namespace, the core one is first.
    let gvk = if rank != 0 && kind == "Namespace" && id.gvk.group.is_empty() {
        String::new()
    } else {
        format!("{group}_{version}_{shown_kind}")
    };
    let (namespace, name) = (or(&id.namespace, "~X"), or(&id.name, "~N"));
    (rank, gvk, format!("{}|{namespace}|{name}", id.gvk))
}
