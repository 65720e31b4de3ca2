//! `Chart.yaml`: its fields, as Go reads them, and what Helm asks of them.

use crate::Error;
use crate::funcs::strings::is_space;
use crate::manifest::scalar_text;
use crate::template::quote::{is_print, quote};
use serde_json::{Map, Value as Json};
use versions::Version;

/// What a chart says about itself.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields of Chart.yaml, by their names")]
pub struct Metadata {
    pub name: String,
    pub home: String,
    pub sources: Vec<String>,
    pub version: String,
    pub description: String,
    pub keywords: Vec<String>,
    pub maintainers: Vec<Maintainer>,
    pub icon: String,
    pub api_version: String,
    pub condition: String,
    pub tags: String,
    pub app_version: String,
    pub deprecated: bool,
    pub annotations: Vec<(String, String)>,
    pub kube_version: String,
    pub dependencies: Vec<Dependency>,
    /// `type`: empty, `application` or `library`.
    pub kind: String,
    /// What lists have null in them, which is told when the rest has been checked.
    null_nodes: Vec<&'static str>,
}

/// Somebody who keeps a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of Chart.yaml, by their names")]
pub struct Maintainer {
    pub name: String,
    pub email: String,
    pub url: String,
}

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

impl Metadata {
    /// Reads a YAML text over what is there already.
    pub(super) fn read(&mut self, data: &[u8]) -> Result<(), String> {
        let json =
            yaml::parse_first(data).map_err(|error| format!("error converting YAML to JSON: {error}"))?;
        self.decode(&json)
            .map_err(|error| format!("error unmarshaling JSON: while decoding JSON: json: {error}"))
    }

    /// The metadata in a JSON object.
    pub(crate) fn from_json(json: &Json) -> Result<Metadata, String> {
        let mut metadata = Metadata::default();
        metadata.decode(json)?;
        Ok(metadata)
    }

    fn decode(&mut self, json: &Json) -> Result<(), String> {
        let map = match json {
            Json::Null => return Ok(()),
            Json::Object(map) => map,
            other => return Err(wrong(other, "value", "loader.chartBase")),
        };
        let fields = Fields::new(map, "Metadata");
        fields.text("name", &mut self.name)?;
        fields.text("home", &mut self.home)?;
        fields.texts("sources", &mut self.sources)?;
        fields.text("version", &mut self.version)?;
        fields.text("description", &mut self.description)?;
        fields.texts("keywords", &mut self.keywords)?;
        if let Some(items) = fields.list("maintainers", "[]*v2.Maintainer")? {
            self.null_nodes("maintainers", items);
            self.maintainers = items
                .iter()
                .filter(|item| !item.is_null())
                .map(|item| Maintainer::decode(item, &fields))
                .collect::<Result<_, _>>()?;
        }
        fields.text("icon", &mut self.icon)?;
        fields.text("apiVersion", &mut self.api_version)?;
        fields.text("condition", &mut self.condition)?;
        fields.text("tags", &mut self.tags)?;
        fields.text("appVersion", &mut self.app_version)?;
        fields.truth("deprecated", &mut self.deprecated)?;
        if let Some(map) = fields.map("annotations", "map[string]string")? {
            for (key, value) in map {
                let text = match value {
                    Json::Null => String::new(),
                    other if scalar_text(other).is_some() => scalar_text(other).unwrap_or_default(),
                    other => return Err(wrong(other, "struct field Metadata.annotations", "string")),
                };
                self.annotations.retain(|(known, _)| known != key);
                self.annotations.push((key.clone(), text));
            }
        }
        fields.text("kubeVersion", &mut self.kube_version)?;
        if let Some(items) = fields.list("dependencies", "[]*v2.Dependency")? {
            self.null_nodes("dependencies", items);
            self.dependencies = items
                .iter()
                .filter(|item| !item.is_null())
                .map(|item| Dependency::decode(item, "Metadata.dependencies"))
                .collect::<Result<_, _>>()?;
        }
        fields.text("type", &mut self.kind)
    }

    fn null_nodes(&mut self, list: &'static str, items: &[Json]) {
        self.null_nodes.retain(|known| *known != list);
        if items.iter().any(Json::is_null) {
            self.null_nodes.push(list);
        }
    }

    /// Cleans texts and checks what Helm checks.
    pub(crate) fn validate(&mut self) -> Result<(), Error> {
        let refuse = |text: String| Err(Error::Metadata(text));
        for text in [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ]
        .into_iter()
        .chain(&mut self.sources)
        .chain(&mut self.keywords)
        {
            *text = sanitized(text);
        }
        if self.api_version.is_empty() {
            return refuse("chart.metadata.apiVersion is required".into());
        }
        if self.name.is_empty() {
            return refuse("chart.metadata.name is required".into());
        }
        let shown = quote(self.name.as_bytes());
        if self.name == "." || self.name == ".." {
            return refuse(format!("chart.metadata.name {shown} is not allowed"));
        }
        if self.name.contains('/') {
            return refuse(format!("chart.metadata.name {shown} is invalid"));
        }
        if self.version.is_empty() {
            return refuse("chart.metadata.version is required".into());
        }
        if Version::parse(&self.version).is_err() {
            let version = quote(self.version.as_bytes());
            return refuse(format!("chart.metadata.version {version} is invalid"));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return refuse("chart.metadata.type must be application or library".into());
        }
        for maintainer in &mut self.maintainers {
            for text in [&mut maintainer.name, &mut maintainer.email, &mut maintainer.url] {
                *text = sanitized(text);
            }
        }
        if let Some(list) = self.null_nodes.first() {
            return refuse(format!("{list} must not contain empty or null nodes"));
        }
        let mut names: Vec<String> = Vec::new();
        for dependency in &mut self.dependencies {
            dependency.validate()?;
            let key = match dependency.alias.as_str() {
                "" => dependency.name.clone(),
                alias => alias.to_string(),
            };
            if names.contains(&key) {
                let key = quote(key.as_bytes());
                return refuse(format!("more than one dependency with name or alias {key}"));
            }
            names.push(key);
        }
        Ok(())
    }
}

impl Maintainer {
    fn decode(json: &Json, _: &Fields<'_>) -> Result<Maintainer, String> {
        let mut maintainer = Maintainer::default();
        match json {
            Json::Object(map) => {
                let fields = Fields::new(map, "Metadata.maintainers");
                fields.text("name", &mut maintainer.name)?;
                fields.text("email", &mut maintainer.email)?;
                fields.text("url", &mut maintainer.url)?;
                Ok(maintainer)
            }
            other => Err(wrong(other, "struct field Metadata.maintainers", "v2.Maintainer")),
        }
    }
}

impl Dependency {
    fn decode(json: &Json, path: &'static str) -> Result<Dependency, String> {
        let mut dependency = Dependency::default();
        let map = match json {
            Json::Object(map) => map,
            other => return Err(wrong(other, &format!("struct field {path}"), "v2.Dependency")),
        };
        let fields = Fields::new(map, path);
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

    fn validate(&mut self) -> Result<(), Error> {
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

/// A JSON object whose fields Go finds whatever their case.
struct Fields<'a> {
    map: &'a Map<String, Json>,
    path: &'static str,
}

impl<'a> Fields<'a> {
    fn new(map: &'a Map<String, Json>, path: &'static str) -> Fields<'a> {
        Fields { map, path }
    }

    /// The value of a field; null is as good as none.
    fn get(&self, name: &str) -> Option<&'a Json> {
        let exact = self.map.get(name);
        let found = exact.or_else(|| {
            let found = self.map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value)
        });
        found.filter(|value| !value.is_null())
    }

    fn wrong(&self, value: &Json, name: &str, wanted: &str) -> String {
        wrong(value, &format!("struct field {}.{name}", self.path), wanted)
    }

    fn text(&self, name: &str, target: &mut String) -> Result<(), String> {
        match self.get(name) {
            None => {}
            Some(value) if scalar_text(value).is_some() => *target = scalar_text(value).unwrap_or_default(),
            Some(other) => return Err(self.wrong(other, name, "string")),
        }
        Ok(())
    }

    fn truth(&self, name: &str, target: &mut bool) -> Result<(), String> {
        match self.get(name) {
            None => {}
            Some(Json::Bool(truth)) => *target = *truth,
            Some(other) => return Err(self.wrong(other, name, "bool")),
        }
        Ok(())
    }

    fn list(&self, name: &str, wanted: &str) -> Result<Option<&'a Vec<Json>>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.wrong(other, name, wanted)),
        }
    }

    fn map(&self, name: &str, wanted: &str) -> Result<Option<&'a Map<String, Json>>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Object(map)) => Ok(Some(map)),
            Some(other) => Err(self.wrong(other, name, wanted)),
        }
    }

    fn texts(&self, name: &str, target: &mut Vec<String>) -> Result<(), String> {
        if let Some(items) = self.list(name, "[]string")? {
            *target = items
                .iter()
                .map(|item| match item {
                    Json::Null => Ok(String::new()),
                    value if scalar_text(value).is_some() => Ok(scalar_text(value).unwrap_or_default()),
                    other => Err(self.wrong(other, name, "string")),
                })
                .collect::<Result<_, _>>()?;
        }
        Ok(())
    }
}

fn wrong(value: &Json, place: &str, wanted: &str) -> String {
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    format!("cannot unmarshal {kind} into Go {place} of type {wanted}")
}

/// White space made plain spaces, what cannot be printed taken out.
fn sanitized(text: &str) -> String {
    text.chars()
        .filter_map(|c| {
            if is_space(c) {
                Some(' ')
            } else {
                is_print(c).then_some(c)
            }
        })
        .collect()
}
