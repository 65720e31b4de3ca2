//! Which of a chart's dependencies take part, under which names, and what values they give to their parents.

use crate::chart::{Chart, Metadata};
use crate::template::print::to_string;
use crate::template::value::{Map, MapKind, Text, Value};
use crate::values::coalesce::{self, Warnings};
use crate::values::to_value;
use std::collections::BTreeSet;
use std::rc::Rc;
use versions::{Range, Version};

/// A chart as it takes part in a rendering: under its alias, with the dependencies that are on.
pub(crate) struct Node<'c> {
    pub chart: &'c Chart,
    pub metadata: Metadata,
    pub values: Rc<Map>,
    pub dependencies: Vec<Node<'c>>,
}

impl<'c> Node<'c> {
    pub fn new(chart: &'c Chart) -> Node<'c> {
        let entries = chart
            .values
            .iter()
            .map(|(key, value)| (Text::from(key.as_str()), crate::funcs::encoding::from_json(value)))
            .collect();
        Node {
            chart,
            metadata: chart.metadata.clone(),
            values: Map::new(MapKind::Any, entries),
            dependencies: chart.dependencies.iter().map(Node::new).collect(),
        }
    }

    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    fn copy(&self) -> Node<'c> {
        Node {
            chart: self.chart,
            metadata: self.metadata.clone(),
            values: self.values.clone(),
            dependencies: self.dependencies.iter().map(Node::copy).collect(),
        }
    }
}

/// Decides on every dependency below `node` and imports values.
pub(crate) fn process(node: &mut Node<'_>, given: &Map, warnings: &mut Warnings) -> Result<(), String> {
    enable(node, given, "", warnings)?;
    import(node, warnings)
}

/// Whether a version satisfies a constraint; text that is neither does not.
pub(crate) fn is_compatible(constraint: &str, version: &str) -> bool {
    match (Range::parse(constraint), Version::parse(version)) {
        (Ok(range), Ok(version)) => range.admits(&version),
        _ => false,
    }
}

fn enable(node: &mut Node<'_>, given: &Map, path: &str, warnings: &mut Warnings) -> Result<(), String> {
    if node.metadata.dependencies.is_empty() {
        return Ok(());
    }
    let existing = std::mem::take(&mut node.dependencies);
    let wanted = &mut node.metadata.dependencies;
    let mut chosen: Vec<Node<'_>> = Vec::new();
    for dependency in &existing {
        let named = wanted.iter().any(|request| {
            dependency.name() == request.name && is_compatible(&request.version, &dependency.metadata.version)
        });
        if !named {
            chosen.push(dependency.copy());
        }
    }
    for request in wanted.iter_mut() {
        let found = existing.iter().find(|dependency| {
            dependency.name() == request.name && is_compatible(&request.version, &dependency.metadata.version)
        });
        if let Some(found) = found {
            let mut copy = found.copy();
            if !request.alias.is_empty() {
                copy.metadata.name.clone_from(&request.alias);
            }
            chosen.push(copy);
        }
        if !request.alias.is_empty() {
            request.name.clone_from(&request.alias);
        }
        request.enabled = true;
    }
    node.dependencies = chosen;
    let values = coalesce::values(node, given, false, warnings)?;
    tags(node, &values);
    conditions(node, &values, path);
    let off: BTreeSet<String> = node
        .metadata
        .dependencies
        .iter()
        .filter(|request| !request.enabled)
        .map(|request| request.name.clone())
        .collect();
    node.dependencies
        .retain(|dependency| !off.contains(dependency.name()));
    node.metadata
        .dependencies
        .retain(|request| !off.contains(&request.name));
    for dependency in &mut node.dependencies {
        let path = format!("{path}{}.", dependency.name());
        enable(dependency, &values, &path, warnings)?;
    }
    Ok(())
}

fn tags(node: &mut Node<'_>, values: &Map) {
    let Some(Value::Map(tags)) = values.get(b"tags") else {
        return;
    };
    for request in &mut node.metadata.dependencies {
        let states: Vec<bool> = request
            .tags
            .iter()
            .filter_map(|tag| match tags.get(tag.as_bytes()) {
                Some(Value::Bool(on)) => Some(on),
                _ => None,
            })
            .collect();
        request.enabled = states.is_empty() || states.contains(&true);
    }
}

fn conditions(node: &mut Node<'_>, values: &Map, path: &str) {
    for request in &mut node.metadata.dependencies {
        let decided = request
            .condition
            .trim()
            .split(',')
            .filter(|condition| !condition.is_empty())
            .find_map(|condition| match lookup(values, &format!("{path}{condition}")) {
                Some(Value::Bool(on)) => Some(on),
                _ => None,
            });
        if let Some(on) = decided {
            request.enabled = on;
        }
    }
}

/// The value at a path of names with dots.
fn lookup(values: &Map, path: &str) -> Option<Value> {
    let mut parts = path.split('.');
    let mut at = values.get(parts.next()?.as_bytes())?;
    for part in parts {
        at = at.as_map()?.get(part.as_bytes())?;
    }
    Some(at)
}

fn import(node: &mut Node<'_>, warnings: &mut Warnings) -> Result<(), String> {
    for dependency in &mut node.dependencies {
        import(dependency, warnings)?;
    }
    if node.metadata.dependencies.is_empty() {
        return Ok(());
    }
    let empty = Map::new(MapKind::Any, Default::default());
    let values = coalesce::values(node, &empty, true, warnings)?;
    let imported = Map::new(MapKind::Any, Default::default());
    for request in &mut node.metadata.dependencies {
        let mut done = Vec::new();
        for import in &request.import_values {
            let (child, parent) = match import {
                serde_json::Value::String(name) => (format!("exports.{name}"), ".".to_string()),
                serde_json::Value::Object(map) => {
                    let text = |key: &str| match map.get(key) {
                        Some(value) => to_string(&to_value(value)),
                        None => "<nil>".to_string(),
                    };
                    (text("child"), text("parent"))
                }
                _ => continue,
            };
            done.push(serde_json::json!({"child": child, "parent": parent}));
            let Some(Value::Map(table)) = lookup(&values, &format!("{}.{child}", request.name)) else {
                continue;
            };
            let placed = if parent == "." {
                table
            } else {
                parent.split('.').rev().fold(table, |inner, name| {
                    let entries = [(Text::from(name), Value::Map(inner))].into_iter().collect();
                    Map::new(MapKind::Any, entries)
                })
            };
            coalesce::tables(&imported, &placed, "", true, warnings);
        }
        request.import_values = done;
    }
    let copied = coalesce::copy_map(&values);
    coalesce::tables(&copied, &imported, "", true, warnings);
    node.values = copied;
    Ok(())
}
