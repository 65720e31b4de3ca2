//! A chart: its metadata, values, templates and files, and the charts it depends on.

mod archive;
mod fields;
mod ignore;
mod metadata;

pub use archive::Limits as ArchiveLimits;
pub(crate) use fields::{Fields, kind_of};
pub use metadata::{Dependency, Maintainer, Metadata};

use crate::{Error, values};
use artifact::Tree;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A file of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path inside the chart, with `/`.
    pub name: String,
    /// What it holds, without a byte order mark.
    pub data: Arc<[u8]>,
    /// When it was changed, in seconds since 1970, if its archive says so.
    pub modified: Option<i64>,
}

/// A loaded chart of API version v1 or v2.
#[derive(Debug, Clone)]
pub struct Chart {
    /// What `Chart.yaml` (and, in v1, `requirements.yaml`) says.
    pub metadata: Metadata,
    /// `Chart.lock` or `requirements.lock`, as JSON.
    pub lock: Option<Json>,
    /// `values.yaml`; several documents are merged.
    pub values: Map<String, Json>,
    /// `values.yaml` as it is written, with its comments.
    pub values_file: Option<File>,
    /// `values.schema.json`.
    pub schema: Option<Arc<[u8]>>,
    /// The files below `templates/`.
    pub templates: Vec<File>,
    /// All other files.
    pub files: Vec<File>,
    /// The charts below `charts/`.
    pub dependencies: Vec<Chart>,
    /// What Helm warns of while loading.
    pub warnings: Vec<String>,
    /// When `Chart.yaml` was changed, in seconds since 1970, if the archive says so.
    pub modified: Option<i64>,
    /// When `values.schema.json` was changed, as `modified`.
    pub schema_modified: Option<i64>,
}

/// A file below `crds/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crd {
    /// The path with the names of the charts it is in.
    pub path: String,
    /// What it holds.
    pub data: Arc<[u8]>,
}

/// Deepest nesting of charts in charts.
const MAX_DEPTH: usize = 50;

impl File {
    /// A file; a byte order mark is taken off.
    pub fn new(name: impl Into<String>, data: impl AsRef<[u8]>) -> File {
        let data = data.as_ref();
        File {
            name: name.into(),
            data: data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data).into(),
            modified: None,
        }
    }
}

impl Chart {
    /// Loads a gzipped tar archive with one top directory, as `helm package` makes it.
    ///
    /// # Errors
    /// A malformed or too large archive, forbidden names, a malformed chart.
    pub fn from_archive(bytes: &[u8], limits: &ArchiveLimits) -> Result<Chart, Error> {
        Chart::from_archive_within(bytes, &mut limits.clone())
    }

    /// As [`Chart::from_archive`]; what it needs is taken off the limits, for whoever loads several.
    ///
    /// # Errors
    /// As there.
    pub fn from_archive_within(bytes: &[u8], limits: &mut ArchiveLimits) -> Result<Chart, Error> {
        let files = archive::read(bytes, limits)?;
        Chart::load(files, limits, 0)
    }

    /// Loads the chart in directory `path` of a tree, without what its `.helmignore` names.
    ///
    /// # Errors
    /// A malformed `.helmignore`, a malformed chart.
    pub fn from_tree(tree: &Tree, path: &str) -> Result<Chart, Error> {
        let files = Chart::files_in(tree, path)?;
        let files = files.into_iter().map(|(name, content)| File::new(name, content));
        Chart::load(files.collect(), &mut ArchiveLimits::default(), 0)
    }

    /// As [`Chart::from_tree`]; what its files need is taken off the limits, for whoever loads several.
    ///
    /// # Errors
    /// As there; also when its files are more than the limits.
    pub fn from_tree_within(tree: &Tree, path: &str, limits: &mut ArchiveLimits) -> Result<Chart, Error> {
        let mut files = Vec::new();
        for (name, content) in Chart::files_in(tree, path)? {
            let (files_left, bytes_left) = (
                limits.files.checked_sub(1),
                limits.bytes.checked_sub(content.len() as u64),
            );
            limits.files = files_left.ok_or_else(archive::too_many)?;
            limits.bytes = bytes_left.ok_or_else(archive::too_large)?;
            files.push(File::new(name, content));
        }
        Chart::load(files, limits, 0)
    }

    /// The files of a directory, sorted, without what its `.helmignore` names.
    fn files_in<'t>(tree: &'t Tree, path: &str) -> Result<Vec<(String, &'t [u8])>, Error> {
        let prefix = match path.trim_matches('/') {
            "" | "." => String::new(),
            path => format!("{path}/"),
        };
        let rules = tree.file(&format!("{prefix}.helmignore"));
        let rules = rules.map(|file| File::new("", file.bytes()).data);
        let rules = ignore::Rules::parse(rules.as_deref().unwrap_or_default())?;
        let mut files = Vec::new();
        for (name, file) in tree.files() {
            let name = name.strip_prefix(&prefix).filter(|name| !rules.ignores(name));
            files.extend(name.map(|name| (name.to_owned(), file.bytes())));
        }
        files.sort_by(|(a, _), (b, _)| artifact::walk_order(a.as_bytes(), b.as_bytes()));
        Ok(files)
    }

    /// Loads a chart from the files of its directory, without what its `.helmignore` names.
    ///
    /// # Errors
    /// As [`Chart::from_tree`].
    pub fn from_files(mut files: Vec<File>) -> Result<Chart, Error> {
        files.sort_by(|a, b| artifact::walk_order(a.name.as_bytes(), b.name.as_bytes()));
        let rules = files.iter().find(|file| file.name == ".helmignore");
        let rules = ignore::Rules::parse(rules.map_or(&[][..], |file| &file.data))?;
        files.retain(|file| !rules.ignores(&file.name));
        Chart::load(files, &mut ArchiveLimits::default(), 0)
    }

    /// The name; inside a parent it is the alias.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// True for a chart that only has partial templates for others.
    pub fn is_library(&self) -> bool {
        self.metadata.kind.eq_ignore_ascii_case("library")
    }

    /// Checks what Helm checks before it installs: the type, and that no dependency is missing.
    ///
    /// # Errors
    /// A library chart, or dependencies that `charts/` has not.
    pub fn check_installable(&self) -> Result<(), Error> {
        if !matches!(self.metadata.kind.as_str(), "" | "application") {
            return Err(Error::NotInstallable(self.metadata.kind.clone()));
        }
        let missing: Vec<String> = self
            .metadata
            .dependencies
            .iter()
            .filter(|wanted| !self.dependencies.iter().any(|found| found.name() == wanted.name))
            .map(|wanted| wanted.name.clone())
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Error::MissingDependencies(missing))
        }
    }

    /// The definitions below `crds/` of this chart and of those it depends on.
    pub fn crds(&self) -> Vec<Crd> {
        let mut crds = Vec::new();
        self.collect_crds(self.name(), &mut crds);
        crds
    }

    fn collect_crds(&self, path: &str, crds: &mut Vec<Crd>) {
        crds.extend(self.own_crds(path));
        for dependency in &self.dependencies {
            dependency.collect_crds(&format!("{path}/charts/{}", dependency.name()), crds);
        }
    }

    pub(crate) fn own_crds(&self, path: &str) -> Vec<Crd> {
        let is_manifest = |name: &str| {
            let lower = name.to_ascii_lowercase();
            [".yaml", ".yml", ".json"].iter().any(|end| lower.ends_with(end))
        };
        self.files
            .iter()
            .filter(|file| file.name.starts_with("crds/") && is_manifest(&file.name))
            .map(|file| Crd {
                path: format!("{path}/{}", file.name),
                data: file.data.clone(),
            })
            .collect()
    }

    fn load(files: Vec<File>, limits: &mut ArchiveLimits, depth: usize) -> Result<Chart, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::Load(format!("charts are nested deeper than {MAX_DEPTH}")));
        }
        let mut metadata: Option<Metadata> = None;
        for file in files.iter().filter(|file| file.name == "Chart.yaml") {
            let mut read = metadata.take().unwrap_or_default();
            read.read(&file.data)
                .map_err(|e| Error::Load(format!("cannot load Chart.yaml: {e}")))?;
            if read.api_version.is_empty() {
                read.api_version = "v1".to_string();
            }
            metadata = Some(read);
        }
        let mut chart = Chart {
            metadata: Metadata::default(),
            lock: None,
            values: Map::new(),
            values_file: None,
            schema: None,
            templates: Vec::new(),
            files: Vec::new(),
            dependencies: Vec::new(),
            warnings: Vec::new(),
            modified: None,
            schema_modified: None,
        };
        let mut subcharts: BTreeMap<String, Vec<File>> = BTreeMap::new();
        for file in files {
            chart.place(file, &mut metadata, &mut subcharts)?;
        }
        let values = chart.values.values().map(values::count).sum();
        limits.values = limits.values.checked_sub(values).ok_or_else(|| {
            let most = ArchiveLimits::default().values;
            Error::Load(format!(
                "the values of the chart and its dependencies are more than {most}"
            ))
        })?;
        let Some(mut metadata) = metadata else {
            return Err(Error::Load("Chart.yaml file is missing".to_string()));
        };
        metadata.validate()?;
        chart.metadata = metadata;
        for (name, files) in subcharts {
            if name.starts_with(['_', '.']) {
                continue;
            }
            let loaded = subchart(&name, files, chart.name(), limits, depth);
            let loaded = loaded.map_err(|source| match source {
                Ok(source) => Error::Subchart {
                    name: name.clone(),
                    chart: chart.name().to_string(),
                    source: Box::new(source),
                },
                Err(own) => own,
            })?;
            chart.warnings.extend(loaded.warnings.iter().cloned());
            chart.dependencies.push(loaded);
        }
        Ok(chart)
    }

    fn place(
        &mut self,
        file: File,
        metadata: &mut Option<Metadata>,
        subcharts: &mut BTreeMap<String, Vec<File>>,
    ) -> Result<(), Error> {
        let loading = |error: String| Error::Load(format!("cannot load {}: {error}", file.name));
        let is_v1 = |metadata: &Option<Metadata>| metadata.as_ref().is_some_and(|m| m.api_version == "v1");
        match file.name.as_str() {
            "Chart.yaml" => self.modified = file.modified,
            "Chart.lock" => self.lock = Some(yaml_of(&file.data).map_err(loading)?),
            "values.yaml" => {
                self.values = values::read_documents(&file.data).map_err(loading)?;
                self.values_file = Some(file);
            }
            "values.schema.json" => {
                self.schema_modified = file.modified;
                self.schema = Some(file.data);
            }
            "requirements.yaml" => {
                if !is_v1(metadata) {
                    self.warnings.push(
                        "Warning: Dependencies are handled in Chart.yaml since apiVersion \"v2\". We recommend \
                         migrating dependencies to Chart.yaml."
                            .to_string(),
                    );
                }
                metadata
                    .get_or_insert_default()
                    .read(&file.data)
                    .map_err(loading)?;
                if is_v1(metadata) {
                    self.files.push(file);
                }
            }
            "requirements.lock" => {
                self.lock = Some(yaml_of(&file.data).map_err(loading)?);
                if is_v1(metadata) {
                    self.files.push(file);
                } else {
                    self.warnings.push(
                        "Warning: Dependency locking is handled in Chart.lock since apiVersion \"v2\". We recommend \
                         migrating to Chart.lock."
                            .to_string(),
                    );
                }
            }
            name if name.starts_with("templates/") => self.templates.push(file),
            name if name.starts_with("charts/") && !name.ends_with(".prov") => {
                let name = &name["charts/".len()..];
                let top = name.split('/').next().unwrap_or_default().to_string();
                let name = name.to_string();
                subcharts.entry(top).or_default().push(File {
                    name,
                    data: file.data,
                    modified: file.modified,
                });
            }
            _ => self.files.push(file),
        }
        Ok(())
    }
}

/// Whether a `.helmignore` leaves out the file at a path of its chart.
///
/// # Errors
/// Rules that are none.
pub fn is_ignored(rules: &[u8], path: &str) -> Result<bool, Error> {
    Ok(ignore::Rules::parse(rules)?.ignores(path))
}

/// Loads one entry of `charts/`. The error is either the entry's or, as `Err`, one about the entry.
fn subchart(
    name: &str,
    files: Vec<File>,
    parent: &str,
    limits: &mut ArchiveLimits,
    depth: usize,
) -> Result<Chart, Result<Error, Error>> {
    if name.ends_with(".tgz") {
        let Some(first) = files.first() else {
            return Err(Ok(Error::Load("no files in chart archive".to_string())));
        };
        if first.name != name {
            return Err(Err(Error::Load(format!(
                "error unpacking subchart tar in {parent}: expected {name}, got {}",
                first.name
            ))));
        }
        let files = archive::read(&first.data, limits).map_err(Ok)?;
        return Chart::load(files, limits, depth + 1).map_err(Ok);
    }
    let inner = files
        .into_iter()
        .filter_map(|file| {
            let (_, name) = file.name.split_once('/')?;
            Some(File {
                name: name.to_string(),
                data: file.data,
                modified: file.modified,
            })
        })
        .collect();
    Chart::load(inner, limits, depth + 1).map_err(Ok)
}

fn yaml_of(data: &[u8]) -> Result<Json, String> {
    yaml::parse_first(data).map_err(|error| format!("error converting YAML to JSON: {error}"))
}
