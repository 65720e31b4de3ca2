//! Which lists merge by which keys: Kubernetes 1.21 (`data/merge_keys.tsv`), and what `openapi` gives.

mod openapi;
mod state;

use std::collections::HashMap;
use std::sync::LazyLock;
use yaml::Node;

pub(crate) use state::SchemaState;

/// What is known about the shape of a node. No knowledge means that lists are replaced.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Schema<'s> {
    /// Where kinds and definitions are looked up, in this order.
    tables: [Option<&'s Table>; 2],
    /// The type of a map, or of the items of a list.
    definition: Option<&'s Definition>,
    /// Set on a list that merges: its keys, none for a list of scalars.
    merge_keys: Option<&'s [String]>,
}

/// Kinds and the definitions they refer to.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// `apiVersion` to kind to definition.
    roots: HashMap<String, HashMap<String, String>>,
    definitions: HashMap<String, Definition>,
}

/// A type: its fields, and what all others are like.
#[derive(Debug, Default)]
struct Definition {
    fields: HashMap<String, Field>,
    others: Option<Box<Field>>,
}

#[derive(Debug, Default)]
struct Field {
    definition: Option<Target>,
    merge_keys: Option<Vec<String>>,
}

#[derive(Debug)]
enum Target {
    Named(String),
    Inline(Definition),
}

impl<'s> Schema<'s> {
    /// The schema itself, or where there is none that of the object the node is, if its kind is known.
    pub(crate) fn or_of(self, node: &Node) -> Schema<'s> {
        if self.definition.is_some() || self.merge_keys.is_some() {
            return self;
        }
        let text = |key| node.get(key).and_then(Node::as_text);
        let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) else {
            return self;
        };
        let mut roots = self.tables.into_iter().flatten();
        let name = roots.find_map(|table| table.roots.get(api_version)?.get(kind));
        Schema {
            definition: name.and_then(|name| self.named(name)),
            merge_keys: None,
            ..self
        }
    }

    /// The schema of a field of a map.
    pub(crate) fn field(self, name: &str) -> Schema<'s> {
        let field = self
            .definition
            .and_then(|definition| definition.fields.get(name).or(definition.others.as_deref()));
        Schema {
            definition: match field.and_then(|field| field.definition.as_ref()) {
                Some(Target::Named(name)) => self.named(name),
                Some(Target::Inline(definition)) => Some(definition),
                None => None,
            },
            merge_keys: field.and_then(|field| field.merge_keys.as_deref()),
            ..self
        }
    }

    /// The schema of a list's items.
    pub(crate) fn items(self) -> Schema<'s> {
        Schema {
            merge_keys: None,
            ..self
        }
    }

    /// The keys by which a list merges; `Some` and empty for a list of scalars, none if it is replaced.
    pub(crate) fn merge_keys(self) -> Option<&'s [String]> {
        self.merge_keys
    }

    fn named(self, name: &str) -> Option<&'s Definition> {
        let mut tables = self.tables.into_iter().flatten();
        tables.find_map(|table| table.definitions.get(name))
    }
}

/// Kubernetes 1.21.
static BUILTIN: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    for line in include_str!("data/merge_keys.tsv").lines() {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["G", api_version, kind, definition] => {
                let kinds = table.roots.entry(api_version.to_string()).or_default();
                kinds.insert(kind.to_string(), definition.to_string());
            }
            ["F", owner, name, definition, list, strategy, keys] => {
                let merges = list == "1" && merges(strategy);
                let keys = || {
                    keys.split(',')
                        .filter(|key| !key.is_empty())
                        .map(str::to_string)
                        .collect()
                };
                let field = Field {
                    definition: Some(definition)
                        .filter(|&name| name != "-")
                        .map(|name| Target::Named(name.to_string())),
                    merge_keys: merges.then(keys),
                };
                let definition = table.definitions.entry(owner.to_string()).or_default();
                definition.fields.insert(name.to_string(), field);
            }
            _ => {}
        }
    }
    table
});

/// True for a strategy such as `merge,retainKeys`.
fn merges(strategy: &str) -> bool {
    strategy.split(',').any(|word| word == "merge")
}
