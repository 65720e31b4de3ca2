//! PURE: what an object becomes when it is changed from the client's side: of what was said, what is said and what is live.
//!
//! As `kubectl apply` and Helm have it without server-side apply: what was said and is no longer goes, what is said is
//! set, all else stays as it is live. Lists of Kubernetes' own kinds whose items have a key are merged item by item
//! (`patchMergeKey` and `patchStrategy` in Kubernetes' API), so that a container that somebody else put beside ours stays.

use crate::{built_in::is_built_in, id::ObjectRef};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// How the lists and maps of an object merge.
#[derive(Debug, Clone, Copy)]
pub enum Shape<'a> {
    /// An object of one of Kubernetes' own kinds.
    Kind(&'a str),
    /// Any other object: lists are replaced as a whole.
    Plain,
}

/// How the value of one field merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Maps field by field, lists and scalars as a whole.
    Plain,
    /// A map of which, if anything in it changes, only the fields stay that are said.
    Retain,
    /// A list of maps, told apart by these fields. `retain`: its items are as [`Rule::Retain`].
    Keyed {
        keys: &'static [&'static str],
        retain: bool,
    },
    /// A list of scalars.
    Set,
}

impl<'a> Shape<'a> {
    /// That of an object; `None` for kinds that are not Kubernetes' own.
    pub fn of(object: &'a ObjectRef) -> Option<Self> {
        is_built_in(&object.group).then_some(Self::Kind(&object.kind))
    }

    /// How `field` merges of a map that stands in the field `parent` (empty for the object itself), or in a list there.
    fn rule(self, parent: &str, field: &str) -> Rule {
        let Self::Kind(kind) = self else {
            return Rule::Plain;
        };
        let by = |keys| Rule::Keyed { keys, retain: false };
        match (parent, field) {
            ("metadata", "finalizers") => Rule::Set,
            ("metadata", "ownerReferences") => by(&["uid"]),
            ("", "secrets" | "imagePullSecrets") if kind == "ServiceAccount" => by(&["name"]),
            ("", "conditions") if kind == "ComponentStatus" => by(&["type"]),
            ("", "webhooks") => by(&["name"]),
            ("webhooks" | "spec", "matchConditions") | ("spec", "variables") => by(&["name"]),
            ("spec", "strategy") if kind == "Deployment" => Rule::Retain,
            ("spec", "selector") if kind == "PodDisruptionBudget" => Rule::Retain,
            ("spec", "ports") if kind == "Service" => by(&["port", "protocol"]),
            (
                "spec",
                "containers"
                | "initContainers"
                | "ephemeralContainers"
                | "imagePullSecrets"
                | "schedulingGates"
                | "evictionResponders",
            ) => by(&["name"]),
            ("spec", "podCIDRs") if kind == "Node" => Rule::Set,
            ("spec", "drivers") if kind == "CSINode" => by(&["name"]),
            ("scheduling", "resourceClaims") => by(&["name"]),
            ("spec", "volumes" | "resourceClaims") => Rule::Keyed {
                keys: &["name"],
                retain: true,
            },
            ("spec", "hostAliases") => by(&["ip"]),
            ("spec", "topologySpreadConstraints") => by(&["topologyKey"]),
            ("containers" | "initContainers" | "ephemeralContainers", field) => match field {
                "env" => by(&["name"]),
                "ports" => by(&["containerPort", "protocol"]),
                "volumeMounts" => by(&["mountPath"]),
                "volumeDevices" => by(&["devicePath"]),
                _ => Rule::Plain,
            },
            _ => Rule::Plain,
        }
    }
}

/// What `live` becomes: without what only `before` says, with what `after` says.
pub fn merge(before: &Value, after: &Value, live: &Value, shape: Shape<'_>) -> Value {
    let place = Place { shape, parent: "" };
    place.value(before, after, live, Rule::Plain)
}

/// Where in an object we are.
#[derive(Clone, Copy)]
struct Place<'a> {
    shape: Shape<'a>,
    parent: &'a str,
}

impl Place<'_> {
    fn value(self, before: &Value, after: &Value, live: &Value, rule: Rule) -> Value {
        match (after, live) {
            (Value::Object(after), Value::Object(live)) => {
                let none = Map::new();
                let before = before.as_object().unwrap_or(&none);
                Value::Object(self.map(before, after, live, rule == Rule::Retain))
            }
            (Value::Array(after), Value::Array(live)) => {
                let before = before.as_array().map_or(&[][..], Vec::as_slice);
                Value::Array(self.list(before, after, live, rule))
            }
            _ => after.clone(),
        }
    }

    fn map(
        self,
        before: &Map<String, Value>,
        after: &Map<String, Value>,
        live: &Map<String, Value>,
        retain: bool,
    ) -> Map<String, Value> {
        let mut merged = live.clone();
        merged.retain(|key, _| after.contains_key(key) || !before.contains_key(key));
        for (key, said) in after {
            if said.is_null() {
                merged.remove(key);
                continue;
            }
            let below = Place { parent: key, ..self };
            let value = match live.get(key) {
                None => said.clone(),
                Some(found) => below.value(
                    before.get(key).unwrap_or(&Value::Null),
                    said,
                    found,
                    self.shape.rule(self.parent, key),
                ),
            };
            merged.insert(key.clone(), value);
        }
        if retain && merged != *live {
            merged.retain(|key, _| after.contains_key(key));
        }
        merged
    }

    fn list(self, before: &[Value], after: &[Value], live: &[Value], rule: Rule) -> Vec<Value> {
        let whole = || match covers_all(live, after) {
            true => live.to_vec(),
            false => after.to_vec(),
        };
        let (keys, retain) = match rule {
            Rule::Plain | Rule::Retain => return whole(),
            Rule::Set => (None, false),
            Rule::Keyed { keys, retain } => (Some(keys), retain),
        };
        let key = |item: &Value| match keys {
            None => Some(item.to_string()),
            Some(keys) => key(item, keys),
        };
        let (Some(were), Some(said), Some(found)) = (index(before, key), index(after, key), index(live, key))
        else {
            // A key that is missing, or there twice: Kubernetes could not merge that either.
            return whole();
        };
        let mut ours = Vec::with_capacity(after.len());
        for item in after {
            let at = key(item).unwrap_or_default();
            let value = match found.get(&at) {
                None => item.clone(),
                Some(&there) => {
                    let was = were.get(&at).map_or(&Value::Null, |&n| &before[n]);
                    let rule = if retain { Rule::Retain } else { Rule::Plain };
                    self.value(was, item, &live[there], rule)
                }
            };
            ours.push((found.get(&at).copied(), value));
        }
        let theirs = live.iter().enumerate().filter(|(_, item)| {
            let at = key(item).unwrap_or_default();
            !said.contains_key(&at) && !were.contains_key(&at)
        });
        in_order(ours, theirs.map(|(n, item)| (n, item.clone())).collect())
    }
}

/// Ours in the order in which they are said; those of others, which keep theirs, come before, unless one of ours stands
/// before them live. As Kubernetes orders what it merges.
fn in_order(ours: Vec<(Option<usize>, Value)>, theirs: Vec<(usize, Value)>) -> Vec<Value> {
    let mut merged = Vec::with_capacity(ours.len() + theirs.len());
    let mut theirs = theirs.into_iter().peekable();
    for (live, value) in ours {
        while let Some((_, other)) = theirs.next_if(|(at, _)| live.is_none_or(|live| live > *at)) {
            merged.push(other);
        }
        merged.push(value);
    }
    merged.extend(theirs.map(|(_, other)| other));
    merged
}

/// Where each key stands in a list; `None` if an item has none, or two have the same.
fn index(items: &[Value], key: impl Fn(&Value) -> Option<String>) -> Option<HashMap<String, usize>> {
    let mut at = HashMap::with_capacity(items.len());
    for (n, item) in items.iter().enumerate() {
        if at.insert(key(item)?, n).is_some() {
            return None;
        }
    }
    Some(at)
}

/// What tells an item of a list from the others. A protocol that is not said is TCP.
fn key(item: &Value, keys: &[&str]) -> Option<String> {
    let mut text = String::new();
    for &key in keys {
        match item.get(key) {
            Some(value) if !value.is_null() => text.push_str(&value.to_string()),
            _ if key == "protocol" => text.push_str("\"TCP\""),
            _ => return None,
        }
        text.push('\n');
    }
    Some(text)
}

/// Whether a live value has all that is said, with defaults filled in.
fn covers(live: &Value, said: &Value) -> bool {
    match (live, said) {
        (Value::Object(live), Value::Object(said)) => said.iter().all(|(key, value)| {
            live.get(key)
                .map_or(value.is_null(), |found| covers(found, value))
        }),
        (Value::Array(live), Value::Array(said)) => covers_all(live, said),
        (live, said) => live == said,
    }
}

fn covers_all(live: &[Value], said: &[Value]) -> bool {
    live.len() == said.len() && live.iter().zip(said).all(|(l, s)| covers(l, s))
}

#[cfg(test)]
mod tests;
