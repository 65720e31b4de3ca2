//! The paths of `replacements`: fields, indices, items by field, all items.

use regex::Regex;
use yaml::{Limits, Node, Scalar, Schema, Style, Tag};

/// One step of a path.
#[derive(Debug, Clone)]
pub(in crate::transform) enum Step {
    /// A key of a map.
    Field(String),
    /// `3`: an item of a list.
    Index(usize),
    /// `-`: the last item; sources only.
    Last,
    /// `[name=value]`: items whose field matches; an empty name means the item itself.
    Matching { field: String, value: String },
    /// `*`: every item; targets only.
    Every,
}

/// What is created at the end of a path that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transform) enum Create {
    Nothing,
    Scalar,
    Map,
    Seq,
}

/// Splits a path at its dots; `\.` and dots in brackets are part of a name.
///
/// # Errors
/// Brackets around a match without `=`.
pub(in crate::transform) fn parse(path: &str) -> Result<Vec<Step>, String> {
    split(path).into_iter().map(|part| step(&part)).collect()
}

/// As [`parse`], but `[0]` is an index, as in the paths of `vars`.
///
/// # Errors
/// As [`parse`].
pub(in crate::transform) fn parse_with_indices(path: &str) -> Result<Vec<Step>, String> {
    let index = |part: &str| part.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    split(path)
        .into_iter()
        .map(|part| index(&part).map_or_else(|| step(&part), |at| Ok(Step::Index(at))))
        .collect()
}

/// The node a source path leads to.
///
/// # Errors
/// A step that does not fit the node, `*`.
pub(in crate::transform) fn find<'n>(node: &'n Node, path: &[Step]) -> Result<Option<&'n Node>, String> {
    let mut node = node;
    for step in path {
        let next = match (step, node) {
            (Step::Every, _) => return Err("wildcard is not supported in PathGetter".to_string()),
            // Here, other than in targets, empty parts and blanks say nothing.
            (Step::Field(name), node) if name.trim().is_empty() => Some(node),
            (Step::Field(name), Node::Map(map)) => map.get(name.trim()),
            (Step::Index(at), Node::Seq(items)) => items.get(*at),
            (Step::Last, Node::Seq(items)) => items.last(),
            (Step::Matching { field, value }, Node::Seq(items)) => items.iter().find(|item| {
                let item = if field.is_empty() {
                    Some(*item)
                } else {
                    item.get(field)
                };
                item.and_then(Node::as_scalar)
                    .is_some_and(|scalar| scalar.text == *value)
            }),
            (Step::Field(_), node) => return Err(wrong_kind("MappingNode", node)),
            (Step::Index(_) | Step::Last | Step::Matching { .. }, node) => {
                return Err(wrong_kind("SequenceNode", node));
            }
        };
        match next.filter(|next| !next.is_null()) {
            Some(next) => node = next,
            None => return Ok(None),
        }
    }
    Ok(Some(node))
}

/// Calls `set` on every node a target path leads to, creating what is missing if asked; gives how many there were.
///
/// # Errors
/// A step that does not fit the node, an index past the end, a pattern that is none, or what `set` says.
pub(in crate::transform) fn visit(
    node: &mut Node,
    path: &[Step],
    create: Create,
    set: &mut dyn FnMut(&mut Node) -> Result<(), String>,
) -> Result<usize, String> {
    let Some((step, rest)) = path.split_first() else {
        set(node)?;
        return Ok(1);
    };
    match (step, node) {
        (Step::Field(name), node @ Node::Map(_)) if name.is_empty() => Err(wrong_kind("ScalarNode", node)),
        (Step::Field(name), Node::Map(map)) => {
            let exists = map.get(name).is_some();
            if !exists && create == Create::Nothing {
                return Ok(0);
            }
            if !exists {
                map.set(name, made(rest.first(), create));
            }
            match map.get_mut(name) {
                // kustomize looks into structured text here too, but what it changes there is lost.
                Some(Node::Scalar(scalar)) if !rest.is_empty() => {
                    let parsed = yaml::parse_nodes(scalar.text.as_bytes(), Schema::GoV3, &Limits::default());
                    let parsed = parsed.map_err(|e| e.to_string())?;
                    parsed
                        .into_iter()
                        .next()
                        .map_or(Ok(0), |mut data| visit(&mut data, rest, create, set))
                }
                Some(field) => visit(field, rest, create, set),
                None => Ok(0),
            }
        }
        (Step::Field(_), node) if node.is_null() => Ok(0),
        (Step::Field(_) | Step::Last, node) => Err(wrong_kind("MappingNode", node)),
        (Step::Index(at), Node::Seq(items)) => {
            if *at == items.len() && create != Create::Nothing {
                items.push(made(rest.first(), create));
            }
            let count = items.len();
            let item = items
                .get_mut(*at)
                .ok_or_else(|| format!("index {at} specified but only {count} elements found"))?;
            visit(item, rest, create, set)
        }
        (Step::Every, Node::Seq(items)) => items
            .iter_mut()
            .try_fold(0, |count, item| Ok(count + visit(item, rest, create, set)?)),
        (Step::Matching { field, value }, Node::Seq(items)) => {
            let pattern = Regex::new(value).map_err(|e| e.to_string())?;
            let count = matching(items, field, &pattern, rest, create, set)?;
            if count > 0 || create == Create::Nothing {
                return Ok(count);
            }
            // Its meaning comes with its text, which may be another in a moment.
            let scalar = Node::Scalar(unread(value));
            items.push(if field.is_empty() {
                scalar
            } else {
                Node::Map(yaml::Map {
                    pairs: vec![(Scalar::string(field), scalar)],
                })
            });
            let count = matching(items, field, &pattern, rest, create, set);
            let made = items.last_mut();
            if let Some(Node::Scalar(scalar)) = made.and_then(|item| match field.as_str() {
                "" => Some(item),
                field => item.get_mut(field),
            }) && scalar.tag == Tag::Merge
            {
                *scalar = bare(&scalar.text);
            }
            count
        }
        (Step::Index(_) | Step::Every | Step::Matching { .. }, node) => Err(wrong_kind("SequenceNode", node)),
    }
}

/// A scalar as kustomize makes it: what it means is left to its text.
pub(in crate::transform) fn bare(text: &str) -> Scalar {
    Scalar {
        text: text.to_string(),
        tag: yaml::resolve(text, Schema::GoV3),
        style: Style::Plain,
    }
}

/// A scalar of which the text will say what it means; [`bare`] reads it.
fn unread(text: &str) -> Scalar {
    Scalar {
        text: text.to_string(),
        tag: Tag::Merge,
        style: Style::Plain,
    }
}

fn matching(
    items: &mut [Node],
    field: &str,
    pattern: &Regex,
    rest: &[Step],
    create: Create,
    set: &mut dyn FnMut(&mut Node) -> Result<(), String>,
) -> Result<usize, String> {
    let mut count = 0;
    for item in items {
        let key = if field.is_empty() {
            Some(&*item)
        } else {
            item.get(field)
        };
        if !key
            .and_then(Node::as_scalar)
            .is_some_and(|scalar| pattern.is_match(scalar.text.trim()))
        {
            continue;
        }
        // A bare list item is what it matches; the rest of the path is not looked at.
        count += if field.is_empty() {
            visit(item, &[], create, set)?
        } else {
            visit(item, rest, create, set)?
        };
    }
    Ok(count)
}

fn made(next: Option<&Step>, create: Create) -> Node {
    match (next, create) {
        (Some(Step::Field(_) | Step::Last), _) | (None, Create::Map) => Node::map(),
        (Some(Step::Index(_) | Step::Every | Step::Matching { .. }), _) | (None, Create::Seq) => {
            Node::Seq(Vec::new())
        }
        (None, Create::Scalar | Create::Nothing) => Node::Scalar(unread("")),
    }
}

fn step(part: &str) -> Result<Step, String> {
    if let Some(inner) = part.strip_prefix('[').and_then(|part| part.strip_suffix(']')) {
        let (field, value) = inner.split_once('=').ok_or_else(|| {
            format!("list path element must contain fieldName=fieldValue for element to match: {part}")
        })?;
        return Ok(Step::Matching {
            field: field.to_string(),
            value: value.to_string(),
        });
    }
    Ok(match part {
        "*" => Step::Every,
        "-" => Step::Last,
        part => part
            .parse()
            .map_or_else(|_| Step::Field(part.to_string()), Step::Index),
    })
}

fn split(path: &str) -> Vec<String> {
    let mut plain: Vec<String> = Vec::new();
    // A dot at the beginning says nothing.
    let path = path.strip_prefix('.').unwrap_or(path);
    for part in path.split('.') {
        match plain.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push('.');
                last.push_str(part);
            }
            _ => plain.push(part.to_string()),
        }
    }
    let mut parts = Vec::new();
    let mut rest = plain.into_iter();
    while let Some(mut part) = rest.next() {
        if part.starts_with('[') && !part.ends_with(']') {
            for more in rest.by_ref() {
                part.push('.');
                part.push_str(&more);
                if more.ends_with(']') {
                    break;
                }
            }
            if !part.contains('=') {
                part = part.trim_matches(['[', ']']).to_string();
            }
        }
        parts.push(part);
    }
    parts
}

fn wrong_kind(expected: &str, node: &Node) -> String {
    let found = match node {
        Node::Scalar(_) => "ScalarNode",
        Node::Map(_) => "MappingNode",
        Node::Seq(_) => "SequenceNode",
    };
    format!("wrong node kind: expected {expected} but got {found}")
}
