//! `generators`, `transformers` and `validators`: the built-in ones by the objects that configure them.
//!
//! Programs and containers as plugins are refused, as kustomize refuses them unless told otherwise.

use crate::Error;
use crate::fieldspec::FieldSpec;
use crate::generate::{Generator, Kind};
use crate::helm::Chart;
use crate::kustomization::{ConfigMapArgs, Fields, Image, Patch, Replacement, Replica, Selector};
use crate::load::Loader;
use crate::object::Object;
use crate::transform::Transformer;
use crate::transform::namespace::{Namespace, Subjects};
use crate::transform::patches;
use crate::transform::prefix_suffix::Side;
use crate::transform::replacements;
use crate::transform::value_add::ValueAdd;
use yaml::Schema;

/// The `apiVersion` of the configuration of what is built in.
const BUILTIN: &str = "builtin";

/// Makes the generator that `config` describes.
///
/// # Errors
/// It describes none, or one that is not built in; a configuration that cannot be used.
pub(crate) fn generator(loader: &Loader<'_>, config: &Object) -> Result<Generator, Error> {
    let mut fields = open(config)?;
    let read = match config.kind() {
        "ConfigMapGenerator" => args(&mut fields, Kind::ConfigMap),
        "SecretGenerator" => args(&mut fields, Kind::Secret),
        "HelmChartInflationGenerator" => {
            Chart::read_plugin(loader, &mut fields).map(|chart| Generator::Helm(Box::new(chart)))
        }
        "IAMPolicyGenerator" => Generator::read_policy(&mut fields),
        _ if transformer(loader, config).is_ok() => {
            let id = config.original_id().to_string();
            return Err(Error::Plugin {
                problem: format!("plugin {id} not a generator"),
            });
        }
        _ => return Err(unknown(config)),
    };
    read.map_err(|e| failed(config, e))
}

/// Makes the transformer that `config` describes.
///
/// # Errors
/// As [`generator`].
pub(crate) fn transformer(loader: &Loader<'_>, config: &Object) -> Result<Transformer, Error> {
    let mut fields = open(config)?;
    if matches!(
        config.kind(),
        "ConfigMapGenerator" | "SecretGenerator" | "HelmChartInflationGenerator" | "IAMPolicyGenerator"
    ) {
        let id = config.original_id().to_string();
        return Err(Error::Plugin {
            problem: format!("plugin {id} not a transformer"),
        });
    }
    match read(loader, config.kind(), &mut fields) {
        Ok(Some(transformer)) => Ok(transformer),
        Ok(None) => Err(unknown(config)),
        Err(error) => Err(failed(config, error)),
    }
}

fn read(loader: &Loader<'_>, kind: &str, fields: &mut Fields) -> Result<Option<Transformer>, Error> {
    let specs = |fields: &mut Fields| fields.list("fieldSpecs", FieldSpec::read);
    Ok(Some(match kind {
        "AnnotationsTransformer" => Transformer::Annotations(fields.map("annotations")?, specs(fields)?),
        "HashTransformer" => Transformer::Hash,
        "ImageTagTransformer" => {
            let image = fields.object("imageTag", Image::read)?;
            Transformer::Images(image.unwrap_or_default(), specs(fields)?)
        }
        "LabelTransformer" => Transformer::Labels(fields.map("labels")?, specs(fields)?),
        "NamespaceTransformer" => Transformer::Namespace(namespace(fields)?),
        "PatchJson6902Transformer" => {
            let patch = Patch {
                path: fields.string("path")?,
                patch: fields.string("jsonOp")?,
                target: fields.object("target", Selector::read)?,
                ..Patch::default()
            };
            Transformer::PatchJson6902(Box::new(patches::prepare_operations(loader, &patch)?))
        }
        "PatchStrategicMergeTransformer" => {
            let (paths, inline) = (fields.strings("paths")?, fields.string("patches")?);
            Transformer::PatchStrategicMerge(patches::prepare_partial(loader, &paths, &inline)?)
        }
        "PatchTransformer" => {
            let patch = Patch::read(fields)?;
            Transformer::Patch(Box::new(patches::prepare(loader, &patch)?))
        }
        "PrefixTransformer" => {
            Transformer::Affix(Side::Prefix, fields.string("prefix")?, needed_specs(fields)?)
        }
        "SuffixTransformer" => {
            Transformer::Affix(Side::Suffix, fields.string("suffix")?, needed_specs(fields)?)
        }
        "PrefixSuffixTransformer" => Transformer::PrefixSuffix {
            prefix: fields.string("prefix")?,
            suffix: fields.string("suffix")?,
            specs: needed_specs(fields)?,
        },
        "ReplacementTransformer" => {
            let entries = fields.list("replacements", Replacement::read)?;
            Transformer::Replacements(replacements::prepare(loader, &entries)?)
        }
        "ReplicaCountTransformer" => {
            let replica = fields.object("replica", Replica::read)?;
            Transformer::Replicas(replica.unwrap_or_default(), specs(fields)?)
        }
        "ValueAddTransformer" => Transformer::ValueAdd(ValueAdd::read(loader, fields)?),
        _ => return Ok(None),
    }))
}

fn args(fields: &mut Fields, kind: Kind) -> Result<Generator, Error> {
    let metadata = fields
        .object("metadata", |fields| {
            Ok((fields.string("name")?, fields.string("namespace")?))
        })?
        .unwrap_or_default();
    let mut args = ConfigMapArgs::read(fields, kind == Kind::Secret)?;
    // Here, unlike in a kustomization, the old spelling has no effect.
    args.envs.truncate(args.envs.len() - usize::from(args.has_env));
    if args.name.is_empty() {
        args.name = metadata.0;
    }
    if args.namespace.is_empty() {
        args.namespace = metadata.1;
    }
    Ok(Generator::Map(kind, Box::new(args)))
}

fn namespace(fields: &mut Fields) -> Result<Namespace, Error> {
    let mut read = || {
        let namespace = fields.object("metadata", |fields| fields.string("namespace"))?;
        let specs = fields.list("fieldSpecs", FieldSpec::read)?;
        let unset_only = fields.boolean("unsetOnly")?;
        let subjects = fields.string("setRoleBindingSubjects")?;
        Ok((namespace.unwrap_or_default(), specs, unset_only, subjects))
    };
    let (namespace, specs, unset_only, subjects) =
        read().map_err(|e: Error| e.decoding().during("unmarshalling NamespaceTransformer config"))?;
    let subjects = match subjects.as_str() {
        "" | "defaultOnly" => Subjects::Default,
        "allServiceAccounts" => Subjects::ServiceAccounts,
        "none" => Subjects::None,
        other => {
            let problem = format!(
                "invalid value {other:?} for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \
                 \"allServiceAccounts\""
            );
            return Err(Error::Plugin { problem });
        }
    };
    Ok(Namespace {
        namespace,
        specs,
        unset_only,
        subjects,
    })
}

fn needed_specs(fields: &mut Fields) -> Result<Vec<FieldSpec>, Error> {
    if !fields.has("fieldSpecs") {
        return Err(Error::Plugin {
            problem: "fieldSpecs is not expected to be nil".to_string(),
        });
    }
    fields.list("fieldSpecs", FieldSpec::read)
}

/// The configuration's fields, if it is of something built in.
fn open(config: &Object) -> Result<Fields, Error> {
    if config.api_version() != BUILTIN {
        return Err(Error::ExternalPlugin {
            kind: config.original_id().gvk.kind,
        });
    }
    let value = yaml::to_value_strict(&config.node, Schema::GoV3).map_err(|cause| Error::Output {
        id: config.original_id().to_string(),
        cause,
    })?;
    Fields::open_lax(value, &format!("{}Plugin", config.kind()))
}

fn unknown(config: &Object) -> Error {
    Error::Plugin {
        problem: format!("unable to load builtin {}", config.gvk()),
    }
}

fn failed(config: &Object, error: Error) -> Error {
    error
        .decoding()
        .during(format!("plugin {} fails configuration", config.original_id()))
}
