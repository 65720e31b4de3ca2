//! From a chart and values to manifests: the order of the stages.

use crate::capabilities::Capabilities;
use crate::chart::{Chart, Crd, Metadata};
use crate::dependencies::{self, Node, is_compatible};
use crate::environment::Environment;
use crate::explain;
use crate::hooks::Hook;
use crate::manifest::{self, Manifest};
use crate::stack::on_deep_stack;
use crate::template::eval;
use crate::template::parse::parse;
use crate::template::run::{Limits, Run, Set};
use crate::template::value::{List, Map, MapKind, Text, Value};
use crate::values::{coalesce, schema};
use crate::{Error, funcs};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The release that is rendered.
#[derive(Debug, Clone)]
pub struct Options {
    /// The release's name.
    pub name: String,
    /// The release's namespace.
    pub namespace: String,
    /// The release's revision, from 1.
    pub revision: i64,
    /// An upgrade, not an install.
    pub upgrade: bool,
    /// The cluster that is rendered for.
    pub capabilities: Capabilities,
    /// The notes of dependencies are notes too.
    pub sub_notes: bool,
    /// Values need not satisfy the chart's schemas.
    pub skip_schema: bool,
    /// What rendering may cost.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            name: "release-name".into(),
            namespace: "default".into(),
            revision: 1,
            upgrade: false,
            capabilities: Capabilities::default(),
            sub_notes: false,
            skip_schema: false,
            limits: Limits::default(),
        }
    }
}

/// What the templates of a chart gave, before it is told apart: what a post-renderer works on.
#[derive(Debug, Clone)]
pub struct Templates {
    /// The text of every template by its path, without notes.
    pub files: BTreeMap<String, String>,
    /// `NOTES.txt`.
    pub notes: String,
    /// The definitions below `crds/` of the charts that take part.
    pub crds: Vec<Crd>,
    /// What Helm warns of.
    pub warnings: Vec<String>,
    /// The chart's metadata with the dependencies that take part, as a release record holds it.
    pub metadata: Metadata,
    /// The chart's own values with what its dependencies export to it, as a release record holds them.
    pub chart_values: serde_json::Map<String, Json>,
}

/// What a chart became.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The objects, in install order.
    pub manifests: Vec<Manifest>,
    /// The hooks, in install order of their kinds.
    pub hooks: Vec<Hook>,
    /// What the templates gave.
    pub templates: Templates,
}

impl Templates {
    /// Splits the files into objects and hooks, and sorts them.
    ///
    /// # Errors
    /// A file that is not YAML, or an object whose head is malformed.
    pub fn sorted(self) -> Result<Rendered, Error> {
        let (hooks, manifests) = manifest::sort(&self.files)?;
        Ok(Rendered {
            manifests,
            hooks,
            templates: self,
        })
    }
}

impl Rendered {
    /// The text that a release stores: every object after a comment that names its template.
    pub fn manifest(&self, include_crds: bool) -> String {
        let mut text = String::new();
        if include_crds {
            for crd in &self.templates.crds {
                let data = String::from_utf8_lossy(&crd.data);
                text.push_str(&format!("---\n# Source: {}\n{data}\n", crd.path));
            }
        }
        for manifest in &self.manifests {
            text.push_str(&format!(
                "---\n# Source: {}\n{}\n",
                manifest.path, manifest.content
            ));
        }
        text
    }
}

/// Renders `chart` with the user's `values` as `helm install` and `helm upgrade` do.
///
/// # Errors
/// Everything that makes Helm fail before it talks to a cluster, in its words; and limits of ours.
pub fn render(
    chart: &Chart,
    values: &serde_json::Map<String, Json>,
    options: &Options,
    environment: &dyn Environment,
) -> Result<Rendered, Error> {
    render_templates(chart, values, options, environment)?.sorted()
}

/// The definitions below `crds/` of a chart and of those of its dependencies that take part with these values.
///
/// # Errors
/// Dependencies or values that make Helm fail before it renders.
pub fn crds(chart: &Chart, values: &serde_json::Map<String, Json>) -> Result<Vec<Crd>, Error> {
    let find = || {
        let mut node = Node::new(chart);
        dependencies::process(&mut node, &crate::values::to_map(values), &mut Vec::new())
            .map_err(|error| Error::Values(format!("failed to process chart dependencies: {error}")))?;
        let mut crds = Vec::new();
        collect_crds(&node, node.name(), &mut crds);
        Ok(crds)
    };
    on_deep_stack(find).unwrap_or_else(|| Err(Error::Limit("the work could not be finished".to_string())))
}

/// As [`render`], but leaves the files as they are, for a post-renderer; then [`Templates::sorted`] goes on.
///
/// # Errors
/// As [`render`], but for files that are not YAML.
pub fn render_templates(
    chart: &Chart,
    values: &serde_json::Map<String, Json>,
    options: &Options,
    environment: &dyn Environment,
) -> Result<Templates, Error> {
    on_deep_stack(|| stages(chart, values, options, environment))
        .unwrap_or_else(|| Err(Error::Limit("the work could not be finished".to_string())))
}

fn stages(
    chart: &Chart,
    values: &serde_json::Map<String, Json>,
    options: &Options,
    environment: &dyn Environment,
) -> Result<Templates, Error> {
    check_name(&options.name)?;
    let mut warnings = chart.warnings.clone();
    let given = crate::values::to_map(values);
    let mut node = Node::new(chart);
    dependencies::process(&mut node, &given, &mut warnings)
        .map_err(|error| Error::Values(format!("chart dependencies processing failed: {error}")))?;
    let own = funcs::encoding::to_json(&Value::Map(node.values.clone()), 0).map_err(Error::Values)?;
    let chart_values = match own {
        Json::Object(map) => map,
        _ => serde_json::Map::new(),
    };
    let values = coalesce::values(&node, &given, false, &mut warnings).map_err(Error::Values)?;
    if !options.skip_schema {
        schema::validate(&node, &values).map_err(Error::Schema)?;
    }
    let kube = &options.capabilities.kube_version;
    if !node.metadata.kube_version.is_empty() && !is_compatible(&node.metadata.kube_version, &kube.normalized)
    {
        return Err(Error::KubeVersion {
            wanted: node.metadata.kube_version.clone(),
            found: kube.version.clone(),
        });
    }
    let mut files = templates(&node, values, options, environment)?;
    let own = format!("{}/templates/NOTES.txt", node.name());
    let mut notes = String::new();
    files.retain(|path, text| {
        if !path.ends_with("NOTES.txt") {
            return true;
        }
        if options.sub_notes || *path == own {
            if !notes.is_empty() {
                notes.push('\n');
            }
            notes.push_str(text);
        }
        false
    });
    let mut crds = Vec::new();
    collect_crds(&node, node.name(), &mut crds);
    Ok(Templates {
        files,
        notes,
        crds,
        warnings,
        metadata: node.metadata.clone(),
        chart_values,
    })
}

/// A release's name is a DNS name of at most 53 characters.
fn check_name(name: &str) -> Result<(), Error> {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let problem = if name.is_empty() {
        "no name provided"
    } else if name.len() > 53 || !name.split('.').all(label) {
        "invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ \
         and the length must not be longer than 53"
    } else {
        return Ok(());
    };
    Err(Error::ReleaseName {
        name: name.to_string(),
        problem,
    })
}

fn collect_crds(node: &Node<'_>, path: &str, crds: &mut Vec<Crd>) {
    crds.extend(node.chart.own_crds(path));
    for dependency in &node.dependencies {
        collect_crds(dependency, &format!("{path}/charts/{}", dependency.name()), crds);
    }
}

/// A template with what it is given.
struct Job {
    text: Rc<str>,
    scope: Rc<Map>,
    base: String,
}

/// Renders every template; the text of each by its path.
fn templates(
    node: &Node<'_>,
    values: Rc<Map>,
    options: &Options,
    environment: &dyn Environment,
) -> Result<BTreeMap<String, String>, Error> {
    let mut jobs = BTreeMap::new();
    let release = Map::any([
        ("Name", Value::string(options.name.as_str())),
        ("Namespace", Value::string(options.namespace.as_str())),
        ("IsUpgrade", Value::Bool(options.upgrade)),
        ("IsInstall", Value::Bool(!options.upgrade)),
        ("Revision", Value::Int(options.revision)),
        ("Service", Value::string("Helm")),
    ]);
    let shared = Shared {
        release,
        capabilities: options.capabilities.to_value(),
    };
    scope(
        node,
        values.view(MapKind::Values),
        node.name(),
        true,
        &shared,
        &mut jobs,
    );
    let mut order: Vec<&String> = jobs.keys().collect();
    // Deep paths first, so that what is defined further up wins.
    order.sort_by(|a, b| {
        let depth = |path: &str| path.matches('/').count();
        depth(b).cmp(&depth(a)).then_with(|| b.cmp(a))
    });
    let mut run = Run::new(environment, options.limits.clone());
    let set = Set::new(None);
    for path in &order {
        let Some(job) = jobs.get(*path) else {
            continue;
        };
        let trees =
            parse(path, job.text.clone()).map_err(|error| Error::Template(explain::parsing(&error)))?;
        for tree in trees {
            set.add(tree);
        }
    }
    let mut files = BTreeMap::new();
    for path in order {
        let base = path.rsplit('/').next().unwrap_or_default();
        let (false, Some(job)) = (base.starts_with('_'), jobs.get(path)) else {
            continue;
        };
        let about = [
            (Text::from("Name"), Value::string(path.as_str())),
            (Text::from("BasePath"), Value::string(job.base.as_str())),
        ];
        let about = Map::new(MapKind::Values, about.into_iter().collect());
        job.scope.set(Text::from("Template"), Value::Map(about));
        let Some(tree) = set.get(path) else {
            continue;
        };
        let mut out = Vec::new();
        let dot = Value::Map(job.scope.clone());
        eval::execute(&mut run, &set, &tree, dot, &mut out).map_err(|failure| {
            if failure.limit {
                Error::Limit(failure.text())
            } else {
                Error::Template(explain::execution(&failure))
            }
        })?;
        let out = funcs::cluster::without_no_value(out);
        files.insert(path.clone(), String::from_utf8_lossy(&out).into_owned());
    }
    // Scopes know each other through `.Subcharts`, and templates may have tied them in circles.
    for job in jobs.values() {
        let entries = std::mem::take(&mut *job.scope.entries.borrow_mut());
        drop(entries);
    }
    Ok(files)
}

struct Shared {
    release: Value,
    capabilities: Value,
}

/// Gathers the templates of a chart and its dependencies with their scopes; gives the chart's own scope.
fn scope(
    node: &Node<'_>,
    values: Rc<Map>,
    path: &str,
    root: bool,
    shared: &Shared,
    jobs: &mut BTreeMap<String, Job>,
) -> Rc<Map> {
    let files = node
        .chart
        .files
        .iter()
        .map(|file| {
            (
                Text::from(file.name.as_str()),
                Value::Bytes(Rc::from(&*file.data)),
            )
        })
        .collect();
    let subcharts = Map::new(MapKind::Any, BTreeMap::new());
    let own = [
        ("Chart", about(node, root)),
        ("Files", Value::Map(Map::new(MapKind::Files, files))),
        ("Release", shared.release.clone()),
        ("Capabilities", shared.capabilities.clone()),
        ("Values", Value::Map(values.clone())),
        ("Subcharts", Value::Map(subcharts.clone())),
    ];
    let entries = own
        .into_iter()
        .map(|(key, value)| (Text::from(key), value))
        .collect();
    // Helm's own type for what templates are given.
    let own = Map::new(MapKind::Any, entries);
    for dependency in &node.dependencies {
        let name = dependency.name();
        let section = match values.get(name.as_bytes()) {
            Some(Value::Map(map)) => map.view(MapKind::Values),
            _ => Map::new(MapKind::Values, BTreeMap::new()),
        };
        let path = format!("{path}/charts/{name}");
        let inner = scope(dependency, section, &path, false, shared, jobs);
        subcharts.set(Text::from(name), Value::Map(inner));
    }
    let library = node.metadata.kind.eq_ignore_ascii_case("library");
    for template in &node.chart.templates {
        let base = template.name.rsplit('/').next().unwrap_or_default();
        if library && !base.starts_with('_') {
            continue;
        }
        let job = Job {
            text: String::from_utf8_lossy(&template.data).into(),
            scope: own.clone(),
            base: format!("{path}/templates"),
        };
        jobs.insert(funcs::paths::clean(&format!("{path}/{}", template.name)), job);
    }
    own
}

/// `.Chart`: the fields of `Chart.yaml` under their names in Go.
fn about(node: &Node<'_>, root: bool) -> Value {
    let metadata = &node.metadata;
    let text = |text: &str| Value::string(text);
    let texts = |texts: &[String]| List::any(texts.iter().map(|item| Value::string(item.as_str())).collect());
    let maintainers = metadata.maintainers.iter().map(|maintainer| {
        Map::any([
            ("Name", text(&maintainer.name)),
            ("Email", text(&maintainer.email)),
            ("URL", text(&maintainer.url)),
        ])
    });
    let dependencies = metadata.dependencies.iter().map(|dependency| {
        let imports = dependency.import_values.iter().map(|import| match import {
            Json::Object(map) => funcs::encoding::map_of(MapKind::Str, map),
            other => crate::values::to_value(other),
        });
        Map::any([
            ("Name", text(&dependency.name)),
            ("Version", text(&dependency.version)),
            ("Repository", text(&dependency.repository)),
            ("Condition", text(&dependency.condition)),
            ("Tags", texts(&dependency.tags)),
            ("Enabled", Value::Bool(dependency.enabled)),
            ("ImportValues", List::any(imports.collect())),
            ("Alias", text(&dependency.alias)),
        ])
    });
    let annotations = metadata
        .annotations
        .iter()
        .map(|(key, value)| (Text::from(key.as_str()), text(value)));
    Map::any([
        ("Name", text(&metadata.name)),
        ("Home", text(&metadata.home)),
        ("Sources", texts(&metadata.sources)),
        ("Version", text(&metadata.version)),
        ("Description", text(&metadata.description)),
        ("Keywords", texts(&metadata.keywords)),
        ("Maintainers", List::any(maintainers.collect())),
        ("Icon", text(&metadata.icon)),
        ("APIVersion", text(&metadata.api_version)),
        ("Condition", text(&metadata.condition)),
        ("Tags", text(&metadata.tags)),
        ("AppVersion", text(&metadata.app_version)),
        ("Deprecated", Value::Bool(metadata.deprecated)),
        (
            "Annotations",
            Value::Map(Map::new(
                if metadata.annotations.is_empty() {
                    MapKind::NilStr
                } else {
                    MapKind::Str
                },
                annotations.collect(),
            )),
        ),
        ("KubeVersion", text(&metadata.kube_version)),
        ("Dependencies", List::any(dependencies.collect())),
        ("Type", text(&metadata.kind)),
        ("IsRoot", Value::Bool(root)),
    ])
}
