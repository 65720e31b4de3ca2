//! The templates of a chart and its dependencies: what each is given, and the text that each gives.

use super::Options;
use crate::dependencies::Node;
use crate::environment::Environment;
use crate::explain;
use crate::template::eval;
use crate::template::parse::parse;
use crate::template::run::{Run, Set};
use crate::template::value::{List, Map, MapKind, Text, Value};
use crate::{Error, funcs};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::rc::Rc;
/// A template with what it is given.
struct Job {
    text: Rc<str>,
    scope: Rc<Map>,
    base: String,
}

/// Renders every template; the text of each by its path.
pub(super) fn run(
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
