//! `<<`: a map takes over the pairs of others.

use crate::{Error, Map, Node, Scalar, Schema, Tag};
use std::collections::HashMap;

/// Applies every merge key of the tree, innermost first.
///
/// Of several maps under one `<<` the first wins. Against the map's own keys the dialects differ: v3 always keeps
/// the map's own, v2 reads top to bottom, so that `<<` overrides what stands above it.
pub(crate) fn apply(node: &mut Node, schema: Schema) -> Result<(), Error> {
    match node {
        Node::Scalar(_) => Ok(()),
        Node::Seq(items) => items.iter_mut().try_for_each(|item| apply(item, schema)),
        Node::Map(map) => {
            for (_, value) in &mut map.pairs {
                apply(value, schema)?;
            }
            if map.pairs.iter().any(|(key, _)| key.tag == Tag::Merge) {
                merge(map, schema)?;
            }
            Ok(())
        }
    }
}

fn merge(map: &mut Map, schema: Schema) -> Result<(), Error> {
    let pairs = std::mem::take(&mut map.pairs);
    let mut merged = Pairs::default();
    let mut borrowed = Vec::new();
    for (key, value) in pairs {
        if key.tag != Tag::Merge {
            merged.set(key, value, true);
            continue;
        }
        let from = sources(value)?;
        match schema {
            Schema::GoV2 => from
                .into_iter()
                .rev()
                .flatten()
                .for_each(|(k, v)| merged.set(k, v, true)),
            Schema::GoV3 => borrowed.extend(from.into_iter().flatten()),
        }
    }
    for (key, value) in borrowed {
        merged.set(key, value, false);
    }
    map.pairs = merged.pairs;
    Ok(())
}

fn sources(value: Node) -> Result<Vec<Vec<(Scalar, Node)>>, Error> {
    match value {
        Node::Map(map) => Ok(vec![map.pairs]),
        Node::Seq(items) => items
            .into_iter()
            .map(|item| match item {
                Node::Map(map) => Ok(map.pairs),
                Node::Scalar(_) | Node::Seq(_) => Err(Error::BadMerge),
            })
            .collect(),
        Node::Scalar(_) => Err(Error::BadMerge),
    }
}

#[derive(Default)]
struct Pairs {
    pairs: Vec<(Scalar, Node)>,
    at: HashMap<String, usize>,
}

impl Pairs {
    fn set(&mut self, key: Scalar, value: Node, replace: bool) {
        match self.at.get(&key.text) {
            Some(&at) if replace => self.pairs[at].1 = value,
            Some(_) => {}
            None => {
                self.at.insert(key.text.clone(), self.pairs.len());
                self.pairs.push((key, value));
            }
        }
    }
}
