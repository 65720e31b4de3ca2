//! Where a transformer may write: a kind of object and a path in it.

use crate::id::Gvk;
use yaml::{Node, Scalar, Style, Tag};

/// A path that counts for the objects `gvk` selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    pub(crate) gvk: Gvk,
    /// As written, for messages.
    pub(crate) path: String,
    pub(crate) parts: Vec<Part>,
    /// Whether missing maps and the field itself are created.
    pub(crate) create: bool,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// Written with `[]`: the field is a list, and never created.
    pub(crate) list: bool,
}

/// What stands at the end of a path that had to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Create {
    Nothing,
    Scalar,
    Map,
}

impl FieldSpec {
    /// Splits the path at `/`; `\/` is a slash in a name.
    pub(crate) fn new(gvk: Gvk, path: &str, create: bool) -> FieldSpec {
        let parts = split(path)
            .into_iter()
            .map(|name| match name.strip_suffix("[]") {
                Some(name) => Part {
                    name: name.to_string(),
                    list: true,
                },
                None => Part { name, list: false },
            })
            .collect();
        FieldSpec {
            gvk,
            path: path.to_string(),
            parts,
            create,
        }
    }

    /// Calls `set` on every node the path leads to. Lists on the way are walked without being named.
    ///
    /// # Errors
    /// A scalar in the middle of the path, an empty step, or what `set` says.
    pub(crate) fn apply(
        &self,
        object: &mut Node,
        create: Create,
        set: &mut dyn FnMut(&mut Node) -> Result<(), String>,
    ) -> Result<(), String> {
        let create = if self.create { create } else { Create::Nothing };
        walk(object, &self.parts, create, set)
    }
}

fn walk(
    node: &mut Node,
    parts: &[Part],
    create: Create,
    set: &mut dyn FnMut(&mut Node) -> Result<(), String>,
) -> Result<(), String> {
    let Some((part, rest)) = parts.split_first() else {
        return set(node);
    };
    match node {
        Node::Scalar(scalar) if scalar.tag == Tag::Null => Ok(()),
        Node::Scalar(_) => Err("expected sequence or mapping node".to_string()),
        Node::Seq(items) => items
            .iter_mut()
            .try_for_each(|item| walk(item, parts, create, set)),
        Node::Map(map) => {
            if part.name.is_empty() {
                return Err("cannot set or create an empty field name".to_string());
            }
            let make = match create {
                _ if part.list => None,
                Create::Nothing => None,
                Create::Scalar if rest.is_empty() => {
                    let scalar = Scalar {
                        text: String::new(),
                        tag: Tag::Str,
                        style: Style::Plain,
                    };
                    Some(Node::Scalar(scalar))
                }
                Create::Scalar | Create::Map => Some(Node::map()),
            };
            match (map.get_mut(&part.name), make) {
                (Some(field), make) => {
                    if let Some(make) = make.filter(|_| field.is_null()) {
                        *field = make;
                    } else if part.list && field.is_null() {
                        *field = Node::Seq(Vec::new());
                    }
                    walk(field, rest, create, set)
                }
                (None, Some(mut made)) => {
                    walk(&mut made, rest, create, set)?;
                    map.set(&part.name, made);
                    Ok(())
                }
                (None, None) => Ok(()),
            }
        }
    }
}

/// Splits at `/` unless a backslash stands before it.
fn split(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut part = String::new();
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'/') => part.extend(chars.next()),
            '/' => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    if parts.len() > 1 && parts[0].is_empty() {
        parts.remove(0);
    }
    parts
}
