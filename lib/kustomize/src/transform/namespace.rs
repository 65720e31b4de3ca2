//! `namespace`: moves every object that can be moved.

use super::{at, selected, set_string};
use crate::Error;
use crate::fieldspec::{Create, DEFAULTS, FieldSpec};
use crate::id::{Gvk, Id};
use crate::object::Object;
use crate::objects::Objects;
use std::collections::HashMap;
use yaml::Node;

/// Sets the namespace of all objects that are not known to be cluster-scoped, and where they name it themselves.
///
/// # Errors
/// Two objects get the same id; a field in the way is no text.
pub(crate) fn apply(objects: &mut Objects, namespace: &str) -> Result<(), Error> {
    if namespace.is_empty() {
        return Ok(());
    }
    let own = FieldSpec::new(Gvk::default(), "metadata/namespace", true);
    for object in objects.list_mut() {
        object.remember_id();
        let mut set = |node: &mut Node| match node {
            Node::Scalar(_) => {
                set_string(node, namespace);
                Ok(())
            }
            Node::Map(_) | Node::Seq(_) => Err("wrong node kind: expected ScalarNode".to_string()),
        };
        if !object.gvk().is_cluster_scoped() {
            at(object, &own, Create::Scalar, &mut set)?;
        }
        if matches!(object.kind(), "RoleBinding" | "ClusterRoleBinding") {
            default_subjects(object, namespace);
        }
        for spec in selected(object, &DEFAULTS.namespace) {
            // The name of a namespace is its own only in the core group.
            if spec.path != "metadata/name" || object.api_version() == "v1" {
                at(object, spec, Create::Scalar, &mut set)?;
            }
        }
    }
    conflict(objects)
}

/// Service accounts named `default` live in the namespace that everything moves to.
fn default_subjects(object: &mut Object, namespace: &str) {
    let Some(Node::Seq(subjects)) = object.node.get_mut("subjects") else {
        return;
    };
    for subject in subjects {
        if subject.get("name").and_then(Node::as_text) == Some("default")
            && let Some(map) = subject.as_map_mut()
        {
            map.set("namespace", Node::string(namespace));
        }
    }
}

fn conflict(objects: &Objects) -> Result<(), Error> {
    let mut seen: HashMap<Id, &Object> = HashMap::with_capacity(objects.list().len());
    for object in objects.list() {
        if let Some(other) = seen.insert(object.id().key(), object) {
            let ids = format!("[{} {}]", other.original_id(), object.original_id());
            return Err(Error::NamespaceConflict { ids });
        }
    }
    Ok(())
}
