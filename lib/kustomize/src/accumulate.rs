//! The order of the stages, and nothing else.

mod plugins;

use crate::Error;
use crate::config::Config;
use crate::documents;
use crate::generate::{self, Generator, Kind};
use crate::kustomization::Kustomization;
use crate::load::Loader;
use crate::object::Object;
use crate::objects::Objects;
use crate::origin::{self, Origin};
use crate::transform::namespace::{Namespace, Subjects};
use crate::transform::prefix_suffix::Side;
use crate::transform::vars::Vars;
use crate::transform::{Transformer, labels, patches, replacements};
use std::sync::Arc;

/// What a kustomization and all below it give.
#[derive(Debug, Default)]
pub(crate) struct Accumulated {
    /// Names are without hashes, references not yet followed.
    pub(crate) objects: Objects,
    /// Not yet resolved.
    pub(crate) vars: Vars,
    /// Where to write, for those that come after.
    pub(crate) config: Arc<Config>,
}

/// A directory to be built.
pub(crate) struct Target<'a> {
    loader: Loader<'a>,
    pub(crate) kustomization: Kustomization,
    /// Where it lies, if anybody wants to know where things come from.
    origin: Option<Origin>,
    /// The namespace of the nearest kustomization above that has one, for charts.
    namespace: String,
}

impl<'a> Target<'a> {
    /// The directory that the build begins with.
    ///
    /// # Errors
    /// No kustomization that can be read.
    pub(crate) fn first(loader: Loader<'a>) -> Result<Target<'a>, Error> {
        // What led to a nested kustomization names it; nothing has led to the first.
        let kustomization = Kustomization::load(&loader).map_err(|error| match loader.kustomization() {
            Ok((_, file)) if error.is_about_kustomization() => {
                error.during(loader.inside(file).unwrap_or_else(|_| file.to_string()))
            }
            _ => error,
        })?;
        let wanted = !kustomization.build_metadata.is_empty();
        let target = Target {
            loader,
            kustomization,
            origin: wanted.then(Origin::default),
            namespace: String::new(),
        };
        target.set_schema()?;
        Ok(target)
    }

    /// Builds the directory, on top of what there is if it is a component.
    ///
    /// # Errors
    /// Whatever any of the stages says, with the way that led there.
    pub(crate) fn accumulate(&self, before: Accumulated) -> Result<Accumulated, Error> {
        let (loader, kustomization) = (&self.loader, &self.kustomization);
        let mut all = before;
        for path in &kustomization.resources {
            self.resource(path, &mut all)
                .map_err(|e| e.during("accumulating resources"))?;
        }
        all.config = all
            .config
            .merge(Config::with_files(loader, &kustomization.configurations)?)
            .map_err(|e| e.during("merging config"))?;
        let crds = Config::of_crds(loader, &kustomization.crds)
            .map_err(|e| e.during(format!("loading CRDs [{}]", kustomization.crds.join(" "))))?;
        all.config = all.config.merge(crds).map_err(|e| e.during("merging CRDs"))?;
        self.generate(&mut all.objects)?;
        for path in &kustomization.components {
            all = self
                .component(path, all)
                .map_err(|e| e.during("accumulating components"))?;
        }
        self.transform(&mut all)?;
        self.validate(&mut all.objects)?;
        all.vars
            .add(&kustomization.vars, &mut all.objects)
            .map_err(|e| e.during("merging vars"))?;
        Ok(all)
    }

    /// A resource is tried as a file first and then as a directory.
    fn resource(&self, path: &str, all: &mut Accumulated) -> Result<(), Error> {
        let as_file = match self.file(path).and_then(|found| {
            all.objects
                .append_all(found)
                .map_err(|e| e.during(format!("merging resources from '{path}'")))
        }) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let base = match self.loader.enter(path) {
            Ok(inner) => self.base(inner, path, all),
            // The file is there and broken: that it is no directory either is no news.
            Err(_) if as_file.is_malformed() => return Err(as_file),
            Err(error @ Error::Remote { .. }) => return Err(error),
            Err(error) => Err(error),
        };
        base.map_err(|as_base| Error::NeitherFileNorBase {
            as_file: Box::new(as_file),
            as_base: Box::new(as_base),
        })
    }

    fn file(&self, path: &str) -> Result<Vec<Object>, Error> {
        let mut objects = self
            .loader
            .read(path)
            .and_then(|bytes| documents::objects(&bytes))
            .map_err(|e| {
                e.in_file(path)
                    .during(format!("accumulating resources from '{path}'"))
            })?;
        if let Some(origin) = &self.origin {
            let origin = origin.append(path);
            objects.iter_mut().for_each(|object| origin::set(object, &origin));
        }
        self.loader.session().schemas.borrow_mut().seen(&objects);
        Ok(objects)
    }

    fn base(&self, loader: Loader<'a>, path: &str, all: &mut Accumulated) -> Result<(), Error> {
        let inner = self.inner(loader, path)?;
        let root = inner.loader.shown_root();
        if inner.kustomization.is_component() {
            return Err(Error::UnexpectedComponent { path: root });
        }
        let found = inner
            .accumulate(Accumulated::default())
            .map_err(|e| inner.recursed(e))?;
        let merge = || {
            all.objects.append_all(found.objects.into_list())?;
            all.config = Arc::clone(&all.config).merge(found.config)?;
            all.vars.merge(found.vars)
        };
        merge().map_err(|e| e.during(format!("recursed merging from path '{root}'")))
    }

    /// A component works on all that its parent has so far.
    fn component(&self, path: &str, all: Accumulated) -> Result<Accumulated, Error> {
        let loader = self.loader.enter(path).map_err(|e| e.during("loader.New"))?;
        let inner = self.inner(loader, path)?;
        if !inner.kustomization.is_component() {
            return Err(Error::ExpectedComponent {
                path: inner.loader.shown_root(),
                kind: inner.kustomization.kind,
            });
        }
        let found = inner.accumulate(all).map_err(|e| inner.recursed(e))?;
        // What a component made alike of two objects is noticed where its parent takes them back.
        let root = inner.loader.shown_root();
        let unique = found.objects.check_ids();
        unique.map_err(|e| e.during(format!("recursed merging from path '{root}'")))?;
        Ok(found)
    }

    /// A directory that this one names `path`.
    fn inner(&self, loader: Loader<'a>, path: &str) -> Result<Target<'a>, Error> {
        let mut kustomization = Kustomization::load(&loader)
            .map_err(|e| e.during(format!("couldn't make target for path '{}'", loader.shown_root())))?;
        kustomization
            .build_metadata
            .clone_from(&self.kustomization.build_metadata);
        let inner = Target {
            loader,
            kustomization,
            origin: self.origin.as_ref().map(|origin| origin.append(path)),
            namespace: self.chart_namespace().to_string(),
        };
        inner.set_schema()?;
        Ok(inner)
    }

    fn recursed(&self, error: Error) -> Error {
        error.during(format!(
            "recursed accumulation of path '{}'",
            self.loader.shown_root()
        ))
    }

    fn chart_namespace(&self) -> &str {
        if self.kustomization.namespace.is_empty() {
            &self.namespace
        } else {
            &self.kustomization.namespace
        }
    }

    /// Takes notice of `openapi`.
    fn set_schema(&self) -> Result<(), Error> {
        let field = |name: &str| {
            let fields = &self.kustomization.openapi;
            fields
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        let file = field("path").map(|path| self.loader.read(path)).transpose()?;
        let mut schemas = self.loader.session().schemas.borrow_mut();
        schemas.set(field("version"), file.as_deref())
    }

    fn generate(&self, objects: &mut Objects) -> Result<(), Error> {
        let mut generators = Vec::new();
        for (kind, entries) in [
            (Kind::ConfigMap, &self.kustomization.config_maps),
            (Kind::Secret, &self.kustomization.secrets),
        ] {
            let origin = self.builtin(match kind {
                Kind::ConfigMap => "ConfigMapGenerator",
                Kind::Secret => "SecretGenerator",
            });
            for args in entries {
                let mut args = Box::new(args.clone());
                let global = self.kustomization.generator_options.as_ref();
                args.options = Some(generate::merged(args.options.as_ref(), global));
                generators.push((Generator::Map(kind, args), origin.clone()));
            }
        }
        for chart in &self.kustomization.helm_charts {
            let mut chart = chart.clone();
            if chart.namespace.is_empty() {
                chart.namespace = self.chart_namespace().to_string();
            }
            let shown = chart.shown();
            let chart = chart.configured(&self.loader).map_err(|e| {
                e.during(format!(
                    "trouble configuring builtin HelmChartInflationGenerator with config: `\n{shown}`"
                ))
            })?;
            let origin = self.builtin("HelmChartInflationGenerator");
            generators.push((Generator::Helm(Box::new(chart)), origin));
        }
        generators.extend(self.external_generators()?);
        for (generator, origin) in generators {
            let mut made = generator.generate(&self.loader)?;
            if let Some(origin) = origin {
                made.iter_mut()
                    .for_each(|object| origin::generated(object, &origin));
            }
            for object in made {
                objects
                    .absorb(object)
                    .map_err(|e| e.during("merging from generator"))?;
            }
        }
        Ok(())
    }

    fn transform(&self, all: &mut Accumulated) -> Result<(), Error> {
        let mut transformers = self.builtin_transformers(&all.config)?;
        transformers.extend(self.external_transformers(&self.kustomization.transformers)?);
        for (transformer, origin) in transformers {
            transformer.apply(&mut all.objects, self.loader.session())?;
            if let Some(origin) = origin {
                origin::transformed(&mut all.objects, &origin);
            }
        }
        Ok(())
    }

    /// The transformers that the kustomization's own fields stand for, in kustomize's order.
    fn builtin_transformers(&self, config: &Config) -> Result<Vec<(Transformer, Option<Origin>)>, Error> {
        let (loader, fields) = (&self.loader, &self.kustomization);
        let mut all = Vec::new();
        let mut add = |kind: &str, transformer| all.push((transformer, self.builtin(kind)));
        let configuring = |kind: &str, config: &str, error: Error| {
            error.during(format!(
                "trouble configuring builtin {kind} with config: `\n{config}`"
            ))
        };
        if !fields.patches_strategic_merge.is_empty() {
            let kind = "PatchStrategicMergeTransformer";
            let entries = &fields.patches_strategic_merge;
            let parts = patches::prepare_partial(loader, entries, "")
                .map_err(|e| configuring(kind, &patches::shown_paths(entries), e))?;
            add(kind, Transformer::PatchStrategicMerge(parts));
        }
        for patch in &fields.patches {
            let kind = "PatchTransformer";
            let prepared =
                patches::prepare(loader, patch).map_err(|e| configuring(kind, &patches::shown(patch), e))?;
            add(kind, Transformer::Patch(Box::new(prepared)));
        }
        if !fields.namespace.is_empty() {
            let namespace = Namespace {
                namespace: fields.namespace.clone(),
                specs: config.namespace.clone(),
                unset_only: false,
                subjects: Subjects::default(),
            };
            add("NamespaceTransformer", Transformer::Namespace(namespace));
        }
        for (kind, side, text, specs) in [
            (
                "PrefixTransformer",
                Side::Prefix,
                &fields.name_prefix,
                &config.name_prefix,
            ),
            (
                "SuffixTransformer",
                Side::Suffix,
                &fields.name_suffix,
                &config.name_suffix,
            ),
        ] {
            if !text.is_empty() {
                add(kind, Transformer::Affix(side, text.clone(), specs.clone()));
            }
        }
        for label in &fields.labels {
            let specs = labels::specs(label, config).map_err(|e| e.during("failed to merge labels"))?;
            add(
                "LabelTransformer",
                Transformer::Labels(label.pairs.clone(), specs),
            );
        }
        if !fields.labels.is_empty() || !fields.common_labels.is_empty() {
            let (pairs, specs) = (fields.common_labels.clone(), config.common_labels.clone());
            add("LabelTransformer", Transformer::Labels(pairs, specs));
        }
        if !fields.common_annotations.is_empty() {
            let (pairs, specs) = (
                fields.common_annotations.clone(),
                config.common_annotations.clone(),
            );
            add("AnnotationsTransformer", Transformer::Annotations(pairs, specs));
        }
        for patch in &fields.patches_json6902 {
            let kind = "PatchJson6902Transformer";
            let prepared = patches::prepare_operations(loader, patch)
                .map_err(|e| configuring(kind, &patches::shown_operations(patch), e))?;
            add(kind, Transformer::PatchJson6902(Box::new(prepared)));
        }
        for replica in &fields.replicas {
            let (replica, specs) = (replica.clone(), config.replicas.clone());
            add("ReplicaCountTransformer", Transformer::Replicas(replica, specs));
        }
        for image in &fields.images {
            let (image, specs) = (image.clone(), config.images.clone());
            add("ImageTagTransformer", Transformer::Images(image, specs));
        }
        if !fields.replacements.is_empty() {
            let kind = "ReplacementTransformer";
            let entries = replacements::prepare(loader, &fields.replacements)
                .map_err(|e| configuring(kind, &replacements::shown_paths(&fields.replacements), e))?;
            add(kind, Transformer::Replacements(entries));
        }
        Ok(all)
    }

    /// Where a field of the kustomization stands.
    fn builtin(&self, kind: &str) -> Option<Origin> {
        let origin = self.origin.as_ref()?;
        Some(origin.of_builtin(self.kustomization.file, kind))
    }
}
