//! Follows renamed objects: whoever mentions one by its old name gets the new one.

use super::at;
use crate::Error;
use crate::config::NameReference;
use crate::fieldspec::{Create, FieldSpec};
use crate::id::{Gvk, Id};
use crate::object::Object;
use crate::objects::Objects;
use std::collections::HashMap;
use yaml::{Node, Style};

/// Rewrites every reference of the table `references`.
///
/// # Errors
/// A reference that could mean several objects; a field of the table with the wrong shape.
pub(crate) fn apply(objects: &mut Objects, references: &[NameReference]) -> Result<(), Error> {
    let targets = Targets::new(objects.list());
    let mut specs: HashMap<Gvk, Vec<&NameReference>> = HashMap::new();
    for object in objects.list_mut() {
        let original = object.original_id().gvk;
        let references = specs.entry(original).or_insert_with_key(|gvk| {
            references
                .iter()
                .filter(|r| gvk.is_selected(&r.referrer.gvk))
                .collect()
        });
        if references.is_empty() {
            continue;
        }
        let referrer = Referrer::new(object);
        for reference in &*references {
            let role = role_ref(object, &reference.referrer);
            let search = Search {
                targets: &targets,
                referrer: &referrer,
                reference,
                role,
            };
            let mut ambiguous = None;
            let done = at(object, &reference.referrer, Create::Nothing, &mut |node| {
                search.set(node, &mut ambiguous)
            });
            if let Some(candidates) = ambiguous {
                let (path, id) = (reference.referrer.path.clone(), referrer.id.to_string());
                return Err(Error::AmbiguousReference { path, id, candidates });
            }
            done.map_err(|error| Error::Reference {
                path: reference.referrer.path.clone(),
                id: referrer.id.to_string(),
                problem: Box::new(error),
            })?;
        }
    }
    Ok(())
}

/// What can be referred to, by the names it had.
struct Targets {
    all: Vec<Target>,
    by_past_name: HashMap<String, Vec<usize>>,
    /// Ids of all objects, renamed or not, by the namespace they came from.
    by_original_namespace: HashMap<String, Vec<Id>>,
}

struct Target {
    id: Id,
    original_namespace: String,
    past: Vec<Id>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

impl Targets {
    fn new(objects: &[Object]) -> Targets {
        let mut by_past_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut by_original_namespace: HashMap<String, Vec<Id>> = HashMap::new();
        for object in objects {
            let namespace = object.original_id().effective_namespace().to_string();
            by_original_namespace
                .entry(namespace)
                .or_default()
                .push(object.id());
        }
        let mut all = Vec::new();
        for object in objects.iter().filter(|object| !object.past.is_empty()) {
            for past in &object.past {
                let known = by_past_name.entry(past.name.clone()).or_default();
                if known.last() != Some(&all.len()) {
                    known.push(all.len());
                }
            }
            all.push(Target {
                id: object.id(),
                original_namespace: object.original_id().effective_namespace().to_string(),
                past: object.past.iter().map(|past| object.past_id(past)).collect(),
                prefixes: object.prefixes.clone(),
                suffixes: object.suffixes.clone(),
            });
        }
        Targets {
            all,
            by_past_name,
            by_original_namespace,
        }
    }
}

/// Who refers, and from where.
struct Referrer {
    id: Id,
    /// Namespaces of the service accounts that a role binding names.
    subject_namespaces: Vec<String>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

impl Referrer {
    fn new(object: &Object) -> Referrer {
        let mut subject_namespaces = Vec::new();
        if object.kind() == "RoleBinding"
            && let Some(subjects) = object.node.get("subjects").and_then(Node::as_seq)
        {
            for subject in subjects {
                if subject.get("kind").and_then(Node::as_text) == Some("ServiceAccount") {
                    subject_namespaces.extend(
                        subject
                            .get("namespace")
                            .and_then(Node::as_text)
                            .map(str::to_string),
                    );
                }
            }
        }
        Referrer {
            id: object.id(),
            subject_namespaces,
            prefixes: object.prefixes.clone(),
            suffixes: object.suffixes.clone(),
        }
    }

    /// Whether an object there may be meant at all.
    fn can_see(&self, target: &Id) -> bool {
        self.id.gvk.is_cluster_scoped()
            || target.gvk.is_cluster_scoped()
            || self.id.effective_namespace() == target.effective_namespace()
            || self.subject_namespaces.contains(&target.namespace)
    }

    /// Whether an object there may be meant by a name without a namespace. Service accounts may be elsewhere.
    fn can_name(&self, target: &Id) -> bool {
        self.id.gvk.is_cluster_scoped()
            || target.gvk.is_cluster_scoped()
            || target.gvk.kind == "ServiceAccount"
            || self.id.effective_namespace() == target.effective_namespace()
    }
}

/// A name in the place of another is written as that was: without quotes, what it is is up to itself.
fn rename(node: &mut Node, name: &str) {
    match node {
        Node::Scalar(scalar) if scalar.style == Style::Plain => *scalar = super::bare_key(name),
        other => super::set_string(other, name),
    }
}

/// One reference field of one object.
struct Search<'a> {
    targets: &'a Targets,
    referrer: &'a Referrer,
    reference: &'a NameReference,
    /// For `roleRef/name`: the group and kind that stand beside it.
    role: Option<Gvk>,
}

impl Search<'_> {
    fn set(&self, node: &mut Node, ambiguous: &mut Option<String>) -> Result<(), String> {
        match node {
            node if node.is_null() => Ok(()),
            Node::Scalar(_) => self.set_name(node, ambiguous),
            Node::Map(_) => self.set_map(node, ambiguous),
            Node::Seq(items) => items.iter_mut().try_for_each(|item| match item {
                Node::Scalar(_) => self.set_name(item, ambiguous),
                Node::Map(_) => self.set_map(item, ambiguous),
                Node::Seq(_) => Err("node must be a scalar, sequence or map".to_string()),
            }),
        }
    }

    fn set_name(&self, node: &mut Node, ambiguous: &mut Option<String>) -> Result<(), String> {
        let Some(old) = node.as_text() else {
            return Ok(());
        };
        if let Some(target) = self.select(old, None, false, ambiguous)?
            && target.id.name != old
        {
            rename(node, &target.id.name);
        }
        Ok(())
    }

    /// A map names its target by `name` and maybe `namespace`; both are kept up to date.
    fn set_map(&self, node: &mut Node, ambiguous: &mut Option<String>) -> Result<(), String> {
        let Some(map) = node.as_map_mut() else {
            return Err("expect a mapping node".to_string());
        };
        let Some(name) = map.get("name") else {
            return Err("path config error; no 'name' field in node".to_string());
        };
        let Some(old) = name.as_text() else {
            return Ok(());
        };
        let namespace = map
            .get("namespace")
            .and_then(Node::as_scalar)
            .map(|scalar| scalar.text.as_str());
        let Some(target) = self.select(old, namespace, true, ambiguous)? else {
            return Ok(());
        };
        if target.id.name == old && target.id.namespace.is_empty() {
            return Ok(());
        }
        map.set("name", Node::string(&target.id.name));
        // An empty namespace is "not said", and must not replace what is said.
        if !target.id.namespace.is_empty() {
            map.set("namespace", Node::string(&target.id.namespace));
        }
        Ok(())
    }

    /// The object meant by `name`: narrowed by kind, namespace, and at last by who shares prefixes and suffixes.
    fn select(
        &self,
        name: &str,
        namespace: Option<&str>,
        whole: bool,
        ambiguous: &mut Option<String>,
    ) -> Result<Option<&Target>, String> {
        let Some(named) = self.targets.by_past_name.get(name) else {
            return Ok(None);
        };
        let visible = |target: &&Target| self.referrer.can_see(&target.id);
        let mut found: Vec<&Target> = named
            .iter()
            .map(|&at| &self.targets.all[at])
            .filter(visible)
            .collect();
        if let Some(namespace) = namespace {
            self.keep_namespace(&mut found, namespace);
        }
        found.retain(|target| {
            let past = |gvk: &Gvk| target.past.iter().any(|id| id.gvk.is_selected(gvk));
            past(&self.reference.target)
                && self.role.as_ref().is_none_or(past)
                && self.referrer.can_name(&target.id)
        });
        if let [one] = found[..] {
            return Ok(Some(one));
        }
        found.retain(|target| self.shares_affixes(target, true));
        if found.len() > 1 {
            found.retain(|target| self.shares_affixes(target, false));
        }
        let Some(first) = found.first().copied() else {
            return Ok(None);
        };
        let same = |target: &&Target| {
            target.id.name == first.id.name && (!whole || target.id.namespace == first.id.namespace)
        };
        if found.iter().all(same) {
            return Ok(Some(first));
        }
        *ambiguous = Some(
            found
                .iter()
                .map(|target| target.id.to_string())
                .collect::<Vec<_>>()
                .join(", "),
        );
        Err(String::new())
    }

    /// By the namespace objects came from, if any came from there; else by where they are.
    fn keep_namespace(&self, found: &mut Vec<&Target>, namespace: &str) {
        let cluster = |target: &Target| target.id.gvk.is_cluster_scoped();
        let original = |target: &Target| !cluster(target) && target.original_namespace == namespace;
        let current = |target: &Target| !cluster(target) && target.id.effective_namespace() == namespace;
        let came_from = self
            .targets
            .by_original_namespace
            .get(namespace)
            .is_some_and(|ids| ids.iter().any(|id| self.referrer.can_see(id)));
        found.retain(|target| {
            if came_from {
                original(target)
            } else {
                current(target)
            }
        });
    }

    fn shares_affixes(&self, target: &Target, empty_matches: bool) -> bool {
        let pair = |a: &[String], b: &[String]| {
            let either_empty = a.is_empty() || b.is_empty();
            if either_empty {
                empty_matches || a.len() == b.len()
            } else {
                a.ends_with(b) || b.ends_with(a)
            }
        };
        pair(&target.prefixes, &self.referrer.prefixes) && pair(&target.suffixes, &self.referrer.suffixes)
    }
}

/// The `apiGroup` and `kind` beside a `roleRef/name`, if both are there.
fn role_ref(object: &Object, spec: &FieldSpec) -> Option<Gvk> {
    if !spec.path.ends_with("roleRef/name") {
        return None;
    }
    let role = object.node.get("roleRef")?;
    let group = role.get("apiGroup")?.as_scalar()?.text.clone();
    let kind = role.get("kind")?.as_scalar()?.text.clone();
    Some(Gvk {
        group,
        version: String::new(),
        kind,
    })
}
