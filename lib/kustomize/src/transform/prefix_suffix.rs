//! `namePrefix` and `nameSuffix`.

use super::at;
use crate::Error;
use crate::fieldspec::{Create, FieldSpec};
use crate::id::Gvk;
use crate::object::Object;
use crate::objects::Objects;
use yaml::{Node, Schema, Style, Tag};

/// Kinds whose names mean something to the cluster: group and kind.
const KEPT: [(&str, &str); 3] = [
    ("", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("", "Namespace"),
];

/// On which side of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Prefix,
    Suffix,
}

/// Puts `text` before or behind what stands in the fields of `specs`; of them, only `metadata/name` is the name.
/// # Errors
/// A field in the way is no text.
pub(crate) fn apply(objects: &mut Objects, side: Side, text: &str, specs: &[FieldSpec]) -> Result<(), Error> {
    for object in objects.list_mut() {
        // Decided by the kind the object had at first.
        let gvk = object.original_id().gvk;
        if is_kept(&gvk) {
            continue;
        }
        for spec in specs.iter().filter(|spec| gvk.is_selected(&spec.gvk)) {
            if spec.path == "metadata/name" {
                remember(object, side, text);
            }
            if !object.is_selected(&spec.gvk) {
                continue;
            }
            at(object, spec, Create::Scalar, &mut |node| match node {
                Node::Scalar(scalar) => {
                    let new = match side {
                        Side::Prefix => format!("{text}{}", scalar.text),
                        Side::Suffix => format!("{}{text}", scalar.text),
                    };
                    // What the new text means is up to itself, unless it is quoted.
                    let quoted = scalar.style != Style::Plain
                        || scalar.tag == Tag::Str && yaml::resolve(&scalar.text, Schema::GoV2) != Tag::Str;
                    if !quoted {
                        scalar.tag = yaml::resolve(&new, Schema::GoV3);
                    }
                    scalar.text = new;
                    Ok(())
                }
                Node::Map(_) | Node::Seq(_) => Err("wrong node kind: expected ScalarNode".to_string()),
            })?;
        }
    }
    Ok(())
}

fn remember(object: &mut Object, side: Side, text: &str) {
    if text.is_empty() {
        return;
    }
    match side {
        Side::Prefix => object.prefixes.push(text.to_string()),
        Side::Suffix => object.suffixes.push(text.to_string()),
    }
    object.remember_id();
}

fn is_kept(gvk: &Gvk) -> bool {
    KEPT.iter().any(|(group, kind)| {
        gvk.is_selected(&Gvk {
            group: (*group).to_string(),
            version: String::new(),
            kind: (*kind).to_string(),
        })
    })
}
