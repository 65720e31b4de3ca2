//! `replicas`: how many of a workload.

use super::at;
use crate::Error;
use crate::fieldspec::{Create, FieldSpec};
use crate::kustomization::Replica;
use crate::objects::Objects;
use yaml::{Node, Scalar, Style, Tag};

/// Sets the count of every workload that has or had the name.
///
/// # Errors
/// There is none.
pub(crate) fn apply(objects: &mut Objects, replica: &Replica, specs: &[FieldSpec]) -> Result<(), Error> {
    let mut found = false;
    for spec in specs {
        for object in objects.list_mut() {
            let names = object.past.iter().map(|past| past.name.as_str());
            if !names.chain([object.name()]).any(|name| name == replica.name)
                || !object
                    .all_ids()
                    .any(|id| id.name == replica.name && id.gvk.is_selected(&spec.gvk))
            {
                continue;
            }
            found = true;
            if object.is_selected(&spec.gvk) {
                let count = replica.count.to_string();
                at(object, spec, Create::Scalar, &mut |node| {
                    *node = number(&count, node)?;
                    Ok(())
                })?;
            }
        }
    }
    if found {
        return Ok(());
    }
    let kinds: Vec<String> = specs.iter().map(|spec| spec.gvk.to_string()).collect();
    Err(Error::NoReplicaTarget {
        name: replica.name.clone(),
        kinds: kinds.join(" "),
    })
}

/// A number in the place of a leaf, written as that was: in quotes it is a text.
fn number(text: &str, old: &Node) -> Result<Node, String> {
    let Node::Scalar(old) = old else {
        return Err("wrong node kind: expected ScalarNode".to_string());
    };
    let (tag, style) = match old.style {
        Style::Plain | Style::EmptyInFlow => (Tag::Int, Style::Plain),
        style @ (Style::Quoted | Style::Literal | Style::Folded) => (Tag::Str, style),
    };
    Ok(Node::Scalar(Scalar {
        text: text.to_string(),
        tag,
        style,
    }))
}
