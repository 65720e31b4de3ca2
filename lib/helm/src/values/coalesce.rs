//! How a chart's defaults, its parent's values and the user's become one, with Helm's rules for null and `global`.
//!
//! The maps are shared as Helm shares them: what is copied here and what is not, decides what templates see.

use crate::dependencies::Node;
use crate::template::print::to_string;
use crate::template::quote::quote;
use crate::template::value::{List, Map, MapKind, Text, Value};
use std::collections::BTreeSet;
use std::rc::Rc;

/// What Helm writes to its log.
pub(crate) type Warnings = Vec<String>;

/// The user's values over the chart's: with `merge`, nulls are kept for a later step.
pub(crate) fn values(
    node: &Node<'_>,
    given: &Map,
    merge: bool,
    warnings: &mut Warnings,
) -> Result<Rc<Map>, String> {
    let copied = copy_map(given);
    coalesce(node, &copied, "", merge, warnings)?;
    Ok(copied)
}

fn coalesce(
    node: &Node<'_>,
    dest: &Rc<Map>,
    prefix: &str,
    merge: bool,
    warnings: &mut Warnings,
) -> Result<(), String> {
    defaults(node, dest, prefix, merge, warnings);
    for dependency in &node.dependencies {
        let name = dependency.name();
        let section = match dest.get(name.as_bytes()) {
            None => {
                let map = Map::new(MapKind::Any, Default::default());
                dest.set(Text::from(name), Value::Map(map.clone()));
                map
            }
            Some(Value::Map(map)) => map,
            Some(other) => {
                let shown = crate::template::print::sprintf(b"%t", &[other]).unwrap_or_default();
                let shown = String::from_utf8_lossy(&shown);
                return Err(format!("type mismatch on {name}: {shown}"));
            }
        };
        let inner = joined(prefix, node.name());
        globals(&section, dest, &inner, warnings);
        coalesce(dependency, &section, &inner, merge, warnings)?;
    }
    Ok(())
}

/// Copies the parent's globals into a dependency's; the parent's win.
fn globals(dest: &Map, source: &Map, prefix: &str, warnings: &mut Warnings) {
    let empty = || Map::new(MapKind::Any, Default::default());
    let target = match dest.get(b"global") {
        None => empty(),
        Some(Value::Map(map)) => map,
        Some(_) => {
            warnings.push("warning: skipping globals because destination global is not a table.".into());
            return;
        }
    };
    let parents = match source.get(b"global") {
        None => empty(),
        Some(Value::Map(map)) => map,
        Some(_) => {
            warnings.push("warning: skipping globals because source global is not a table.".into());
            return;
        }
    };
    for (key, value) in parents.pairs() {
        let known = target.get(key.bytes());
        match (&value, &known) {
            (Value::Map(map), None) => target.set(key, Value::Map(shallow(map))),
            (Value::Map(map), Some(Value::Map(own))) => {
                let merged = shallow(map);
                tables(&merged, own, &joined(prefix, &key.text()), true, warnings);
                target.set(key, Value::Map(merged));
            }
            (Value::Map(_), Some(_)) => warnings.push(format!(
                "Conflict: cannot merge map onto non-map for {}. Skipping.",
                quote(key.bytes())
            )),
            (_, Some(Value::Map(_))) => warnings.push(format!("key {} is table. Skipping", key.text())),
            _ => target.set(key, value),
        }
    }
    dest.set(Text::from("global"), Value::Map(target));
}

/// The chart's own defaults under what is there.
fn defaults(node: &Node<'_>, dest: &Rc<Map>, prefix: &str, merge: bool, warnings: &mut Warnings) {
    let prefix = joined(prefix, node.name());
    for (key, value) in copy_map(&node.values).pairs() {
        match dest.get(key.bytes()) {
            Some(given) if given.is_nil() && !merge => dest.remove(key.bytes()),
            Some(Value::Map(given)) => match &value {
                Value::Map(default) => {
                    let of_dependency = node.dependencies.iter().any(|d| d.name() == key.text());
                    let merge = merge || of_dependency;
                    if !merge {
                        remove_nils(default);
                    }
                    tables(&given, default, &joined(&prefix, &key.text()), merge, warnings);
                }
                other if !other.is_nil() => warnings.push(format!(
                    "warning: skipped value for {prefix}.{}: Not a table.",
                    key.text()
                )),
                _ => {}
            },
            Some(_) => {}
            None => {
                if !merge {
                    if value.is_nil() {
                        continue;
                    }
                    if let Value::Map(default) = &value {
                        remove_nils(default);
                    }
                }
                dest.set(key, value);
            }
        }
    }
}

/// What `source` has and `dest` has not, at any depth. `source` is changed on the way, as in Helm.
pub(crate) fn tables(dest: &Rc<Map>, source: &Rc<Map>, prefix: &str, merge: bool, warnings: &mut Warnings) {
    if dest.same(source) {
        return;
    }
    let set_before: BTreeSet<Text> = source
        .pairs()
        .into_iter()
        .filter(|(_, value)| !value.is_nil())
        .map(|(key, _)| key)
        .collect();
    for (key, value) in dest.pairs() {
        if value.is_nil() {
            source.set(key, Value::Nil);
        }
    }
    for (key, value) in source.pairs() {
        let full = || joined(prefix, &key.text());
        match (dest.get(key.bytes()), &value) {
            (Some(given), _) if given.is_nil() && !merge && set_before.contains(&key) => {
                dest.remove(key.bytes())
            }
            (None, _) => dest.set(key, value),
            (Some(Value::Map(given)), Value::Map(default)) => {
                tables(&given, default, &full(), merge, warnings)
            }
            (Some(_), Value::Map(_)) => warnings.push(format!(
                "warning: cannot overwrite table with non table for {} ({})",
                full(),
                to_string(&value)
            )),
            (Some(Value::Map(_)), other) if !other.is_nil() => warnings.push(format!(
                "warning: destination for {} is a table. Ignoring non-table value ({})",
                full(),
                to_string(&value)
            )),
            _ => {}
        }
    }
}

fn remove_nils(map: &Map) {
    for (key, value) in map.pairs() {
        match value {
            Value::Nil | Value::NilInterface => map.remove(key.bytes()),
            Value::Map(inner) => remove_nils(&inner),
            _ => {}
        }
    }
}

fn shallow(map: &Map) -> Rc<Map> {
    Map::new(MapKind::Any, map.entries.borrow().clone())
}

/// A copy that shares nothing.
pub(crate) fn copy_map(map: &Map) -> Rc<Map> {
    let entries = map
        .pairs()
        .into_iter()
        .map(|(key, value)| (key, copy(&value)))
        .collect();
    Map::new(MapKind::Any, entries)
}

fn copy(value: &Value) -> Value {
    match value {
        Value::Map(map) => Value::Map(copy_map(map)),
        Value::List(list) => List::of(list.kind, list.items.iter().map(copy).collect()),
        other => other.clone(),
    }
}

fn joined(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_string()
    } else {
        format!("{prefix}.{key}")
    }
}
