//! `namespace`: moves every object that can be moved.

use super::{at, selected, set_string};
use crate::Error;
use crate::fieldspec::{Create, FieldSpec};
use crate::id::{Gvk, Id};
use crate::object::Object;
use crate::objects::Objects;
use std::collections::HashMap;
use yaml::{Node, Tag};

/// What to set where.
#[derive(Debug, Clone)]
pub(crate) struct Namespace {
    pub(crate) namespace: String,
    pub(crate) specs: Vec<FieldSpec>,
    /// Leave alone what has a namespace.
    pub(crate) unset_only: bool,
    pub(crate) subjects: Subjects,
}

/// Which subjects of role bindings are moved along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// Those named `default`.
    #[default]
    Default,
    /// All service accounts.
    ServiceAccounts,
    None,
}

/// Sets the namespace of all objects that are not known to be cluster-scoped, and where they name it themselves.
///
/// # Errors
/// Two objects get the same id; a field in the way is no text.
pub(crate) fn apply(objects: &mut Objects, namespace: &Namespace) -> Result<(), Error> {
    if namespace.namespace.is_empty() {
        return Ok(());
    }
    for object in objects.list_mut() {
        if object.is_from_helm() {
            continue;
        }
        object.remember_id();
        set(object, namespace)?;
    }
    conflict(objects)
}

/// As [`apply`] for one object, which keeps no memory of where it was.
///
/// # Errors
/// A field in the way is no text.
pub(crate) fn set(object: &mut Object, namespace: &Namespace) -> Result<(), Error> {
    let own = FieldSpec::new(Gvk::default(), "metadata/namespace", true);
    let mut set = |node: &mut Node| match node {
        Node::Scalar(scalar)
            if namespace.unset_only && scalar.tag != Tag::Null && !scalar.text.is_empty() =>
        {
            Ok(())
        }
        Node::Scalar(_) => {
            set_string(node, &namespace.namespace);
            Ok(())
        }
        Node::Map(_) | Node::Seq(_) => Err("wrong node kind: expected ScalarNode".to_string()),
    };
    // A null that is written out counts as a namespace here.
    let null = object
        .node
        .at(&["metadata", "namespace"])
        .and_then(Node::as_scalar)
        .is_some_and(|scalar| scalar.tag == Tag::Null && !scalar.text.is_empty());
    let stays = object.gvk().is_cluster_scoped() || (null && namespace.unset_only);
    if !stays {
        at(object, &own, Create::Scalar, &mut set)?;
    }
    let binding = matches!(object.kind(), "RoleBinding" | "ClusterRoleBinding");
    if binding {
        subjects(object, namespace)?;
    }
    for spec in selected(object, &namespace.specs) {
        let special = match spec.path.as_str() {
            "metadata/namespace" => true,
            // The name of a namespace is its own only in the core group.
            "metadata/name" => object.api_version() != "v1",
            "subjects/namespace" => {
                binding && matches!(spec.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding")
            }
            _ => false,
        };
        if !special {
            at(object, spec, Create::Scalar, &mut set)?;
        }
    }
    Ok(())
}

/// The subjects of a role binding that live in the namespace that everything moves to.
///
/// # Errors
/// What tells which they are is no leaf.
fn subjects(object: &mut Object, namespace: &Namespace) -> Result<(), Error> {
    let (field, wanted) = match namespace.subjects {
        Subjects::None => return Ok(()),
        Subjects::Default => ("name", "default"),
        Subjects::ServiceAccounts => ("kind", "ServiceAccount"),
    };
    let Some(Node::Seq(subjects)) = object.node.get_mut("subjects") else {
        return Ok(());
    };
    for subject in subjects {
        if let Some(Node::Map(_) | Node::Seq(_)) = subject.get(field) {
            return Err(Error::Subject { field });
        }
        if subject.get(field).and_then(Node::as_text) == Some(wanted)
            && let Some(map) = subject.as_map_mut()
        {
            let there = map.get("namespace").and_then(Node::as_text);
            if !namespace.unset_only || there.is_none_or(str::is_empty) {
                map.set("namespace", Node::string(&namespace.namespace));
            }
        }
    }
    Ok(())
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
