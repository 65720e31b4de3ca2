//! Which lists merge by which keys: Kubernetes 1.21, read once from `data/merge_keys.tsv`.

use std::collections::HashMap;
use std::sync::LazyLock;
use yaml::Node;

/// What is known about the shape of a node. No knowledge means that lists are replaced.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Schema {
    /// The type of a map, or of the items of a list.
    definition: Option<&'static Definition>,
    /// Set on a list that merges: its keys, none for a list of scalars.
    merge_keys: Option<&'static [&'static str]>,
}

#[derive(Debug, Default)]
struct Definition {
    fields: HashMap<&'static str, Field>,
}

#[derive(Debug)]
struct Field {
    definition: Option<&'static str>,
    merge_keys: Option<Vec<&'static str>>,
}

#[derive(Debug, Default)]
struct Table {
    /// `apiVersion` and kind to definition.
    roots: HashMap<(&'static str, &'static str), &'static str>,
    definitions: HashMap<&'static str, Definition>,
}

impl Schema {
    /// The schema itself, or where there is none that of the object the node is, if its kind is known.
    pub(crate) fn or_of(self, node: &Node) -> Schema {
        if self.definition.is_some() || self.merge_keys.is_some() {
            return self;
        }
        let text = |key| node.get(key).and_then(Node::as_text);
        let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) else {
            return self;
        };
        let definition = TABLE
            .roots
            .get(&(api_version, kind))
            .and_then(|name| TABLE.definitions.get(name));
        Schema {
            definition,
            merge_keys: None,
        }
    }

    /// The schema of a field of a map.
    pub(crate) fn field(self, name: &str) -> Schema {
        let Some(field) = self.definition.and_then(|definition| definition.fields.get(name)) else {
            return Schema::default();
        };
        Schema {
            definition: field.definition.and_then(|name| TABLE.definitions.get(name)),
            merge_keys: field.merge_keys.as_deref(),
        }
    }

    /// The schema of a list's items.
    pub(crate) fn items(self) -> Schema {
        Schema {
            definition: self.definition,
            merge_keys: None,
        }
    }

    /// The keys by which a list merges; `Some` and empty for a list of scalars, none if it is replaced.
    pub(crate) fn merge_keys(self) -> Option<&'static [&'static str]> {
        self.merge_keys
    }
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    for line in include_str!("data/merge_keys.tsv").lines() {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["G", api_version, kind, definition] => {
                table.roots.insert((api_version, kind), definition);
            }
            ["F", owner, name, definition, list, strategy, keys] => {
                let merges = list == "1" && strategy.split(',').any(|word| word == "merge");
                let keys = || keys.split(',').filter(|key| !key.is_empty()).collect();
                let field = Field {
                    definition: Some(definition).filter(|&name| name != "-"),
                    merge_keys: merges.then(keys),
                };
                table
                    .definitions
                    .entry(owner)
                    .or_default()
                    .fields
                    .insert(name, field);
            }
            _ => {}
        }
    }
    table
});
