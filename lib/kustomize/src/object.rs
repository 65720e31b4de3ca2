//! One object of a build: its nodes and what it was called before.

pub(crate) mod shared;

use crate::id::{Gvk, Id, split_api_version};
use crate::transform::bare_key;
use shared::Shared;
use std::collections::HashMap;
use yaml::{Map, Node};

/// kustomize's note on an object that came out of a chart.
pub(crate) const HELM_GENERATED: &str = "internal.config.kubernetes.io/helm-generated";

/// An object with its history.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// Always a map.
    pub(crate) node: Node,
    /// Earlier names, oldest first.
    pub(crate) past: Vec<PastId>,
    /// Prefixes added so far, innermost first.
    pub(crate) prefixes: Vec<String>,
    /// Suffixes added so far, innermost first.
    pub(crate) suffixes: Vec<String>,
    /// Whether the content's hash goes into the name.
    pub(crate) needs_hash: bool,
    /// Names of the vars that are about this object.
    pub(crate) vars: Vec<String>,
    /// Made by a generator of this build.
    pub(crate) generated: bool,
    /// What a generator says about an object of the same name.
    pub(crate) behavior: Behavior,
    /// Labels and annotations that change together.
    shared: Vec<Shared>,
}

/// A name an object had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PastId {
    pub(crate) kind: String,
    pub(crate) name: String,
    /// The effective namespace of that time.
    pub(crate) namespace: String,
}

/// What to do if a generated object exists already (`behavior` of a generator).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Behavior {
    #[default]
    Unspecified,
    Create,
    Merge,
    Replace,
}

impl Object {
    /// An object without a past.
    pub(crate) fn new(node: Node) -> Object {
        Object {
            node,
            past: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            needs_hash: false,
            vars: Vec::new(),
            generated: false,
            behavior: Behavior::Unspecified,
            shared: Vec::new(),
        }
    }

    pub(crate) fn kind(&self) -> &str {
        text(&self.node, "kind")
    }

    pub(crate) fn api_version(&self) -> &str {
        text(&self.node, "apiVersion")
    }

    pub(crate) fn gvk(&self) -> Gvk {
        Gvk::new(self.api_version(), self.kind())
    }

    /// True if the object is of the kind `selector` asks for.
    pub(crate) fn is_selected(&self, selector: &Gvk) -> bool {
        let (group, version) = split_api_version(self.api_version());
        let part = |want: &str, have: &str| want.is_empty() || want == have;
        part(&selector.kind, self.kind()) && part(&selector.group, group) && part(&selector.version, version)
    }

    /// True if it came out of a chart, which has seen to its namespace.
    pub(crate) fn is_from_helm(&self) -> bool {
        self.strings("annotations")
            .any(|(key, value)| key == HELM_GENERATED && value == "true")
    }

    pub(crate) fn name(&self) -> &str {
        self.metadata().map_or("", |metadata| text_of(metadata, "name"))
    }

    pub(crate) fn namespace(&self) -> &str {
        self.metadata()
            .map_or("", |metadata| text_of(metadata, "namespace"))
    }

    /// The id it has now.
    pub(crate) fn id(&self) -> Id {
        Id {
            gvk: self.gvk(),
            name: self.name().to_string(),
            namespace: self.namespace().to_string(),
        }
    }

    /// The id it had when it was read or generated.
    pub(crate) fn original_id(&self) -> Id {
        self.past
            .first()
            .map_or_else(|| self.id(), |past| self.past_id(past))
    }

    /// A past name as an id; group and version are those of now.
    pub(crate) fn past_id(&self, past: &PastId) -> Id {
        let gvk = Gvk {
            kind: past.kind.clone(),
            ..self.gvk()
        };
        Id {
            gvk,
            name: past.name.clone(),
            namespace: past.namespace.clone(),
        }
    }

    /// Every id it has or had, oldest first.
    pub(crate) fn all_ids(&self) -> impl Iterator<Item = Id> + '_ {
        self.past
            .iter()
            .map(|past| self.past_id(past))
            .chain(std::iter::once_with(|| self.id()))
    }

    /// Keeps the current id as a past one, before a change.
    pub(crate) fn remember_id(&mut self) {
        let id = self.id();
        let namespace = id.effective_namespace().to_string();
        self.past.push(PastId {
            kind: id.gvk.kind,
            name: id.name,
            namespace,
        });
    }

    /// Loses its history, as when its annotations are taken away.
    pub(crate) fn forget(&mut self) {
        self.past.clear();
        self.prefixes.clear();
        self.suffixes.clear();
        self.needs_hash = false;
        self.behavior = Behavior::Unspecified;
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        if let Some(metadata) = self.metadata_mut() {
            metadata.set("name", Node::string(name));
        }
    }

    /// Sets the namespace; an empty one takes the field away.
    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        if let Some(metadata) = self.metadata_mut() {
            if namespace.is_empty() {
                metadata.remove("namespace");
            } else {
                metadata.set("namespace", Node::string(namespace));
            }
        }
    }

    pub(crate) fn set_kind(&mut self, kind: &str) {
        if let Some(map) = self.node.as_map_mut() {
            map.set("kind", Node::string(kind));
        }
    }

    /// `metadata.labels` or `metadata.annotations` as text; what is no text counts as empty.
    pub(crate) fn strings<'a>(&'a self, field: &str) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let map = self
            .metadata()
            .and_then(|metadata| metadata.get(field))
            .and_then(Node::as_map);
        map.into_iter().flat_map(|map| &map.pairs).map(|(key, value)| {
            let text = value.as_scalar().map_or("", |scalar| scalar.text.as_str());
            (key.text.as_str(), text)
        })
    }

    /// Makes every value of `metadata.labels` or `metadata.annotations` a text, as it stands; an empty map goes away.
    pub(crate) fn texts_in(&mut self, field: &str) {
        if self
            .metadata()
            .is_none_or(|metadata| metadata.get(field).is_none())
        {
            return;
        }
        let pairs = self
            .strings(field)
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect();
        self.set_strings(field, pairs);
    }

    /// Replaces `metadata.labels` or `metadata.annotations`; an empty map takes the field away.
    pub(crate) fn set_strings(&mut self, field: &str, pairs: Vec<(String, String)>) {
        self.unshare(&["metadata", field]);
        let Some(metadata) = self.metadata_mut() else {
            return;
        };
        if pairs.is_empty() {
            metadata.remove(field);
            return;
        }
        let pairs = pairs
            .into_iter()
            .map(|(key, value)| (bare_key(&key), Node::string(value)))
            .collect();
        metadata.set(field, Node::Map(Map { pairs }));
    }

    /// The annotations, to be changed; an empty map if there were none.
    pub(crate) fn annotations_mut(&mut self) -> Option<&mut Map> {
        let metadata = self.metadata_mut()?;
        if !matches!(metadata.get("annotations"), Some(Node::Map(_))) {
            metadata.set("annotations", Node::map());
        }
        metadata.get_mut("annotations")?.as_map_mut()
    }

    /// Becomes what `old` was called: name, namespace, history, and its labels and annotations where there are none.
    ///
    /// The name gets a hash only if both wanted one.
    pub(crate) fn take_identity_of(&mut self, old: &Object) {
        for field in ["labels", "annotations"] {
            let merged = overlay(old.strings(field), self.strings(field));
            self.set_strings(field, merged);
        }
        self.set_name(old.name());
        self.set_namespace(old.namespace());
        self.past = old.past.clone();
        self.prefixes = old.prefixes.clone();
        self.suffixes = old.suffixes.clone();
        self.needs_hash &= old.needs_hash;
        self.vars = old.vars.clone();
        self.generated = old.generated;
    }

    /// Adds the `data` and `binaryData` of `old` where this object has no such key.
    pub(crate) fn merge_data_of(&mut self, old: &Object) {
        for field in ["data", "binaryData"] {
            let pairs = |node: &'_ Node| -> Vec<(String, String)> {
                let map = node.get(field).and_then(Node::as_map);
                let pairs = map.into_iter().flat_map(|map| &map.pairs);
                pairs
                    .map(|(k, v)| (k.text.clone(), v.as_text().unwrap_or_default().to_string()))
                    .collect()
            };
            let (base, top) = (pairs(&old.node), pairs(&self.node));
            let merged = overlay(borrowed(&base), borrowed(&top));
            let Some(map) = self.node.as_map_mut() else {
                continue;
            };
            if merged.is_empty() {
                map.remove(field);
            } else {
                let pairs = merged
                    .into_iter()
                    .map(|(k, v)| (bare_key(&k), Node::string(v)))
                    .collect();
                map.set(field, Node::Map(Map { pairs }));
            }
        }
    }

    fn metadata(&self) -> Option<&Map> {
        self.node.get("metadata")?.as_map()
    }

    fn metadata_mut(&mut self) -> Option<&mut Map> {
        let map = self.node.as_map_mut()?;
        if !matches!(map.get("metadata"), Some(Node::Map(_))) {
            map.set("metadata", Node::map());
        }
        map.get_mut("metadata")?.as_map_mut()
    }
}

fn text<'a>(node: &'a Node, key: &str) -> &'a str {
    node.as_map().map_or("", |map| text_of(map, key))
}

fn text_of<'a>(map: &'a Map, key: &str) -> &'a str {
    map.get(key).and_then(Node::as_text).unwrap_or_default()
}

/// The pairs of `base`, changed and followed by those of `top`.
fn overlay<'a>(
    base: impl Iterator<Item = (&'a str, &'a str)>,
    top: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(String, String)> {
    let mut merged: Vec<(String, String)> = base.map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let at: HashMap<String, usize> = merged
        .iter()
        .enumerate()
        .map(|(at, (k, _))| (k.clone(), at))
        .collect();
    for (key, value) in top {
        match at.get(key) {
            Some(&at) => merged[at].1 = value.to_string(),
            None => merged.push((key.to_string(), value.to_string())),
        }
    }
    merged
}

fn borrowed(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()))
}
