//! Reads OpenAPI definitions, as `kustomize openapi fetch` writes them.

use super::{Definition, Field, Table, Target, merges};
use crate::Error;
use crate::documents;
use serde_json::{Map, Value};

/// Longest chain of definitions that are nothing but references.
const MAX_CHAIN: usize = 100;

impl Table {
    /// Reads JSON or YAML.
    ///
    /// # Errors
    /// Text that is neither.
    pub(super) fn parse(bytes: &[u8]) -> Result<Table, Error> {
        let value = documents::json_or_yaml(bytes).map_err(|cause| Error::OpenApi {
            problem: format!("invalid schema file: {cause}"),
        })?;
        let none = Map::new();
        let definitions = value
            .get("definitions")
            .and_then(Value::as_object)
            .unwrap_or(&none);
        let mut table = Table::default();
        for (name, schema) in definitions {
            let name = short(name).to_string();
            for gvk in list(schema, "x-kubernetes-group-version-kind") {
                let text = |key: &str| gvk.get(key).and_then(Value::as_str).unwrap_or_default();
                let api_version = match text("group") {
                    "" => text("version").to_string(),
                    group => format!("{group}/{}", text("version")),
                };
                let kinds = table.roots.entry(api_version).or_default();
                kinds.insert(text("kind").to_string(), name.clone());
            }
            let definition = match resolved(schema, definitions) {
                Some(schema) => definition(schema, definitions),
                None => Definition::default(),
            };
            table.definitions.insert(name, definition);
        }
        Ok(table)
    }
}

fn definition(schema: &Value, definitions: &Map<String, Value>) -> Definition {
    let properties = schema.get("properties").and_then(Value::as_object);
    let fields = properties.into_iter().flatten();
    Definition {
        fields: fields
            .map(|(name, schema)| (name.clone(), field(schema, definitions)))
            .collect(),
        others: schema
            .get("additionalProperties")
            .filter(|others| others.is_object())
            .map(|others| Box::new(field(others, definitions))),
    }
}

fn field(schema: &Value, definitions: &Map<String, Value>) -> Field {
    let named = |name: &str| Target::Named(short(name).to_string());
    // A reference stands for what it names, which may be a list with its own keys.
    let (schema, target) = match reference(schema) {
        None => (Some(schema), None),
        Some(name) => (resolved(schema, definitions), Some(named(name))),
    };
    let Some(schema) = schema else {
        return Field {
            definition: target,
            merge_keys: None,
        };
    };
    let is_list = match schema.get("type") {
        Some(Value::String(kind)) => kind == "array",
        Some(Value::Array(kinds)) => matches!(kinds.as_slice(), [Value::String(kind)] if kind == "array"),
        _ => false,
    };
    if !is_list {
        let definition = target.unwrap_or_else(|| Target::Inline(definition(schema, definitions)));
        return Field {
            definition: Some(definition),
            merge_keys: None,
        };
    }
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    let merge_keys = text("x-kubernetes-patch-strategy")
        .filter(|s| merges(s))
        .map(|_| {
            let keys = list(schema, "x-kubernetes-list-map-keys");
            if schema.get("x-kubernetes-list-map-keys").is_some() {
                keys.iter()
                    .filter_map(Value::as_str)
                    .map(str::to_string)
                    .collect()
            } else {
                let key = text("x-kubernetes-patch-merge-key");
                key.map(str::to_string).into_iter().collect()
            }
        });
    let items = schema.get("items");
    let definition = items.map(|items| match reference(items) {
        Some(name) => named(name),
        None => Target::Inline(definition(items, definitions)),
    });
    Field {
        definition,
        merge_keys,
    }
}

/// The schema itself or what it refers to in the end; nothing if that is not here.
fn resolved<'d>(schema: &'d Value, definitions: &'d Map<String, Value>) -> Option<&'d Value> {
    let mut schema = schema;
    for _ in 0..MAX_CHAIN {
        match reference(schema) {
            None => return Some(schema),
            Some(name) => schema = definitions.get(name)?,
        }
    }
    None
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/definitions/")
}

fn list<'d>(schema: &'d Value, key: &str) -> &'d [Value] {
    schema
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Kubernetes' own types go by the names of the built-in table.
fn short(name: &str) -> &str {
    ["io.k8s.api.", "io.k8s.apimachinery.pkg.apis."]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name)
}
