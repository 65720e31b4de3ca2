//! The transformers, one a file, and what they share.

pub(crate) mod annotations;
pub(crate) mod images;
pub(crate) mod json6902;
pub(crate) mod labels;
pub(crate) mod name_refs;
pub(crate) mod namespace;
pub(crate) mod patches;
pub(crate) mod prefix_suffix;
pub(crate) mod replacements;
pub(crate) mod replicas;
pub(crate) mod sort;
pub(crate) mod strategic_merge;
pub(crate) mod value_add;
pub(crate) mod vars;

use crate::Error;
use crate::fieldspec::{Create, FieldSpec};
use crate::generate::hash;
use crate::kustomization::{Image, Replacement, Replica};
use crate::load::Session;
use crate::object::{
    Object,
    shared::{Place, node, places},
};
use crate::objects::Objects;
use namespace::Namespace;
use patches::{Prepared, PreparedOperations};
use prefix_suffix::Side;
use value_add::ValueAdd;
use yaml::{Map, Node, Scalar, Schema, Style, Tag};

/// A transformer that has read its files and knows where to write.
pub(crate) enum Transformer {
    PatchStrategicMerge(Vec<Object>),
    Patch(Box<Prepared>),
    Namespace(Namespace),
    Affix(Side, String, Vec<FieldSpec>),
    /// The older spelling of both at once.
    PrefixSuffix {
        prefix: String,
        suffix: String,
        specs: Vec<FieldSpec>,
    },
    Labels(Vec<(String, String)>, Vec<FieldSpec>),
    Annotations(Vec<(String, String)>, Vec<FieldSpec>),
    PatchJson6902(Box<PreparedOperations>),
    Replicas(Replica, Vec<FieldSpec>),
    Images(Image, Vec<FieldSpec>),
    Replacements(Vec<Replacement>),
    Hash,
    ValueAdd(ValueAdd),
}

impl Transformer {
    /// Changes the objects.
    ///
    /// # Errors
    /// What does not fit an object, or makes two of them one.
    pub(crate) fn apply(&self, objects: &mut Objects, session: &Session<'_>) -> Result<(), Error> {
        match self {
            Transformer::PatchStrategicMerge(parts) => {
                patches::apply_partial(objects, parts, &session.schemas)
            }
            Transformer::Patch(patch) => patches::apply(objects, patch, &session.schemas),
            Transformer::Namespace(namespace) => namespace::apply(objects, namespace),
            Transformer::Affix(side, text, specs) => prefix_suffix::apply(objects, *side, text, specs),
            Transformer::PrefixSuffix {
                prefix,
                suffix,
                specs,
            } => {
                prefix_suffix::apply(objects, Side::Prefix, prefix, specs)?;
                prefix_suffix::apply(objects, Side::Suffix, suffix, specs)
            }
            Transformer::Labels(pairs, specs) => labels::apply(objects, pairs, specs),
            Transformer::Annotations(pairs, specs) => annotations::apply(objects, pairs, specs),
            Transformer::PatchJson6902(patch) => patches::apply_operations(objects, patch),
            Transformer::Replicas(replica, specs) => replicas::apply(objects, replica, specs),
            Transformer::Images(image, specs) => images::apply(objects, image, specs),
            Transformer::Replacements(entries) => replacements::apply(objects, entries),
            Transformer::Hash => hash::apply(objects),
            Transformer::ValueAdd(add) => value_add::apply(objects, add),
        }
    }
}

/// Sets string pairs under every path of `specs` that counts for the object, pair by pair.
fn set_pairs(object: &mut Object, specs: &[&FieldSpec], pairs: &[(String, String)]) -> Result<(), Error> {
    for (key, value) in pairs {
        let missing: Vec<Place> = specs
            .iter()
            .flat_map(|spec| places(&object.node, &spec.parts, key))
            .filter(|place| node(&object.node, place).is_none())
            .collect();
        for spec in specs {
            at(object, spec, Create::Map, &mut |node| {
                if node.is_null() {
                    *node = Node::map();
                }
                let map = node.as_map_mut().ok_or("wrong node kind: expected MappingNode")?;
                set_pair(map, key, value);
                Ok(())
            })?;
        }
        object.spread();
        object.share(missing);
    }
    Ok(())
}

/// Calls `set` where `spec` leads in the object; that its kind is right has been seen to.
fn at(
    object: &mut Object,
    spec: &FieldSpec,
    create: Create,
    set: &mut dyn FnMut(&mut Node) -> Result<(), String>,
) -> Result<(), Error> {
    spec.apply(&mut object.node, create, set)
        .map_err(|problem| Error::Field {
            path: spec.path.clone(),
            id: object.id().to_string(),
            problem,
        })
}

/// The specs that count for the object.
fn selected<'a>(object: &Object, specs: &'a [FieldSpec]) -> Vec<&'a FieldSpec> {
    specs
        .iter()
        .filter(|spec| object.is_selected(&spec.gvk))
        .collect()
}

/// Changes a leaf's text. What kind of value it was stays, as kustomize leaves it; other nodes become text.
fn set_string(node: &mut Node, text: &str) {
    match node {
        Node::Scalar(scalar) if scalar.tag != Tag::Null => scalar.text = text.to_string(),
        Node::Scalar(_) | Node::Map(_) | Node::Seq(_) => *node = Node::string(text),
    }
}

/// Sets a pair of strings. kustomize writes such keys bare, so that one like `true` is no text when it is read again.
pub(crate) fn set_pair(map: &mut Map, key: &str, value: &str) {
    match map.get_mut(key) {
        Some(old) => *old = Node::string(value),
        None => map.pairs.push((bare_key(key), Node::string(value))),
    }
}

/// A key as kustomize writes it: without quotes.
pub(crate) fn bare_key(key: &str) -> Scalar {
    Scalar {
        text: key.to_string(),
        tag: yaml::resolve(key, Schema::GoV3),
        style: Style::Plain,
    }
}
