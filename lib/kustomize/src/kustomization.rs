//! The kustomization file: its fields, its legacy spellings, and what is wrong with it.

mod decode;
mod entries;

use crate::Error;
use crate::load::Loader;
use decode::Fields;

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
        let value = yaml::parse(bytes).map_err(|cause| Error::KustomizationYaml { cause })?;
        let mut fields = Fields::open(value, "Kustomization", "types.Kustomization")?;
        let mut kustomization = read(&mut fields)?;
        let api_version = fields.string("apiVersion")?;
        let empty = fields.is_empty();
        let unsupported = fields.present(&UNSUPPORTED);
        fields.finish()?;
        if let Some(field) = unsupported {
            return Err(Error::Unsupported {
                file: loader.show_in_root(file),
                field,
            });
        }
        if empty {
            return Err(Error::KustomizationEmpty);
        }
        for option in &kustomization.build_metadata {
            let field = match option.as_str() {
                "managedByLabel" => continue,
                "originAnnotations" => "buildMetadata: originAnnotations",
                "transformerAnnotations" => "buildMetadata: transformerAnnotations",
                _ => continue,
            };
            return Err(Error::Unsupported {
                file: loader.show_in_root(file),
                field,
            });
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

/// Fields of kustomize that this version refuses rather than ignores.
const UNSUPPORTED: [&str; 9] = [
    "openapi",
    "crds",
    "helmGlobals",
    "helmCharts",
    "helmChartInflationGenerator",
    "configurations",
    "generators",
    "transformers",
    "validators",
];

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
    };
    fields.ignore("metadata");
    Ok(kustomization)
}
