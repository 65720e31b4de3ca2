//! `crds`: OpenAPI definitions whose extensions say which fields are names, labels and references.

use super::{Config, NameReference, merge_references, merge_specs};
use crate::Error;
use crate::documents;
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use crate::load::Loader;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Deepest nesting of definitions that refer to each other.
const MAX_DEPTH: usize = 50;

/// Most properties looked at in a file; one that is reached twice counts twice.
const MAX_PROPERTIES: usize = 100_000;

impl Config {
    /// The tables that the definitions of the files give.
    ///
    /// # Errors
    /// No file, nothing that can be read, definitions that refer to each other without end.
    pub(crate) fn of_crds(loader: &Loader<'_>, paths: &[String]) -> Result<Arc<Config>, Error> {
        let mut all = Arc::new(Config::default());
        for path in paths {
            let bytes = loader.read(path)?;
            let value = documents::json_or_yaml(&bytes).map_err(|cause| {
                Error::KustomizationYaml { cause }
                    .during(format!("unable to parse open API definition from '{path}'"))
            })?;
            let bad = |problem: &str| {
                let problem = problem.to_string();
                Error::Decode { problem }.during(format!("unable to parse open API definition from '{path}'"))
            };
            let Value::Object(definitions) = value else {
                return Err(bad("it is no map of definitions"));
            };
            if definitions.values().any(Value::is_string) {
                return Err(bad(
                    "cannot unmarshal string into Go value of type accumulator.OpenAPIDefinition",
                ));
            }
            let mut file = Reader {
                definitions: &definitions,
                config: Config::default(),
                properties: 0,
            };
            for name in definitions.keys() {
                file.definition(name)
                    .map_err(|e| e.during(format!("reading open API definition '{name}' of '{path}'")))?;
            }
            all = all.merge(Arc::new(file.config))?;
        }
        Ok(all)
    }
}

struct Reader<'d> {
    definitions: &'d Map<String, Value>,
    config: Config,
    properties: usize,
}

impl Reader<'_> {
    /// A definition counts if it looks like a kind.
    fn definition(&mut self, name: &str) -> Result<(), Error> {
        let is_kind = properties(self.definitions, name).is_some_and(|properties| {
            ["kind", "apiVersion", "metadata"]
                .iter()
                .all(|field| properties.contains_key(*field))
        });
        if !is_kind {
            return Ok(());
        }
        let gvk = Gvk {
            kind: name.rsplit('.').next().unwrap_or_default().to_string(),
            ..Gvk::default()
        };
        self.walk(&gvk, name, &mut Vec::new())
    }

    fn walk(&mut self, gvk: &Gvk, name: &str, path: &mut Vec<String>) -> Result<(), Error> {
        let definitions = self.definitions;
        let Some(properties) = properties(definitions, name) else {
            return Ok(());
        };
        if path.len() >= MAX_DEPTH {
            return Err(Error::TooDeep {
                what: "open API definitions",
                limit: MAX_DEPTH,
            });
        }
        for (field, property) in properties {
            self.properties += 1;
            if self.properties > MAX_PROPERTIES {
                return Err(Error::TooMany {
                    what: "properties in its open API definitions",
                    limit: MAX_PROPERTIES,
                });
            }
            path.push(field.clone());
            self.property(gvk, property, path)?;
            if let Some(next) = property.get("$ref").and_then(Value::as_str) {
                self.walk(gvk, next, path)?;
            }
            path.pop();
        }
        Ok(())
    }

    fn property(&mut self, gvk: &Gvk, property: &Value, path: &[String]) -> Result<(), Error> {
        let here = || FieldSpec::new(gvk.clone(), &path.join("/"), false);
        let tables = [
            ("x-kubernetes-annotation", &mut self.config.common_annotations),
            ("x-kubernetes-label-selector", &mut self.config.common_labels),
            ("x-kubernetes-identity", &mut self.config.name_prefix),
        ];
        for (name, table) in tables {
            if extension(property, name).is_some() {
                merge_specs(table, &[here()])?;
            }
        }
        let version = extension(property, "x-kubernetes-object-ref-api-version");
        let kind = extension(property, "x-kubernetes-object-ref-kind");
        if let (Some(version), Some(kind)) = (version, kind) {
            let key = extension(property, "x-kubernetes-object-ref-name-key").unwrap_or("name");
            let reference = NameReference {
                target: Gvk {
                    group: String::new(),
                    version: version.to_string(),
                    kind: kind.to_string(),
                },
                referrer: FieldSpec::new(gvk.clone(), &format!("{}/{key}", path.join("/")), false),
            };
            merge_references(&mut self.config.name_references, &[reference])?;
        }
        Ok(())
    }
}

/// The properties of a definition; its schema may be spelled either way.
fn properties<'d>(definitions: &'d Map<String, Value>, name: &str) -> Option<&'d Map<String, Value>> {
    let definition = definitions.get(name)?.as_object()?;
    let schema = definition
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case("schema"))?
        .1;
    schema.get("properties")?.as_object()
}

/// An extension that is text; its name may be written in any case.
fn extension<'d>(property: &'d Value, name: &str) -> Option<&'d str> {
    let fields = property.as_object()?;
    let value = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1;
    value.as_str()
}
