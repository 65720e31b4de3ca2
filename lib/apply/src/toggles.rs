//! PURE: what labels and annotations of an object ask of us (`kustomize.toolkit.fluxcd.io/…`).

use crds::meta::{
    DISABLED, ENABLED, FORCE, PRUNE, RECONCILE, SSA, SSA_IF_NOT_PRESENT, SSA_IGNORE, SSA_MERGE,
};
use serde_json::Value;

/// What an object asks for. A value counts as label or annotation, in any case of letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Toggles {
    /// `reconcile: disabled` or `ssa: Ignore`: never write it, never delete it.
    pub ignore: bool,
    /// `ssa: IfNotPresent`: create it, then leave it alone.
    pub if_not_present: bool,
    /// `ssa: Merge`: leave fields that other tools set.
    pub merge: bool,
    /// `force: enabled`: replace it where a field cannot be changed.
    pub force: bool,
    /// `prune: disabled`: never delete it.
    pub keep: bool,
}

impl Toggles {
    /// Reads the toggles of a manifest or live object.
    pub fn of(object: &Value) -> Self {
        let has = |key: &str, value: &str| {
            ["labels", "annotations"].iter().any(|map| {
                let found = object
                    .get("metadata")
                    .and_then(|m| m.get(map))
                    .and_then(|m| m.get(key));
                found
                    .and_then(Value::as_str)
                    .is_some_and(|v| v.eq_ignore_ascii_case(value))
            })
        };
        Self {
            ignore: has(RECONCILE, DISABLED) || has(SSA, SSA_IGNORE),
            if_not_present: has(SSA, SSA_IF_NOT_PRESENT),
            merge: has(SSA, SSA_MERGE),
            force: has(FORCE, ENABLED),
            keep: has(PRUNE, DISABLED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_and_annotations_count_in_any_case() {
        let read = |meta: Value| Toggles::of(&json!({"metadata": meta}));
        assert_eq!(read(json!({})), Toggles::default());
        assert!(read(json!({"labels": {RECONCILE: "Disabled"}})).ignore);
        assert!(read(json!({"annotations": {SSA: "ignore"}})).ignore);
        assert!(read(json!({"annotations": {SSA: "ifnotpresent"}})).if_not_present);
        assert!(read(json!({"annotations": {PRUNE: "disabled", FORCE: "Enabled"}})).keep);
        assert!(!read(json!({"annotations": {PRUNE: "enabled", FORCE: true}})).force);
    }
}
