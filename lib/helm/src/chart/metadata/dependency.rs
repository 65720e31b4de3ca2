//! A chart that another needs, as `Chart.yaml` and the lock name it.

use super::sanitized;
use crate::Error;
use crate::chart::fields::{Fields, wrong};
use crate::template::quote::quote;
use serde_json::Value as Json;

/// A chart that another needs.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields of Chart.yaml, by their names")]
pub struct Dependency {
    pub name: String,
    pub version: String,
    pub repository: String,
    pub condition: String,
    pub tags: Vec<String>,
    pub enabled: bool,
    pub import_values: Vec<Json>,
    pub alias: String,
}

impl Dependency {
    /// The dependencies that a lock names; `None` if it has `null` for them.
    ///
    /// # Errors
    /// A field of another type, in Go's words.
    pub fn locked(lock: &Json) -> Result<Option<Vec<Dependency>>, String> {
        let Json::Object(map) = lock else {
            return Ok(None);
        };
        let Some(items) = Fields::new(map, "Lock").list("dependencies", "[]*v2.Dependency")? else {
            return Ok(None);
        };
        let items = items.iter().filter(|item| !item.is_null());
        items
            .map(|item| Dependency::decode(item, "Lock.dependencies", false))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    pub(super) fn decode(json: &Json, path: &'static str, strict: bool) -> Result<Dependency, String> {
        let mut dependency = Dependency::default();
        let map = match json {
            Json::Object(map) => map,
            other => return Err(wrong(other, &format!("struct field {path}"), "v2.Dependency")),
        };
        let fields = Fields {
            strict,
            ..Fields::new(map, path)
        };
        fields.text("name", &mut dependency.name)?;
        fields.text("version", &mut dependency.version)?;
        fields.text("repository", &mut dependency.repository)?;
        fields.text("condition", &mut dependency.condition)?;
        fields.texts("tags", &mut dependency.tags)?;
        fields.truth("enabled", &mut dependency.enabled)?;
        if let Some(items) = fields.list("import-values", "[]interface {}")? {
            dependency.import_values.clone_from(items);
        }
        fields.text("alias", &mut dependency.alias)?;
        Ok(dependency)
    }

    pub(super) fn validate(&mut self) -> Result<(), Error> {
        for text in [
            &mut self.name,
            &mut self.version,
            &mut self.repository,
            &mut self.condition,
        ]
        .into_iter()
        .chain(&mut self.tags)
        {
            *text = sanitized(text);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !self.alias.chars().all(allowed) {
            let name = quote(self.name.as_bytes());
            return Err(Error::Metadata(format!(
                "dependency {name} has disallowed characters in the alias"
            )));
        }
        Ok(())
    }
}

/// The fields of a dependency.
pub(super) const DEPENDENCY: [&str; 8] = [
    "name",
    "version",
    "repository",
    "condition",
    "tags",
    "enabled",
    "import-values",
    "alias",
];
