//! The entries of a kustomization's lists.

use super::decode::Fields;
use crate::Error;
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use crate::load::Loader;
use serde_json::Value;

/// Most steps of a field's path; bounds the depth of what is created along it.
const MAX_STEPS: usize = 100;

/// An entry of `labels`.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

/// An entry of `images`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) new_tag: String,
    pub(crate) digest: String,
    pub(crate) tag_suffix: String,
}

/// An entry of `replicas`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

/// An entry of `patches` or `patchesJson6902`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patch {
    pub(crate) path: String,
    pub(crate) patch: String,
    pub(crate) target: Option<Selector>,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
}

/// Which objects an entry is about: patterns for ids, selectors for labels and annotations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) label_selector: String,
    pub(crate) annotation_selector: String,
}

/// An entry of `configMapGenerator` or `secretGenerator`.
#[derive(Debug, Clone)]
pub(crate) struct ConfigMapArgs {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) behavior: String,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    /// Whether the last of `envs` was spelled `env`.
    pub(crate) has_env: bool,
    pub(crate) options: Option<GeneratorOptions>,
    /// Secrets only.
    pub(crate) kind: String,
}

/// `generatorOptions`, and `options` of a generator.
#[derive(Debug, Clone, Default)]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

/// `sortOptions`.
#[derive(Debug, Clone)]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) order_first: Vec<String>,
    pub(crate) order_last: Vec<String>,
    /// Whether `legacySortOptions` was there at all.
    pub(crate) legacy: bool,
}

/// An entry of `replacements`.
#[derive(Debug, Clone)]
pub(crate) struct Replacement {
    pub(crate) path: String,
    pub(crate) source: Option<Source>,
    pub(crate) source_value: Option<String>,
    pub(crate) targets: Vec<Target>,
}

/// Where a replacement takes its value.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) selector: Selector,
    pub(crate) field_path: String,
    pub(crate) options: Option<FieldOptions>,
}

/// Where a replacement puts it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) select: Option<Selector>,
    pub(crate) reject: Vec<Selector>,
    pub(crate) field_paths: Vec<String>,
    pub(crate) options: Option<FieldOptions>,
}

/// An entry of `vars`.
#[derive(Debug, Clone)]
pub(crate) struct Var {
    pub(crate) name: String,
    pub(crate) gvk: Gvk,
    /// Name of the object it is about.
    pub(crate) object: String,
    pub(crate) namespace: String,
    pub(crate) field_path: String,
}

/// Which part of a field, and whether to create it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: String,
    pub(crate) index: i64,
    pub(crate) create: bool,
}

impl Label {
    pub(crate) fn read(fields: &mut Fields) -> Result<Label, Error> {
        Ok(Label {
            pairs: fields.map("pairs")?,
            include_selectors: fields.boolean("includeSelectors")?,
            include_templates: fields.boolean("includeTemplates")?,
            fields: fields.list("fields", FieldSpec::read)?,
        })
    }
}

impl Gvk {
    /// `group`, `version` and `kind` beside other fields.
    pub(crate) fn read(fields: &mut Fields) -> Result<Gvk, Error> {
        Ok(Gvk {
            group: fields.string("group")?,
            version: fields.string("version")?,
            kind: fields.string("kind")?,
        })
    }
}

impl FieldSpec {
    /// An entry of a table of field paths.
    pub(crate) fn read(fields: &mut Fields) -> Result<FieldSpec, Error> {
        let gvk = Gvk::read(fields)?;
        let path = fields.string("path")?;
        if path.matches('/').count() > MAX_STEPS {
            let problem = format!("field path with more than {MAX_STEPS} steps");
            return Err(Error::KustomizationField { problem });
        }
        Ok(FieldSpec::new(gvk, &path, fields.boolean("create")?))
    }
}

impl Image {
    pub(crate) fn read(fields: &mut Fields) -> Result<Image, Error> {
        Ok(Image {
            name: fields.string("name")?,
            new_name: fields.string("newName")?,
            new_tag: fields.string("newTag")?,
            digest: fields.string("digest")?,
            tag_suffix: fields.string("tagSuffix")?,
        })
    }
}

impl Replica {
    pub(crate) fn read(fields: &mut Fields) -> Result<Replica, Error> {
        Ok(Replica {
            name: fields.string("name")?,
            count: fields.integer("count")?,
        })
    }
}

impl Patch {
    pub(crate) fn read(fields: &mut Fields) -> Result<Patch, Error> {
        let options = fields.object("options", |fields| {
            Ok((
                fields.boolean("allowNameChange")?,
                fields.boolean("allowKindChange")?,
            ))
        })?;
        let (allow_name_change, allow_kind_change) = options.unwrap_or_default();
        Ok(Patch {
            path: fields.string("path")?,
            patch: fields.string("patch")?,
            target: fields.object("target", Selector::read)?,
            allow_name_change,
            allow_kind_change,
        })
    }
}

impl Selector {
    pub(crate) fn read(fields: &mut Fields) -> Result<Selector, Error> {
        Ok(Selector {
            group: fields.string("group")?,
            version: fields.string("version")?,
            kind: fields.string("kind")?,
            name: fields.string("name")?,
            namespace: fields.string("namespace")?,
            label_selector: fields.string("labelSelector")?,
            annotation_selector: fields.string("annotationSelector")?,
        })
    }
}

impl ConfigMapArgs {
    /// `env` is the legacy spelling of one entry of `envs`.
    pub(crate) fn read(fields: &mut Fields, secret: bool) -> Result<ConfigMapArgs, Error> {
        let mut envs = fields.strings("envs")?;
        let env = fields.string("env")?;
        let has_env = !env.is_empty();
        envs.extend(Some(env).filter(|_| has_env));
        Ok(ConfigMapArgs {
            name: fields.string("name")?,
            namespace: fields.string("namespace")?,
            behavior: fields.string("behavior")?,
            literals: fields.strings("literals")?,
            files: fields.strings("files")?,
            envs,
            has_env,
            options: fields.object("options", GeneratorOptions::read)?,
            kind: if secret {
                fields.string("type")?
            } else {
                String::new()
            },
        })
    }
}

impl GeneratorOptions {
    pub(crate) fn read(fields: &mut Fields) -> Result<GeneratorOptions, Error> {
        Ok(GeneratorOptions {
            labels: fields.map("labels")?,
            annotations: fields.map("annotations")?,
            disable_name_suffix_hash: fields.boolean("disableNameSuffixHash")?,
            immutable: fields.boolean("immutable")?,
        })
    }
}

impl SortOptions {
    pub(crate) fn read(fields: &mut Fields) -> Result<SortOptions, Error> {
        let order = fields.string("order")?;
        let legacy = fields.object("legacySortOptions", |fields| {
            Ok((fields.strings("orderFirst")?, fields.strings("orderLast")?))
        })?;
        let is_legacy = legacy.is_some();
        let (order_first, order_last) = legacy.unwrap_or_default();
        Ok(SortOptions {
            order,
            order_first,
            order_last,
            legacy: is_legacy,
        })
    }
}

impl Replacement {
    /// An entry, inline or naming a file; also an entry of such a file.
    pub(crate) fn read(fields: &mut Fields) -> Result<Replacement, Error> {
        Ok(Replacement {
            path: fields.string("path")?,
            source: fields.object("source", |fields| {
                Ok(Source {
                    selector: Selector::read_id(fields)?,
                    field_path: fields.string("fieldPath")?,
                    options: fields.object("options", FieldOptions::read)?,
                })
            })?,
            source_value: fields.optional_string("sourceValue")?,
            targets: fields.list("targets", |fields| {
                Ok(Target {
                    select: fields.object("select", Selector::read)?,
                    reject: fields.list("reject", Selector::read)?,
                    field_paths: fields.strings("fieldPaths")?,
                    options: fields.object("options", FieldOptions::read)?,
                })
            })?,
        })
    }
}

impl Replacement {
    /// Reads a file that holds one replacement or a list of them; unlike the kustomization it may have other fields.
    ///
    /// # Errors
    /// No file, no YAML, a wrong type.
    pub(crate) fn load(loader: &Loader<'_>, path: &str) -> Result<Vec<Replacement>, Error> {
        let value = yaml::parse(&loader.read(path)?).map_err(|cause| Error::KustomizationYaml { cause })?;
        let items = match value {
            Value::Array(items) => items,
            Value::Object(_) => vec![value],
            _ => {
                let problem = "unsupported replacement type encountered within replacement path".to_string();
                return Err(Error::Replacement { problem });
            }
        };
        items
            .into_iter()
            .map(|item| Replacement::read(&mut Fields::open(item, "Replacement", "Replacement")?))
            .collect()
    }
}

impl Selector {
    /// True if it asks for anything in an id.
    pub(crate) fn names_id(&self) -> bool {
        [
            &self.group,
            &self.version,
            &self.kind,
            &self.name,
            &self.namespace,
        ]
        .iter()
        .any(|part| !part.is_empty())
    }

    fn read_id(fields: &mut Fields) -> Result<Selector, Error> {
        Ok(Selector {
            group: fields.string("group")?,
            version: fields.string("version")?,
            kind: fields.string("kind")?,
            name: fields.string("name")?,
            namespace: fields.string("namespace")?,
            ..Selector::default()
        })
    }
}

impl Var {
    /// `objref` names the kind by `apiVersion`, or by `group` and `version`.
    pub(crate) fn read(fields: &mut Fields) -> Result<Var, Error> {
        let name = fields.string("name")?;
        let object = fields.object("objref", |fields| {
            let api_version = fields.string("apiVersion")?;
            let mut gvk = Gvk::read(fields)?;
            match api_version.split('/').collect::<Vec<_>>()[..] {
                [group, version] => (gvk.group, gvk.version) = (group.to_string(), version.to_string()),
                [version] if !version.is_empty() => gvk.version = version.to_string(),
                _ => {}
            }
            Ok((gvk, fields.string("name")?, fields.string("namespace")?))
        })?;
        let (gvk, object, namespace) = object.unwrap_or_default();
        let field_path = fields
            .object("fieldref", |fields| fields.string("fieldPath"))?
            .unwrap_or_default();
        Ok(Var {
            name,
            gvk,
            object,
            namespace,
            field_path,
        })
    }
}

impl FieldOptions {
    fn read(fields: &mut Fields) -> Result<FieldOptions, Error> {
        fields.ignore("encoding");
        Ok(FieldOptions {
            delimiter: fields.string("delimiter")?,
            index: fields.integer("index")?,
            create: fields.boolean("create")?,
        })
    }
}
