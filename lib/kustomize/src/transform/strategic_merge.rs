//! Strategic merge: a partial object laid over a whole one, as kustomize does it.
//!
//! kustomize changes nodes in place and rebuilds lists out of the same nodes; which of two nodes survives shows in
//! the output. So this works in place too, and says which node it chose ([`Chosen`]).

mod lists;

use crate::schema::Schema;
use yaml::{Map, Node, Style, Tag};

/// Which of two nodes the result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// The object's own node, changed in place.
    Dest,
    /// The patch's node, cleaned of nulls and directives in place.
    Patch,
    /// Neither: the field goes away.
    Neither,
}

/// What `$patch` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// Lays `patch` over `dest`.
///
/// # Errors
/// A map, list or scalar where the other has something else; an unknown `$patch`.
pub(crate) fn merge(dest: &mut Node, patch: &mut Node, schema: Schema<'_>) -> Result<Chosen, String> {
    if dest.is_null() {
        return Ok(if adopt(patch, schema)? {
            Chosen::Patch
        } else {
            Chosen::Neither
        });
    }
    if patch.is_null() {
        return Ok(Chosen::Neither);
    }
    let schema = schema.or_of(dest).or_of(patch);
    match (&mut *dest, &mut *patch) {
        (Node::Map(dest), Node::Map(patch)) => match directive(patch)? {
            Directive::Delete => Ok(Chosen::Neither),
            Directive::Replace => {
                adopt_fields(patch, schema)?;
                Ok(Chosen::Patch)
            }
            Directive::Merge => {
                merge_fields(dest, patch, schema)?;
                Ok(Chosen::Dest)
            }
        },
        (Node::Seq(dest), Node::Seq(patch)) => match schema.merge_keys() {
            None => Ok(Chosen::Patch),
            Some(keys) => lists::merge(dest, patch, keys, schema.items()),
        },
        (Node::Scalar(_), Node::Scalar(_)) => Ok(Chosen::Patch),
        (expected, found) => Err(wrong_kind(expected, found)),
    }
}

/// Takes a node of the patch for which the object has none: nulls and directives go. False if nothing is left.
///
/// kustomize does not mind an unknown directive at this place, nor look for that of a list; further in it does both.
///
/// # Errors
/// As [`merge`].
pub(crate) fn adopt(node: &mut Node, schema: Schema<'_>) -> Result<bool, String> {
    let schema = schema.or_of(node);
    match node {
        Node::Map(map) => match directive(map) {
            Ok(Directive::Delete) => Ok(false),
            Ok(Directive::Merge | Directive::Replace) | Err(_) => adopt_fields(map, schema).map(|()| true),
        },
        Node::Seq(items) => match schema.merge_keys() {
            None => Ok(true),
            Some(keys) => lists::adopt(items, keys, schema.items()).map(|()| true),
        },
        Node::Scalar(scalar) => {
            quote(scalar);
            Ok(scalar.tag != Tag::Null)
        }
    }
}

/// As [`adopt`], for what is inside something taken over.
fn adopt_inner(node: &mut Node, schema: Schema<'_>) -> Result<bool, String> {
    let schema = schema.or_of(node);
    match node {
        Node::Map(map) => match directive(map)? {
            Directive::Delete => Ok(false),
            Directive::Merge | Directive::Replace => adopt_fields(map, schema).map(|()| true),
        },
        Node::Seq(items) => match schema.merge_keys() {
            None => Ok(true),
            Some(_) if lists::directive(items)? == Directive::Delete => Ok(false),
            Some(keys) => lists::adopt(items, keys, schema.items()).map(|()| true),
        },
        Node::Scalar(scalar) => {
            quote(scalar);
            Ok(scalar.tag != Tag::Null)
        }
    }
}

/// Walks a node that the patch does not mention: kustomize drops empty nulls and rebuilds merging lists even there.
pub(crate) fn keep(node: &mut Node, schema: Schema<'_>) -> Result<bool, String> {
    let schema = schema.or_of(node);
    match node {
        Node::Scalar(scalar) => {
            quote(scalar);
            Ok(scalar.tag != Tag::Null || !scalar.text.is_empty())
        }
        Node::Map(map) => {
            retain(map, |key, value| keep(value, schema.field(key)))?;
            Ok(true)
        }
        Node::Seq(items) => match schema.merge_keys() {
            None => Ok(true),
            Some(keys) => lists::keep(items, keys, schema.items()),
        },
    }
}

/// kustomize puts a text in quotes that YAML 1.1 would take for something else, as soon as a patch has passed it. What a
/// later patch puts in its place is then text too.
fn quote(scalar: &mut yaml::Scalar) {
    let other = || {
        !matches!(
            yaml::resolve(&scalar.text, yaml::Schema::GoV2),
            Tag::Str | Tag::Merge
        )
    };
    if scalar.tag == Tag::Str && scalar.style == Style::Plain && other() {
        scalar.style = Style::Quoted;
    }
}

fn merge_fields(dest: &mut Map, patch: &mut Map, schema: Schema<'_>) -> Result<(), String> {
    let mut theirs = index(patch);
    let mut used = vec![false; patch.pairs.len()];
    retain(dest, |key, value| {
        let schema = schema.field(key);
        let Some(at) = theirs(key) else {
            return keep(value, schema);
        };
        used[at] = true;
        let new = &mut patch.pairs[at].1;
        Ok(match merge(value, new, schema)? {
            Chosen::Dest => true,
            Chosen::Neither => false,
            Chosen::Patch => {
                replace(value, std::mem::replace(new, Node::null()));
                true
            }
        })
    })?;
    for (at, (key, value)) in patch.pairs.iter_mut().enumerate() {
        if !used[at] && adopt(value, schema.field(&key.text))? {
            dest.pairs
                .push((key.clone(), std::mem::replace(value, Node::null())));
        }
    }
    Ok(())
}

/// Puts a value of the patch in the place of another. It is written as the old one was, so that a number in the place
/// of a quoted one becomes text.
fn replace(old: &mut Node, mut new: Node) {
    if let (Node::Scalar(old), Node::Scalar(new)) = (&*old, &mut new)
        && old.tag != Tag::Null
    {
        new.style = old.style;
        if old.style != Style::Plain && new.tag != Tag::Binary {
            new.tag = Tag::Str;
        }
    }
    *old = new;
}

fn adopt_fields(map: &mut Map, schema: Schema<'_>) -> Result<(), String> {
    retain(map, |key, value| adopt_inner(value, schema.field(key)))
}

/// Keeps the fields for which `good` says so.
fn retain(
    map: &mut Map,
    mut good: impl FnMut(&str, &mut Node) -> Result<bool, String>,
) -> Result<(), String> {
    let mut kept = Vec::with_capacity(map.pairs.len());
    for (key, mut value) in std::mem::take(&mut map.pairs) {
        if good(&key.text, &mut value)? {
            kept.push((key, value));
        }
    }
    map.pairs = kept;
    Ok(())
}

/// Where a key stands in a map; by a table once the map is large.
fn index(map: &Map) -> impl FnMut(&str) -> Option<usize> + use<> {
    let mut at = std::collections::HashMap::with_capacity(map.pairs.len());
    for (i, (key, _)) in map.pairs.iter().enumerate() {
        at.entry(key.text.clone()).or_insert(i);
    }
    move |key| at.get(key).copied()
}

/// Takes the directive out of a map of the patch.
fn directive(map: &mut Map) -> Result<Directive, String> {
    let Some(value) = map.get("$patch") else {
        return Ok(Directive::Merge);
    };
    let directive = parse_directive(value.as_scalar().map_or("", |scalar| &scalar.text))?;
    map.remove("$patch");
    Ok(directive)
}

fn parse_directive(text: &str) -> Result<Directive, String> {
    match text {
        "merge" => Ok(Directive::Merge),
        "replace" => Ok(Directive::Replace),
        "delete" => Ok(Directive::Delete),
        other => Err(format!("unknown patch strategy '{other}'")),
    }
}

fn wrong_kind(expected: &Node, found: &Node) -> String {
    let name = |node: &Node| match node {
        Node::Scalar(_) => "ScalarNode",
        Node::Map(_) => "MappingNode",
        Node::Seq(_) => "SequenceNode",
    };
    format!(
        "wrong node kind: expected {} but got {}",
        name(expected),
        name(found)
    )
}
