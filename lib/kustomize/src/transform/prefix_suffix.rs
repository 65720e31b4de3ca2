//! `namePrefix` and `nameSuffix`.

use crate::id::Gvk;
use crate::object::Object;
use crate::objects::Objects;

/// Kinds whose names mean something to the cluster: group and kind.
const KEPT: [(&str, &str); 3] = [
    ("", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("", "Namespace"),
];

/// Puts `prefix` before the names.
pub(crate) fn prefix(objects: &mut Objects, prefix: &str) {
    if prefix.is_empty() {
        return;
    }
    for object in objects.list_mut().iter_mut().filter(|object| !is_kept(object)) {
        object.prefixes.push(prefix.to_string());
        object.remember_id();
        let name = format!("{prefix}{}", object.name());
        object.set_name(&name);
    }
}

/// Puts `suffix` behind the names.
pub(crate) fn suffix(objects: &mut Objects, suffix: &str) {
    if suffix.is_empty() {
        return;
    }
    for object in objects.list_mut().iter_mut().filter(|object| !is_kept(object)) {
        object.suffixes.push(suffix.to_string());
        object.remember_id();
        let name = format!("{}{suffix}", object.name());
        object.set_name(&name);
    }
}

/// Decided by the kind the object had at first.
fn is_kept(object: &Object) -> bool {
    let gvk = object.original_id().gvk;
    KEPT.iter().any(|(group, kind)| {
        gvk.is_selected(&Gvk {
            group: (*group).to_string(),
            version: String::new(),
            kind: (*kind).to_string(),
        })
    })
}
