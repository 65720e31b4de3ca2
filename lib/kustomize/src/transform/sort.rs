//! The order of the output.

use crate::Error;
use crate::id::{Gvk, Id};
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

/// The order in which kustomize keeps tables of kinds.
pub(crate) fn by_kind(gvk: &Gvk) -> (i64, String) {
    (rank(&gvk.kind, &FIRST, &LAST), text(gvk))
}

/// Rank of the kind; then texts in which an unset part sorts behind letters.
fn key(id: &Id, first: &[String], last: &[String]) -> (i64, String, String) {
    let kind = id.gvk.kind.as_str();
    let rank = rank(kind, first, last);
    // Among kinds called Namespace, the core one is first.
    let gvk = if rank != 0 && kind == "Namespace" && id.gvk.group.is_empty() {
        String::new()
    } else {
        text(&id.gvk)
    };
    let (namespace, name) = (or(&id.namespace, "~X"), or(&id.name, "~N"));
    (rank, gvk, format!("{}|{namespace}|{name}", id.gvk))
}

fn rank<S: AsRef<str>>(kind: &str, first: &[S], last: &[S]) -> i64 {
    let count = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
    let find = |kinds: &[S]| kinds.iter().position(|k| k.as_ref() == kind);
    match (find(first), find(last)) {
        (Some(at), _) => count(at) - count(first.len()),
        (None, Some(at)) => count(at) + 1,
        (None, None) => 0,
    }
}

fn text(gvk: &Gvk) -> String {
    let (group, version, kind) = (or(&gvk.group, "~G"), or(&gvk.version, "~V"), or(&gvk.kind, "~K"));
    format!("{group}_{version}_{kind}")
}

fn or<'t>(text: &'t str, none: &'t str) -> &'t str {
    if text.is_empty() { none } else { text }
}
