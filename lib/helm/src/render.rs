//! From a chart and values to manifests: the order of the stages.

mod templates;

use crate::capabilities::Capabilities;
use crate::chart::{Chart, Crd, Metadata};
use crate::dependencies::{self, Node, is_compatible};
use crate::environment::Environment;
use crate::hooks::Hook;
use crate::manifest::{self, Manifest};
use crate::stack::on_deep_stack;
use crate::template::run::Limits;
use crate::template::value::Value;
use crate::values::{coalesce, schema};
use crate::{Error, funcs};
use serde_json::Value as Json;
use std::collections::BTreeMap;

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
    let mut files = templates::run(&node, values, options, environment)?;
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
