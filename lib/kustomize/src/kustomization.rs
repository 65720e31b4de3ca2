//! The kustomization file: its fields, its legacy spellings, and what is wrong with it.

mod decode;
mod entries;

use crate::Error;
use crate::helm::Chart;
use crate::load::Loader;
pub(crate) use decode::Fields;
pub(crate) use entries::{
    ConfigMapArgs, FieldOptions, GeneratorOptions, Image, Label, Patch, Replacement, Replica, Selector,
    SortOptions, Source, Target, Var,
};

/// A kustomization or component, legacy spellings folded in.
#[derive(Debug, Default)]
pub(crate) struct Kustomization {
    pub(crate) kind: String,
    pub(crate) resources: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) namespace: String,
    pub(crate) common_labels: Vec<(String, String)>,
    pub(crate) labels: Vec<Label>,
    pub(crate) common_annotations: Vec<(String, String)>,
    pub(crate) patches_strategic_merge: Vec<String>,
    pub(crate) patches_json6902: Vec<Patch>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) replacements: Vec<Replacement>,
    pub(crate) vars: Vec<Var>,
    pub(crate) config_maps: Vec<ConfigMapArgs>,
    pub(crate) secrets: Vec<ConfigMapArgs>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) sort_options: Option<SortOptions>,
    pub(crate) build_metadata: Vec<String>,
    pub(crate) configurations: Vec<String>,
    pub(crate) crds: Vec<String>,
    pub(crate) openapi: Vec<(String, String)>,
    pub(crate) generators: Vec<String>,
    pub(crate) transformers: Vec<String>,
    pub(crate) validators: Vec<String>,
    pub(crate) helm_charts: Vec<Chart>,
    /// The name of the file.
    pub(crate) file: &'static str,
}

const KUSTOMIZATION: &str = "Kustomization";
const COMPONENT: &str = "Component";

impl Kustomization {
    /// Reads the kustomization file of the loader's directory.
    ///
    /// # Errors
    /// No file or several, no YAML, an unknown field, a wrong type, kind or version, a field not supported.
    pub(crate) fn load(loader: &Loader<'_>) -> Result<Kustomization, Error> {
        let (bytes, file) = loader.kustomization()?;
        let value = yaml::parse(&bytes).map_err(|cause| Error::KustomizationYaml { cause })?;
        let mut fields = Fields::open(value, "Kustomization", "types.Kustomization")?;
        let warnings = deprecated(&fields);
        let mut kustomization = read(&mut fields)?;
        kustomization.file = file;
        let api_version = fields.string("apiVersion")?;
        let empty = fields.is_empty();
        fields.finish()?;
        warnings
            .into_iter()
            .for_each(|warning| loader.session().warn(warning));
        if empty {
            return Err(Error::KustomizationEmpty);
        }
        kustomization.check(&api_version, loader)?;
        Ok(kustomization)
    }

    pub(crate) fn is_component(&self) -> bool {
        self.kind == COMPONENT
    }

    fn check(&mut self, api_version: &str, loader: &Loader<'_>) -> Result<(), Error> {
        let mut problems = Vec::new();
        if self.kind.is_empty() {
            self.kind = KUSTOMIZATION.to_string();
        }
        if self.kind != KUSTOMIZATION && self.kind != COMPONENT {
            problems.push(format!("kind should be {KUSTOMIZATION} or {COMPONENT}"));
        }
        let wanted = if self.is_component() {
            "kustomize.config.k8s.io/v1alpha1"
        } else {
            "kustomize.config.k8s.io/v1beta1"
        };
        if !api_version.is_empty() && api_version != wanted {
            problems.push(format!("apiVersion for {} should be {wanted}", self.kind));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Error::KustomizationKind {
                dir: loader.shown_root(),
                problems,
            })
        }
    }
}

/// Older spellings, with what to say about them.
const DEPRECATED: [(&str, &str, &str); 6] = [
    ("bases", "resources", ""),
    ("commonLabels", "labels", ""),
    ("imageTags", "images", ""),
    ("patchesJson6902", "patches", ""),
    ("patchesStrategicMerge", "patches", ""),
    ("vars", "replacements", "[EXPERIMENTAL] "),
];

/// Warnings about the fields that are there, in kustomize's words and order.
fn deprecated(fields: &Fields) -> Vec<String> {
    let there = DEPRECATED.iter().filter(|(old, _, _)| fields.has(old));
    there
        .map(|(old, new, mark)| {
            format!(
                "# Warning: '{old}' is deprecated. Please use '{new}' instead. {mark}Run 'kustomize edit fix' to update \
                 your Kustomization automatically."
            )
        })
        .collect()
}

fn read(fields: &mut Fields) -> Result<Kustomization, Error> {
    let mut resources = fields.strings("resources")?;
    resources.extend(fields.strings("bases")?);
    let mut images = fields.list("images", Image::read)?;
    images.extend(fields.list("imageTags", Image::read)?);
    let kustomization = Kustomization {
        kind: fields.string("kind")?,
        resources,
        components: fields.strings("components")?,
        name_prefix: fields.string("namePrefix")?,
        name_suffix: fields.string("nameSuffix")?,
        namespace: fields.string("namespace")?,
        common_labels: fields.map("commonLabels")?,
        labels: fields.list("labels", Label::read)?,
        common_annotations: fields.map("commonAnnotations")?,
        patches_strategic_merge: fields.strings("patchesStrategicMerge")?,
        patches_json6902: fields.list("patchesJson6902", Patch::read)?,
        patches: fields.list("patches", Patch::read)?,
        images,
        replicas: fields.list("replicas", Replica::read)?,
        replacements: fields.list("replacements", Replacement::read)?,
        vars: fields.list("vars", Var::read)?,
        config_maps: fields.list("configMapGenerator", |fields| ConfigMapArgs::read(fields, false))?,
        secrets: fields.list("secretGenerator", |fields| ConfigMapArgs::read(fields, true))?,
        generator_options: fields.object("generatorOptions", GeneratorOptions::read)?,
        sort_options: fields.object("sortOptions", SortOptions::read)?,
        build_metadata: fields.strings("buildMetadata")?,
        configurations: fields.strings("configurations")?,
        crds: fields.strings("crds")?,
        openapi: fields.map("openapi")?,
        generators: fields.strings("generators")?,
        transformers: fields.strings("transformers")?,
        validators: fields.strings("validators")?,
        helm_charts: charts(fields)?,
        file: "",
    };
    let metadata = |fields: &mut Fields| {
        fields.string("name")?;
        fields.string("namespace")?;
        fields.map("labels")?;
        fields.map("annotations").map(|_| ())
    };
    fields.object("metadata", metadata)?;
    Ok(kustomization)
}

/// Both spellings of charts; where charts lie is said once for all.
fn charts(fields: &mut Fields) -> Result<Vec<Chart>, Error> {
    let globals = fields.object("helmGlobals", |fields| {
        Ok((fields.string("chartHome")?, fields.string("configHome")?))
    })?;
    let mut charts = fields.list("helmCharts", Chart::read)?;
    let legacy = fields.list("helmChartInflationGenerator", Chart::read_legacy)?;
    let last = |home: fn(&Chart) -> &String| {
        let given = legacy.iter().rev().map(home).find(|home| !home.is_empty());
        given.cloned().unwrap_or_default()
    };
    let (home, config_home) =
        globals.unwrap_or_else(|| (last(|chart| &chart.home), last(|chart| &chart.config_home)));
    charts.extend(legacy);
    for chart in &mut charts {
        chart.home.clone_from(&home);
        chart.config_home.clone_from(&config_home);
    }
    Ok(charts)
}
