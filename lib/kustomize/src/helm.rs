//! `helmCharts`: charts are rendered by whoever builds; an engine does not know how.

use crate::Error;
use crate::documents;
use crate::kustomization::Fields;
use crate::load::Loader;
use crate::object::{HELM_GENERATED, Object};
use crate::schema::Schema;
use crate::transform::json6902;
use crate::transform::strategic_merge::{self, Chosen};
use artifact::Tree;
use serde_json::{Map, Value};
use yaml::{Limits, Node};

/// Renders charts for a build.
pub trait HelmRenderer {
    /// The text that `helm template` prints for the chart: YAML documents.
    ///
    /// # Errors
    /// Why there is none; the words become part of the build's error.
    fn render(&self, chart: &HelmChart<'_>) -> Result<String, String>;
}

/// What to render, and with what.
#[derive(Debug, Clone)]
pub struct HelmChart<'a> {
    /// The files of the build; the chart may be among them.
    pub tree: &'a Tree,
    /// Where in `tree` the chart lies if it is there: a directory below the chart home. Without `repo` it is there.
    pub directory: String,
    /// The chart's name.
    pub name: &'a str,
    /// The chart's version, or nothing for the latest.
    pub version: &'a str,
    /// Where the chart is to be had: `https://` or `oci://`, or nothing.
    pub repo: &'a str,
    /// The name of the release, or nothing.
    pub release_name: &'a str,
    /// The namespace of the release: that of the entry, else of the kustomization and those above it; or nothing.
    pub namespace: &'a str,
    /// A template for the name of the release, or nothing.
    pub name_template: &'a str,
    /// The content of the values file, if there is one, merged with the inline values as `valuesMerge` says.
    pub values: Value,
    /// More values files in order, each over the ones before: path and content.
    pub additional_values: Vec<(String, Vec<u8>)>,
    /// Whether the chart's CRDs are wanted.
    pub include_crds: bool,
    /// Whether hooks are left out.
    pub skip_hooks: bool,
    /// Whether tests are left out.
    pub skip_tests: bool,
    /// Whether versions that are no releases count.
    pub devel: bool,
    /// API versions that the cluster is said to have.
    pub api_versions: &'a [String],
    /// The Kubernetes version that the cluster is said to have, or nothing.
    pub kube_version: &'a str,
}

/// An entry of `helmCharts` with the `helmGlobals`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chart {
    pub(crate) home: String,
    /// Where a Helm would look for its configuration; there is none.
    pub(crate) config_home: String,
    pub(crate) debug: bool,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) repo: String,
    pub(crate) release_name: String,
    pub(crate) namespace: String,
    pub(crate) name_template: String,
    pub(crate) values_file: String,
    pub(crate) values_inline: Map<String, Value>,
    pub(crate) values_merge: String,
    pub(crate) additional_values: Vec<String>,
    pub(crate) include_crds: bool,
    pub(crate) skip_hooks: bool,
    pub(crate) skip_tests: bool,
    pub(crate) devel: bool,
    pub(crate) api_versions: Vec<String>,
    pub(crate) kube_version: String,
}

const DEFAULT_HOME: &str = "charts";

impl Chart {
    /// An entry of `helmCharts`.
    pub(crate) fn read(fields: &mut Fields) -> Result<Chart, Error> {
        Ok(Chart {
            home: String::new(),
            config_home: String::new(),
            debug: fields.boolean("debug")?,
            name: fields.string("name")?,
            version: fields.string("version")?,
            repo: fields.string("repo")?,
            release_name: fields.string("releaseName")?,
            namespace: fields.string("namespace")?,
            name_template: fields.string("nameTemplate")?,
            values_file: fields.string("valuesFile")?,
            values_inline: fields.any_map("valuesInline")?,
            values_merge: fields.string("valuesMerge")?,
            additional_values: fields.strings("additionalValuesFiles")?,
            include_crds: fields.boolean("includeCRDs")?,
            skip_hooks: fields.boolean("skipHooks")?,
            skip_tests: fields.boolean("skipTests")?,
            devel: fields.boolean("devel")?,
            api_versions: fields.strings("apiVersions")?,
            kube_version: fields.string("kubeVersion")?,
        })
    }

    /// An entry of `helmChartInflationGenerator`, the older spelling, whose chart home is one for all.
    pub(crate) fn read_legacy(fields: &mut Fields) -> Result<Chart, Error> {
        for unused in ["chartRepoName", "helmBin", "releaseNamespace"] {
            fields.string(unused)?;
        }
        fields.strings("extraArgs")?;
        Ok(Chart {
            home: fields.string("chartHome")?,
            config_home: fields.string("helmHome")?,
            name: fields.string("chartName")?,
            version: fields.string("chartVersion")?,
            repo: fields.string("chartRepoUrl")?,
            release_name: fields.string("releaseName")?,
            values_file: fields.string("values")?,
            values_inline: fields.any_map("valuesLocal")?,
            values_merge: fields.string("valuesMerge")?,
            ..Chart::default()
        })
    }

    /// The configuration of a `HelmChartInflationGenerator`.
    pub(crate) fn read_plugin(loader: &Loader<'_>, fields: &mut Fields) -> Result<Chart, Error> {
        let home = fields.string("chartHome")?;
        let chart = Chart::read(fields)?;
        Chart { home, ..chart }.configured(loader)
    }

    /// The entry with its defaults, if it can be carried out at all.
    ///
    /// # Errors
    /// No renderer, no name, a values file that is not there, an unknown word.
    pub(crate) fn configured(mut self, loader: &Loader<'_>) -> Result<Chart, Error> {
        let bad = |problem: &str| {
            Err(Error::Plugin {
                problem: problem.to_string(),
            })
        };
        if loader.helm().is_none() {
            return bad("must specify --enable-helm");
        }
        if self.name.is_empty() {
            return bad("chart name cannot be empty");
        }
        if self.home.is_empty() {
            self.home = DEFAULT_HOME.to_string();
        }
        for path in &self.additional_values {
            loader
                .read(path)
                .map_err(|e| e.during("could not load additionalValuesFile"))?;
        }
        if !matches!(self.values_merge.as_str(), "" | "merge" | "override" | "replace") {
            return bad("valuesMerge must be one of [merge override replace]");
        }
        Ok(self)
    }

    /// The entry as kustomize repeats it in messages.
    pub(crate) fn shown(&self) -> String {
        let mut all = serde_json::json!({
            "additionalValuesFiles": self.additional_values,
            "apiVersions": self.api_versions,
            "chartHome": self.home,
            "configHome": self.config_home,
            "debug": self.debug,
            "devel": self.devel,
            "includeCRDs": self.include_crds,
            "kubeVersion": self.kube_version,
            "name": self.name,
            "nameTemplate": self.name_template,
            "namespace": self.namespace,
            "releaseName": self.release_name,
            "repo": self.repo,
            "skipHooks": self.skip_hooks,
            "skipTests": self.skip_tests,
            "valuesFile": self.values_file,
            "valuesInline": self.values_inline,
            "valuesMerge": self.values_merge,
            "version": self.version,
        });
        if let Some(all) = all.as_object_mut() {
            all.retain(|_, value| match value {
                Value::String(text) => !text.is_empty(),
                Value::Bool(set) => *set,
                Value::Array(items) => !items.is_empty(),
                Value::Object(map) => !map.is_empty(),
                _ => true,
            });
        }
        yaml::to_string(&all)
    }

    /// Renders the chart.
    ///
    /// # Errors
    /// A values file that is not there, what the renderer says, text that holds no objects.
    pub(crate) fn generate(&self, loader: &Loader<'_>) -> Result<Vec<Object>, Error> {
        let Some(renderer) = loader.helm() else {
            return Err(Error::Plugin {
                problem: "must specify --enable-helm".to_string(),
            });
        };
        let home = if self.version.is_empty() || self.repo.is_empty() {
            self.home.clone()
        } else {
            format!("{}/{}-{}", self.home, self.name, self.version)
        };
        let below = format!("{home}/{}", self.name);
        let here = loader.has_directory(&below);
        if !here && self.repo.is_empty() {
            return Err(Error::Plugin {
                problem: format!(
                    "no repo specified for pull, no chart found at '{}'",
                    loader.show_in_root(&below)
                ),
            });
        }
        let mut additional_values = Vec::new();
        for path in &self.additional_values {
            additional_values.push((path.clone(), loader.read(path)?.to_vec()));
        }
        let directory = loader.inside(&below)?;
        if here {
            loader.note_directory(&directory);
        }
        let chart = HelmChart {
            tree: loader.tree(),
            directory,
            name: &self.name,
            version: &self.version,
            repo: &self.repo,
            release_name: &self.release_name,
            namespace: &self.namespace,
            name_template: &self.name_template,
            values: self.values(loader, &below, here)?,
            additional_values,
            include_crds: self.include_crds,
            skip_hooks: self.skip_hooks,
            skip_tests: self.skip_tests,
            devel: self.devel,
            api_versions: &self.api_versions,
            kube_version: &self.kube_version,
        };
        let text = renderer.render(&chart).map_err(|problem| Error::Plugin {
            problem: format!("rendering chart '{}': {problem}", self.name),
        })?;
        let mut objects = documents::objects(text.as_bytes())?;
        for object in &mut objects {
            if let Some(annotations) = object.annotations_mut() {
                annotations.set(HELM_GENERATED, Node::string("true"));
            }
        }
        Ok(objects)
    }

    /// The values file, by default that of the chart, and the inline values laid over it (or it over them).
    fn values(&self, loader: &Loader<'_>, chart: &str, here: bool) -> Result<Value, Error> {
        let inline = Value::Object(self.values_inline.clone());
        let path = match self.values_file.as_str() {
            // The renderer fetches the chart, and lays what is inline over the values it finds there.
            "" if !here && self.values_merge == "merge" => {
                let problem = format!("valuesMerge: merge needs chart '{}' among the files", self.name);
                return Err(Error::Plugin { problem });
            }
            "" if !here => return Ok(inline),
            "" => format!("{chart}/values.yaml"),
            path => path.to_string(),
        };
        if self.values_merge == "replace" && !self.values_inline.is_empty() {
            return Ok(inline);
        }
        let bytes = loader.read(&path)?;
        let yaml = |cause| Error::NotYaml { cause };
        if self.values_inline.is_empty() {
            return yaml::parse(&bytes).map_err(yaml);
        }
        let file = yaml::parse_nodes(&bytes, yaml::Schema::GoV3, &Limits::default()).map_err(yaml)?;
        let file = file.into_iter().next().unwrap_or_else(Node::map);
        let inline = json6902::to_node(&inline);
        match self.values_merge.as_str() {
            "merge" => merged(&inline, &file),
            _ => merged(&file, &inline),
        }
    }
}

/// `top` laid over `base` as a strategic merge without a schema: maps are merged, null takes away, all else is
/// replaced.
fn merged(base: &Node, top: &Node) -> Result<Value, Error> {
    let (mut base, mut top) = (base.clone(), top.clone());
    let problem = |problem| Error::Plugin { problem };
    let merged = match strategic_merge::merge(&mut base, &mut top, Schema::default()).map_err(problem)? {
        Chosen::Dest => base,
        Chosen::Patch => top,
        Chosen::Neither => Node::map(),
    };
    yaml::to_value(&merged, yaml::Schema::GoV3).map_err(|cause| Error::NotYaml { cause })
}
