//! Lists that merge by keys. What is lost or reordered here is lost and reordered in kustomize.

use super::{Chosen, Directive, parse_directive};
use crate::schema::Schema;
use yaml::{Node, Scalar};

/// Merges a list of the patch into one of the object: items of the patch come first.
pub(super) fn merge(
    dest: &mut Vec<Node>,
    patch: &mut Vec<Node>,
    keys: &[String],
    items: Schema<'_>,
) -> Result<Chosen, String> {
    let directive = directive(patch)?;
    if directive == Directive::Delete {
        return Ok(Chosen::Neither);
    }
    let old = std::mem::take(if directive == Directive::Replace {
        patch
    } else {
        dest
    });
    let count = old.len();
    let mut work = Work {
        nodes: old,
        dest: (0..count).collect(),
        patch: None,
        keys,
        schema: items,
    };
    if directive == Directive::Merge {
        work.nodes.append(patch);
        work.patch = Some((count..work.nodes.len()).collect());
    } else {
        work.patch = Some(work.dest.clone());
    }
    let (result, chosen) = if directive == Directive::Replace {
        (patch, Chosen::Patch)
    } else {
        (dest, Chosen::Dest)
    };
    *result = work.run(directive == Directive::Replace)?;
    Ok(chosen)
}

/// A list of the patch for which the object has none.
pub(super) fn adopt(list: &mut Vec<Node>, keys: &[String], items: Schema<'_>) -> Result<(), String> {
    let nodes = std::mem::take(list);
    let all: Vec<usize> = (0..nodes.len()).collect();
    let work = Work {
        nodes,
        dest: all.clone(),
        patch: Some(all),
        keys,
        schema: items,
    };
    *list = work.run(true)?;
    Ok(())
}

/// A list of the object that the patch does not mention.
pub(super) fn keep(list: &mut Vec<Node>, keys: &[String], items: Schema<'_>) -> Result<bool, String> {
    let nodes = std::mem::take(list);
    let work = Work {
        dest: (0..nodes.len()).collect(),
        nodes,
        patch: None,
        keys,
        schema: items,
    };
    *list = work.run(false)?;
    Ok(true)
}

/// Lists as indices into one store, because items are shared between the lists and change in place.
struct Work<'a> {
    nodes: Vec<Node>,
    dest: Vec<usize>,
    patch: Option<Vec<usize>>,
    keys: &'a [String],
    schema: Schema<'a>,
}

impl Work<'_> {
    /// `shared`: the two lists are one, and what is taken from the one is gone from the other.
    fn run(mut self, shared: bool) -> Result<Vec<Node>, String> {
        let primitive = self.keys.is_empty();
        let keys: Vec<&str> = if primitive {
            vec![""]
        } else {
            self.keys.iter().map(String::as_str).collect()
        };
        let mut values = if primitive {
            self.texts()
        } else {
            self.values(&keys)
        };
        if keys.len() > 1 {
            fill_up(&mut values);
        }
        let mut added: Vec<usize> = Vec::new();
        let mut used = keys.clone();
        for value in &values {
            let (valid_keys, valid) = usable(&values, value, &keys);
            used.clone_from(&valid_keys);
            let one = std::slice::from_ref(value);
            let (own_keys, own) = usable(one, &valid, &valid_keys);
            let dest = self.find(&self.dest, &own_keys, &own);
            let patch = self
                .patch
                .as_ref()
                .and_then(|list| self.find(list, &own_keys, &own));
            let chosen = self.item(dest, patch)?.filter(|&at| !is_void(&self.nodes[at]));
            let Some(at) = chosen else {
                let mut left = std::mem::take(&mut self.dest);
                self.set(&mut left, None, &valid_keys, &valid)?;
                self.dest = left;
                if shared {
                    self.patch = Some(self.dest.clone());
                }
                continue;
            };
            for (key, value) in valid_keys
                .iter()
                .zip(&valid)
                .filter(|(key, value)| !key.is_empty() && !value.is_empty())
            {
                if let Node::Map(map) = &mut self.nodes[at]
                    && map.get(key).is_none()
                {
                    map.pairs.push((Scalar::string(*key), Node::Scalar(plain(value))));
                }
            }
            self.set(&mut added, Some(at), &valid_keys, &valid)?;
        }
        if !values.is_empty() {
            let rest = std::mem::take(&mut self.dest);
            self.append(&mut added, &rest, &used)?;
            self.dest = added;
        }
        let mut nodes: Vec<Option<Node>> = self.nodes.into_iter().map(Some).collect();
        let mut list = Vec::with_capacity(self.dest.len());
        for at in self.dest {
            // An item that stands in the list twice is the same node twice.
            let node = nodes[at].take().or_else(|| {
                list.iter()
                    .find(|(i, _)| *i == at)
                    .map(|(_, n): &(usize, Node)| n.clone())
            });
            list.extend(node.map(|node| (at, node)));
        }
        Ok(list.into_iter().map(|(_, node)| node).collect())
    }

    /// Merges an item of each list, if there is one; gives which node came out.
    fn item(&mut self, dest: Option<usize>, patch: Option<usize>) -> Result<Option<usize>, String> {
        let schema = self.schema;
        match (dest, patch) {
            (None, None) => Ok(None),
            (Some(at), Some(same)) if at == same => {
                Ok(super::adopt(&mut self.nodes[at], schema)?.then_some(at))
            }
            (Some(at), None) => Ok(super::keep(&mut self.nodes[at], schema)?.then_some(at)),
            (None, Some(at)) => Ok(super::adopt(&mut self.nodes[at], schema)?.then_some(at)),
            (Some(dest), Some(patch)) => {
                let mut new = std::mem::replace(&mut self.nodes[patch], Node::null());
                let chosen = super::merge(&mut self.nodes[dest], &mut new, schema);
                self.nodes[patch] = new;
                Ok(match chosen? {
                    Chosen::Dest => Some(dest),
                    Chosen::Patch => Some(patch),
                    Chosen::Neither => None,
                })
            }
        }
    }

    /// Puts the items of the object's list behind; one that is there already takes its place.
    fn append(&self, list: &mut Vec<usize>, rest: &[usize], keys: &[&str]) -> Result<(), String> {
        for &at in rest {
            if keys.first() == Some(&"") {
                self.set(list, Some(at), &[""], &[text(&self.nodes[at]).to_string()])?;
                continue;
            }
            let mut values = Vec::new();
            for key in keys {
                match self.nodes[at].get(key).filter(|value| !value.is_null()) {
                    Some(value) => values.push(text(value).to_string()),
                    None => list.push(at),
                }
            }
            if keys.len() > 1 {
                self.set(list, None, keys, &values)?;
            }
            self.set(list, Some(at), keys, &values)?;
        }
        Ok(())
    }

    /// Replaces every item that matches by `new`, or adds it; without `new` takes them away.
    fn set(
        &self,
        list: &mut Vec<usize>,
        new: Option<usize>,
        keys: &[&str],
        values: &[String],
    ) -> Result<(), String> {
        let for_maps =
            keys.first().is_some_and(|k| !k.is_empty()) && values.first().is_some_and(|v| !v.is_empty());
        let mut kept = Vec::with_capacity(list.len() + 1);
        let mut found = false;
        for at in std::mem::take(list) {
            let node = &self.nodes[at];
            if is_void(node) {
                continue;
            }
            if for_maps && !matches!(node, Node::Map(_)) {
                kept.push(at);
                continue;
            }
            if !matches(node, keys, values)? {
                if !values.is_empty() {
                    kept.push(at);
                }
                continue;
            }
            found = true;
            kept.extend(new);
        }
        if !found {
            kept.extend(new);
        }
        *list = kept;
        Ok(())
    }

    /// The first item with all these values.
    fn find(&self, list: &[usize], keys: &[&str], values: &[String]) -> Option<usize> {
        if keys.first() == Some(&"") {
            return list
                .iter()
                .copied()
                .find(|&at| Some(text(&self.nodes[at])) == values.first().map(String::as_str));
        }
        list.iter().copied().find(|&at| {
            keys.iter().zip(values).all(|(key, value)| {
                self.nodes[at]
                    .get(key)
                    .is_some_and(|field| !field.is_null() && text(field) == value)
            })
        })
    }

    /// The values of the keys in every item, patch first, each combination once.
    fn values(&self, keys: &[&str]) -> Vec<Vec<String>> {
        let value = |at: usize, key: &str| match self.nodes[at].get(key) {
            Some(value) if !value.is_null() => text(value).to_string(),
            _ => String::new(),
        };
        self.once(|at| keys.iter().map(|key| value(at, key)).collect())
    }

    /// The scalars of a list without keys, patch first, each once.
    fn texts(&self) -> Vec<Vec<String>> {
        self.once(|at| vec![text(&self.nodes[at]).to_string()])
    }

    fn once(&self, value: impl Fn(usize) -> Vec<String>) -> Vec<Vec<String>> {
        let mut seen = std::collections::HashSet::new();
        let all = self.patch.iter().flatten().chain(&self.dest);
        all.map(|&at| value(at))
            .filter(|value| seen.insert(value.clone()))
            .collect()
    }
}

/// Items that agree in one key and do not contradict in the others share what each lacks.
fn fill_up(values: &mut [Vec<String>]) {
    for i in 0..values.len() {
        for j in 0..values.len() {
            if let Some(both) = shared(&values[i], &values[j]) {
                values[i].clone_from(&both);
                values[j] = both;
            }
        }
    }
}

fn shared(a: &[String], b: &[String]) -> Option<Vec<String>> {
    let mut common = false;
    let mut both = Vec::new();
    for (a, b) in a.iter().zip(b) {
        if a == b {
            common = true;
        } else if !a.is_empty() && !b.is_empty() {
            return None;
        }
        both.push(if a.is_empty() { b.clone() } else { a.clone() });
    }
    common.then_some(both)
}

/// The keys that any item has a value for, and this item's values of them.
fn usable<'a>(all: &[Vec<String>], values: &[String], keys: &[&'a str]) -> (Vec<&'a str>, Vec<String>) {
    let has = |at: usize| {
        all.iter()
            .any(|values| values.get(at).is_some_and(|value| !value.is_empty()))
    };
    if !(0..keys.len()).any(has) {
        return (keys.to_vec(), values.to_vec());
    }
    let valid_keys = (0..keys.len()).filter(|&at| has(at)).map(|at| keys[at]).collect();
    let valid = values
        .iter()
        .enumerate()
        .filter(|&(at, value)| !value.is_empty() || has(at));
    (valid_keys, valid.map(|(_, value)| value.clone()).collect())
}

/// A key without a value here is as good as matched if an earlier one was; an empty value matches any.
fn matches(node: &Node, keys: &[&str], values: &[String]) -> Result<bool, String> {
    let mut last = false;
    for (at, key) in keys.iter().enumerate() {
        if let Some(value) = values.get(at) {
            last = if key.is_empty() {
                match node {
                    Node::Scalar(_) => text(node) == value,
                    Node::Map(_) | Node::Seq(_) => {
                        return Err("wrong node kind: expected ScalarNode".to_string());
                    }
                }
            } else {
                node.get(key)
                    .is_some_and(|field| value.is_empty() || text(field) == value)
            };
        }
        if !last {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The directive of a list: an item that has nothing but `$patch`. It is taken out.
pub(super) fn directive(list: &mut Vec<Node>) -> Result<Directive, String> {
    let only = list
        .iter()
        .find(|item| item.get("$patch").is_some_and(|value| !value.is_null()));
    let Some(value) = only.filter(|item| item.as_map().is_some_and(|map| map.pairs.len() == 1)) else {
        return Ok(Directive::Merge);
    };
    let word = value.get("$patch").map(text).unwrap_or_default().to_string();
    let directive = parse_directive(&word)?;
    list.retain(|item| item.get("$patch").map(text) != Some(word.as_str()) && !is_void(item));
    Ok(directive)
}

/// Null or an empty map: no item can be that.
fn is_void(node: &Node) -> bool {
    node.is_null() || node.as_map().is_some_and(yaml::Map::is_empty)
}

fn text(node: &Node) -> &str {
    node.as_scalar().map_or("", |scalar| scalar.text.as_str())
}

fn plain(text: &str) -> Scalar {
    Scalar {
        text: text.to_string(),
        tag: yaml::resolve(text, yaml::Schema::GoV3),
        style: yaml::Style::Plain,
    }
}
