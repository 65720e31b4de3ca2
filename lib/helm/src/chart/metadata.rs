//! `Chart.yaml`: its fields, as Go reads them, and what Helm asks of them.

mod dependency;

use super::archive;
use super::fields::{Fields, wrong};
use crate::Error;
use crate::funcs::strings::is_space;
use crate::template::quote::{is_print, quote};
use serde_json::{Map, Value as Json};
use versions::Version;

use dependency::DEPENDENCY;
pub use dependency::Dependency;

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

impl Metadata {
    /// Reads `Chart.yaml`, and `requirements.yaml` over it if there is one.
    ///
    /// # Errors
    /// A text that is not YAML, or has a field of another type.
    pub fn of_files(chart: &[u8], requirements: Option<&[u8]>) -> Result<Metadata, Error> {
        let mut metadata = Metadata::default();
        let texts = [("Chart.yaml", Some(chart)), ("requirements.yaml", requirements)];
        for (name, text) in texts {
            let Some(text) = text else { continue };
            let loading = |problem| Error::Load(format!("cannot load '{name}': {problem}"));
            metadata.read(text).map_err(loading)?;
            if metadata.api_version.is_empty() {
                metadata.api_version = "v1".to_owned();
            }
        }
        Ok(metadata)
    }

    /// Reads the metadata of a packaged chart, and no more of the archive than that takes; neither file may be larger
    /// than `limit`, in bytes.
    ///
    /// # Errors
    /// A malformed or too large archive, forbidden names, none of the files, one that is not what it should be.
    pub fn of_archive(archive: &[u8], limit: u64) -> Result<Metadata, Error> {
        let mut limits = archive::Limits {
            file: u64::MAX,
            ..archive::Limits::default()
        };
        let wanted = |name: &str| matches!(name, "Chart.yaml" | "requirements.yaml");
        let files = archive::read_some(archive, &mut limits, wanted)?;
        let find = |name: &str| {
            let file = files.iter().rev().find(|file| file.name == name);
            match file {
                Some(file) if file.data.len() as u64 > limit => Err(Error::Load(format!(
                    "size of '{name}' exceeds '{limit}' bytes limit"
                ))),
                file => Ok(file.map(|file| &*file.data)),
            }
        };
        let chart = find("Chart.yaml")?.ok_or_else(|| Error::Load("no 'Chart.yaml' found".to_owned()))?;
        Metadata::of_files(chart, find("requirements.yaml")?)
    }

    /// The metadata with clean texts, if it is what Helm wants of a chart's.
    ///
    /// # Errors
    /// What Helm refuses.
    pub fn checked(mut self) -> Result<Metadata, Error> {
        self.validate()?;
        Ok(self)
    }

    /// Reads a YAML text over what is there already.
    pub(super) fn read(&mut self, data: &[u8]) -> Result<(), String> {
        let json =
            yaml::parse_first(data).map_err(|error| format!("error converting YAML to JSON: {error}"))?;
        self.decode(&json, false)
            .map_err(|error| format!("error unmarshaling JSON: while decoding JSON: json: {error}"))
    }

    /// The metadata in an entry of an index, where Go makes no texts of numbers and booleans.
    pub(crate) fn of_entry(json: &Json) -> Result<Metadata, String> {
        let mut metadata = Metadata::default();
        metadata.decode(json, true)?;
        Ok(metadata)
    }

    fn decode(&mut self, json: &Json, strict: bool) -> Result<(), String> {
        let map = match json {
            Json::Null => return Ok(()),
            Json::Object(map) => map,
            other => return Err(wrong(other, "value", "loader.chartBase")),
        };
        let fields = Fields {
            strict,
            ..Fields::new(map, "Metadata")
        };
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
                    other => fields
                        .as_text(other)
                        .ok_or_else(|| wrong(other, "struct field Metadata.annotations", "string"))?,
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
                .map(|item| Dependency::decode(item, "Metadata.dependencies", strict))
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

    /// Whether all fields of a chart's metadata are known, beside `more` that are somebody else's.
    ///
    /// # Errors
    /// The first field that is not, in Go's words.
    pub(crate) fn known_only(map: &Map<String, Json>, more: &[&str]) -> Result<(), String> {
        Fields::new(map, "Metadata").known_only(&[&FIELDS[..], more].concat())?;
        for (list, known) in [
            ("maintainers", &MAINTAINER[..]),
            ("dependencies", &DEPENDENCY[..]),
        ] {
            let items = Fields::new(map, "Metadata").get(list).and_then(Json::as_array);
            for item in items.into_iter().flatten().filter_map(Json::as_object) {
                Fields::new(item, "Metadata").known_only(known)?;
            }
        }
        Ok(())
    }

    /// Cleans texts, and says whether an index may list the chart: it need not name its dependencies only once.
    pub(crate) fn is_listable(&mut self) -> bool {
        match self.validate() {
            Ok(()) => true,
            Err(Error::Metadata(problem)) => {
                problem.starts_with("more than one dependency with name or alias")
            }
            Err(_) => false,
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
    fn decode(json: &Json, parent: &Fields<'_>) -> Result<Maintainer, String> {
        let mut maintainer = Maintainer::default();
        match json {
            Json::Object(map) => {
                let fields = Fields {
                    strict: parent.strict,
                    ..Fields::new(map, "Metadata.maintainers")
                };
                fields.text("name", &mut maintainer.name)?;
                fields.text("email", &mut maintainer.email)?;
                fields.text("url", &mut maintainer.url)?;
                Ok(maintainer)
            }
            other => Err(wrong(other, "struct field Metadata.maintainers", "v2.Maintainer")),
        }
    }
}

/// The fields of `Chart.yaml`, and of a maintainer.
const FIELDS: [&str; 17] = [
    "name",
    "home",
    "sources",
    "version",
    "description",
    "keywords",
    "maintainers",
    "icon",
    "apiVersion",
    "condition",
    "tags",
    "appVersion",
    "deprecated",
    "annotations",
    "kubeVersion",
    "dependencies",
    "type",
];
const MAINTAINER: [&str; 3] = ["name", "email", "url"];
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
