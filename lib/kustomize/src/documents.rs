//! From the text of a resource file to objects: split, read, check, unwrap lists.

use crate::Error;
use crate::object::Object;
use serde_json::Value;
use std::collections::VecDeque;
use yaml::{Limits, Node, Schema};

/// Reads every object of a file or inline text.
///
/// A list of kind `*List` stands for its items, which come after all that is not in such a list.
///
/// # Errors
/// Malformed YAML, something without kind or name.
pub(crate) fn objects(bytes: &[u8]) -> Result<Vec<Object>, Error> {
    let mut objects = Vec::new();
    let mut waiting = VecDeque::from(checked(documents(bytes)?)?);
    while let Some(mut node) = waiting.pop_front() {
        let kind = node
            .get("kind")
            .and_then(Node::as_text)
            .unwrap_or_default()
            .to_string();
        let items = if kind.ends_with("List") {
            node.as_map_mut().and_then(|map| map.remove("items"))
        } else {
            None
        };
        match items {
            None => objects.push(Object::new(node)),
            Some(Node::Seq(items)) => waiting.extend(checked(items)?),
            Some(items) if items.is_null() => {}
            Some(Node::Map(_)) => {
                return Err(Error::ItemsNotAList {
                    kind,
                    found: "map[string]interface {}",
                });
            }
            Some(Node::Scalar(_)) => {
                return Err(Error::ItemsNotAList {
                    kind,
                    found: "string",
                });
            }
        }
    }
    Ok(objects)
}

/// A file of definitions, which is read as JSON if it is some, and else as YAML.
///
/// # Errors
/// Neither JSON nor YAML.
pub(crate) fn json_or_yaml(bytes: &[u8]) -> Result<Value, yaml::Error> {
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(_) => yaml::parse(bytes),
    }
}

/// The documents of a stream that are not empty.
fn documents(bytes: &[u8]) -> Result<Vec<Node>, Error> {
    let text = String::from_utf8_lossy(bytes);
    let text = if text.contains("\r\n") {
        text.replace("\r\n", "\n").into()
    } else {
        text
    };
    let parts = split(&text)?;
    let single = parts.len() == 1;
    let mut nodes = Vec::new();
    for part in parts {
        let read = yaml::parse_nodes(part.as_bytes(), Schema::GoV3, &Limits::default());
        let read = read.map_err(|cause| Error::Malformed { file: None, cause })?;
        // As the decoder it stands for, only the first document of a part counts.
        let Some(mut node) = read.into_iter().next().filter(|node| !node.is_null()) else {
            continue;
        };
        let kind = node.get("kind").and_then(Node::as_text).unwrap_or_default();
        if single && matches!(kind, "List" | "ResourceList") && node.get("items").is_some() {
            if let Some(Node::Seq(items)) = node.as_map_mut().and_then(|map| map.remove("items")) {
                nodes.extend(items);
            }
            continue;
        }
        nodes.push(node);
    }
    Ok(nodes)
}

/// Splits at lines that begin with `---`; each part keeps its last newline.
fn split(text: &str) -> Result<Vec<&str>, Error> {
    let mut parts = Vec::new();
    let (mut start, mut from) = (0, 0);
    while let Some(at) = text[from..].find("\n---").map(|at| from + at) {
        let Some(end) = text[at + 1..].find('\n').map(|end| at + 1 + end) else {
            break;
        };
        let after = text[at + 4..end].trim();
        if !after.is_empty() && !after.starts_with('#') {
            return Err(Error::Separator {
                text: text[at..end].trim().to_string(),
            });
        }
        parts.push(&text[start..=at]);
        start = end + 1;
        from = end + 1;
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// Drops empty nodes and refuses what is no object.
fn checked(nodes: Vec<Node>) -> Result<Vec<Node>, Error> {
    let mut good = Vec::new();
    for node in nodes {
        let empty = match &node {
            Node::Scalar(scalar) => node.is_null() || scalar.text.is_empty(),
            Node::Map(map) => map.is_empty(),
            Node::Seq(items) => items.is_empty(),
        };
        if empty {
            continue;
        }
        check(&node)?;
        good.push(node);
    }
    Ok(good)
}

/// Refuses what has no kind, or no name where one is needed.
///
/// # Errors
/// As said, naming the object.
pub(crate) fn check(node: &Node) -> Result<(), Error> {
    let bad = |problem| {
        Err(Error::BadObject {
            problem,
            object: show(node),
        })
    };
    let kind = node.get("kind").and_then(Node::as_text).unwrap_or_default();
    let metadata = node.get("metadata").filter(|metadata| !metadata.is_null());
    let name = metadata
        .and_then(|metadata| metadata.get("name"))
        .and_then(Node::as_text)
        .unwrap_or_default();
    if node.as_map().is_none() || (kind.is_empty() && metadata.is_none() && node.get("apiVersion").is_none())
    {
        return bad("missing Resource metadata");
    }
    if kind.is_empty() {
        return bad("missing kind");
    }
    if name.is_empty() && !kind.ends_with("List") {
        return bad("missing metadata.name");
    }
    Ok(())
}

/// Kind and name; never more, because the object may be a Secret.
fn show(node: &Node) -> String {
    let text = |node: Option<&Node>| node.and_then(Node::as_text).unwrap_or("?").to_string();
    format!(
        "{}/{}",
        text(node.get("kind")),
        text(node.at(&["metadata", "name"]))
    )
}
