//! `images`: other names, tags and digests for container images.

use super::{at, selected, set_string};
use crate::Error;
use crate::fieldspec::{Create, FieldSpec};
use crate::kustomization::Image;
use crate::objects::Objects;
use regex::Regex;
use yaml::Node;

/// Rewrites the images that match the entry's name, first in every `containers` and `initContainers` list, then in
/// the fields of the table.
///
/// # Errors
/// A name that, taken as a pattern, is none; a table field in the way is no list or map.
pub(crate) fn apply(objects: &mut Objects, image: &Image, specs: &[FieldSpec]) -> Result<(), Error> {
    // kustomize takes the name for part of a regular expression, and people rely on `my/.*`.
    let pattern = format!(
        r"^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$",
        image.name
    );
    let matcher = Regex::new(&pattern).map_err(|e| Error::Pattern {
        pattern: image.name.clone(),
        problem: e.to_string(),
    })?;
    for object in objects.list_mut() {
        if object.kind() == "CustomResourceDefinition" {
            continue;
        }
        walk(&mut object.node, image, &matcher);
        for spec in selected(object, specs) {
            at(object, spec, Create::Nothing, &mut |node| match node {
                Node::Scalar(_) => {
                    rewrite(node, image, &matcher);
                    Ok(())
                }
                Node::Map(_) | Node::Seq(_) => Err("wrong node kind: expected ScalarNode".to_string()),
            })?;
        }
    }
    Ok(())
}

fn walk(node: &mut Node, image: &Image, matcher: &Regex) {
    match node {
        Node::Scalar(_) => {}
        Node::Seq(items) => items.iter_mut().for_each(|item| walk(item, image, matcher)),
        Node::Map(map) => {
            for (key, value) in &mut map.pairs {
                walk(value, image, matcher);
                if !matches!(key.text.as_str(), "containers" | "initContainers") {
                    continue;
                }
                let Node::Seq(containers) = value else {
                    continue;
                };
                for field in containers
                    .iter_mut()
                    .filter_map(|container| container.get_mut("image"))
                {
                    rewrite(field, image, matcher);
                }
            }
        }
    }
}

fn rewrite(field: &mut Node, image: &Image, matcher: &Regex) {
    let Some(old) = field.as_text().filter(|old| matcher.is_match(old)) else {
        return;
    };
    let (name, tag, digest) = split(old);
    let name = if image.new_name.is_empty() {
        name
    } else {
        &image.new_name
    };
    let mut new = name.to_string();
    let (tag, digest) = match (
        image.new_tag.as_str(),
        image.digest.as_str(),
        image.tag_suffix.as_str(),
    ) {
        ("", "", "") => (tag.to_string(), digest),
        ("", "", suffix) => (format!("{tag}{suffix}"), ""),
        ("", digest, _) => (String::new(), digest),
        (tag, digest, _) => (tag.to_string(), digest),
    };
    if !tag.is_empty() {
        new.push(':');
        new.push_str(&tag);
    }
    if !digest.is_empty() {
        new.push('@');
        new.push_str(digest);
    }
    set_string(field, &new);
}

/// Name, tag and digest. A colon before the first slash belongs to the registry's port.
fn split(image: &str) -> (&str, &str, &str) {
    let host = image.find('/').unwrap_or(0);
    let at = image[host..].find('@').map(|at| at + host);
    let colon = image[host..].find(':').map(|at| at + host);
    match (colon, at) {
        (None, None) => (image, "", ""),
        (Some(colon), None) => (&image[..colon], &image[colon + 1..], ""),
        (Some(colon), Some(at)) if colon < at => (&image[..colon], &image[colon + 1..at], &image[at + 1..]),
        (_, Some(at)) => (&image[..at], "", &image[at + 1..]),
    }
}
