//! PURE: fields that may differ from the manifest without being corrected (`spec.ignore` of a Kustomization).

use crate::fields::Ownership;
use crds::meta::{IgnoreRule, Selector};
use select::{LabelSelector, Pattern, PatternError, SelectorError};
use serde_json::Value;
use std::fmt;
use thiserror::Error;

/// The rules of one owner.
#[derive(Debug, Clone, Default)]
pub struct IgnoreRules(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    pointers: Vec<Pointer>,
    target: Option<Target>,
}

/// Which objects a rule is about.
#[derive(Debug, Clone)]
struct Target {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    namespace: Pattern,
    name: Pattern,
    labels: LabelSelector,
    annotations: LabelSelector,
}

/// A place in an object (RFC 6901): its parts, unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

/// A rule that cannot be followed.
#[derive(Debug, Error)]
pub enum IgnoreError {
    /// A path is no JSON pointer into an object.
    #[error("{at}: '{path}' is no JSON pointer: it must begin with '/' and name a field")]
    Pointer {
        /// The field of the spec.
        at: String,
        /// The path.
        path: String,
    },
    /// A pattern of the target is no regular expression.
    #[error("{at}")]
    Pattern {
        /// The field of the spec.
        at: String,
        /// What is wrong.
        #[source]
        source: PatternError,
    },
    /// A selector of the target cannot be read.
    #[error("{at}")]
    Selector {
        /// The field of the spec.
        at: String,
        /// What is wrong.
        #[source]
        source: SelectorError,
    },
}

impl IgnoreRules {
    /// Reads the rules of a spec (Flux field `spec.ignore`).
    ///
    /// # Errors
    /// See [`IgnoreError`]; it names the field at fault.
    pub fn new(rules: &[IgnoreRule]) -> Result<Self, IgnoreError> {
        let rules = rules.iter().enumerate().map(|(n, rule)| {
            let pointers = rule.paths.iter().enumerate().map(|(m, path)| {
                Pointer::parse(path).ok_or_else(|| IgnoreError::Pointer {
                    at: format!("spec.ignore[{n}].paths[{m}]"),
                    path: path.clone(),
                })
            });
            Ok(Rule {
                pointers: pointers.collect::<Result<_, _>>()?,
                target: rule
                    .target
                    .as_ref()
                    .map(|target| Target::new(&format!("spec.ignore[{n}].target"), target))
                    .transpose()?,
            })
        });
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// The fields of an object that may differ.
    pub fn of(&self, object: &Value) -> Vec<Pointer> {
        let meant = |rule: &&Rule| rule.target.as_ref().is_none_or(|target| target.selects(object));
        let pointers = self.0.iter().filter(meant).flat_map(|rule| &rule.pointers);
        pointers.cloned().collect()
    }
}

impl Target {
    fn new(at: &str, selector: &Selector) -> Result<Self, IgnoreError> {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let pattern = |name: &str, field: &Option<String>| {
            Pattern::new(&text(field)).map_err(|source| IgnoreError::Pattern {
                at: format!("{at}.{name}"),
                source,
            })
        };
        let labels = |name: &str, field: &Option<String>| {
            LabelSelector::parse(&text(field)).map_err(|source| IgnoreError::Selector {
                at: format!("{at}.{name}"),
                source,
            })
        };
        Ok(Self {
            group: pattern("group", &selector.group)?,
            version: pattern("version", &selector.version)?,
            kind: pattern("kind", &selector.kind)?,
            namespace: pattern("namespace", &selector.namespace)?,
            name: pattern("name", &selector.name)?,
            labels: labels("labelSelector", &selector.label_selector)?,
            annotations: labels("annotationSelector", &selector.annotation_selector)?,
        })
    }

    fn selects(&self, object: &Value) -> bool {
        let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default();
        let api_version = text("/apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let all = |selector: &LabelSelector, map: &str| {
            let map = object.get("metadata").and_then(|meta| meta.get(map));
            selector.selects(|key| map.and_then(|map| map.get(key)).and_then(Value::as_str))
        };
        self.group.matches(group)
            && self.version.matches(version)
            && self.kind.matches(text("/kind"))
            && self.namespace.matches(text("/metadata/namespace"))
            && self.name.matches(text("/metadata/name"))
            && all(&self.labels, "labels")
            && all(&self.annotations, "annotations")
    }
}

impl Pointer {
    fn parse(path: &str) -> Option<Self> {
        let parts = path.strip_prefix('/').filter(|rest| !rest.is_empty())?.split('/');
        Some(Self(
            parts.map(|p| p.replace("~1", "/").replace("~0", "~")).collect(),
        ))
    }

    fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, part| child(value, part))
    }

    fn remove(&self, value: &mut Value) {
        let Some((last, parents)) = self.0.split_last() else {
            return;
        };
        match parents
            .iter()
            .try_fold(value, |value, part| child_mut(value, part))
        {
            Some(Value::Object(map)) => {
                map.shift_remove(last);
            }
            Some(Value::Array(items)) => {
                if let Some(at) = last.parse().ok().filter(|at| *at < items.len()) {
                    items.remove(at);
                }
            }
            _ => {}
        }
    }

    /// Sets a value, where the object that holds the field is there.
    fn set(&self, value: &mut Value, to: Value) {
        let Some((last, parents)) = self.0.split_last() else {
            return;
        };
        match parents
            .iter()
            .try_fold(value, |value, part| child_mut(value, part))
        {
            Some(Value::Object(map)) => {
                map.insert(last.clone(), to);
            }
            Some(Value::Array(items)) => {
                if let Some(item) = last.parse().ok().and_then(|at: usize| items.get_mut(at)) {
                    *item = to;
                }
            }
            _ => {}
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|part| write!(f, "/{}", part.replace('~', "~0").replace('/', "~1")))
    }
}

/// A manifest without the fields that may differ: what it asks for, so that a change of those alone is none.
pub fn without(manifest: &Value, pointers: &[Pointer]) -> Value {
    let mut rest = manifest.clone();
    pointers.iter().for_each(|pointer| pointer.remove(&mut rest));
    rest
}

/// Makes a manifest keep what the live object has in fields that may differ: a field that somebody else applies is left to
/// them, any other takes the live value, as Flux does.
pub fn yield_to(manifest: &mut Value, live: &Value, pointers: &[Pointer], ownership: &Ownership) {
    for pointer in pointers {
        let (ours, theirs) = (pointer.get(manifest), pointer.get(live).cloned());
        let asked = ours.is_some();
        if ours == theirs.as_ref() {
            continue;
        }
        match theirs {
            Some(theirs) if !applied_by_other(live, pointer, ownership) => {
                // A field that we never asked for stays whose it is, unless it would become ours and go.
                if asked || taken_over(live, pointer, ownership) {
                    pointer.set(manifest, theirs);
                }
            }
            _ => pointer.remove(manifest),
        }
    }
}

/// A live object that looks as if nobody owned the fields that may differ; its owners' fingerprint is that of the rest.
pub fn beside(live: &Value, pointers: &[Pointer]) -> Value {
    let mut rest = live.clone();
    let entries = rest
        .pointer_mut("/metadata/managedFields")
        .and_then(Value::as_array_mut);
    let Some(entries) = entries else { return rest };
    for entry in entries.iter_mut() {
        if let Some(fields) = entry.get_mut("fieldsV1") {
            for pointer in pointers {
                disown(fields, Some(live), &pointer.0);
            }
        }
    }
    entries.retain(|entry| {
        entry
            .get("fieldsV1")
            .and_then(Value::as_object)
            .is_none_or(|f| !f.is_empty())
    });
    rest
}

fn applied_by_other(live: &Value, pointer: &Pointer, ownership: &Ownership) -> bool {
    owners(live, pointer).any(|entry| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        text("operation") == "Apply" && text("manager") != ownership.manager && !ownership.takes_over(entry)
    })
}

fn taken_over(live: &Value, pointer: &Pointer, ownership: &Ownership) -> bool {
    owners(live, pointer).any(|entry| ownership.takes_over(entry))
}

fn owners<'l>(live: &'l Value, pointer: &'l Pointer) -> impl Iterator<Item = &'l Value> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().filter(move |entry| {
        let fields = entry.get("fieldsV1");
        fields.is_some_and(|fields| owned(fields, Some(live), &pointer.0))
    })
}

/// Whether a field set (`fieldsV1`) holds a place, or something in it.
fn owned(fields: &Value, live: Option<&Value>, parts: &[String]) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return true;
    };
    let Some(key) = key_of(fields, live, part) else {
        return false;
    };
    owned(&fields[&key], live.and_then(|l| child(l, part)), rest)
}

/// Takes a place out of a field set, and parents that hold nothing after that; tells whether it was in it.
fn disown(fields: &mut Value, live: Option<&Value>, parts: &[String]) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return false;
    };
    let Some(key) = key_of(fields, live, part) else {
        return false;
    };
    let Some(map) = fields.as_object_mut() else {
        return false;
    };
    if let Some(below) = map.get_mut(&key).filter(|_| !rest.is_empty()) {
        let found = disown(below, live.and_then(|l| child(l, part)), rest);
        if !found || below.as_object().is_some_and(|m| !m.is_empty()) {
            return found;
        }
    }
    map.shift_remove(&key);
    true
}

/// The key under which a field set holds a part: `f:name` in a map; in a list `k:{…}` or `v:…` of the item, or `i:n`.
fn key_of(fields: &Value, live: Option<&Value>, part: &str) -> Option<String> {
    let map = fields.as_object()?;
    let Some(Value::Array(items)) = live else {
        return Some(format!("f:{part}")).filter(|key| map.contains_key(key));
    };
    let item = items.get(part.parse::<usize>().ok()?)?;
    let holds = |key: &&String| match key.split_once(':') {
        Some(("k", keys)) => serde_json::from_str::<Value>(keys).is_ok_and(|keys| {
            let keys = keys.as_object();
            keys.is_some_and(|keys| keys.iter().all(|(k, v)| item.get(k) == Some(v)))
        }),
        Some(("v", value)) => serde_json::from_str::<Value>(value).is_ok_and(|value| *item == value),
        Some(("i", index)) => index == part,
        _ => false,
    };
    map.keys().find(holds).cloned()
}

fn child<'v>(value: &'v Value, part: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => map.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    }
}

fn child_mut<'v>(value: &'v mut Value, part: &str) -> Option<&'v mut Value> {
    match value {
        Value::Object(map) => map.get_mut(part),
        Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
