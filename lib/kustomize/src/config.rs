//! The tables of field paths that say where transformers write: kustomize's own, and those a kustomization adds.

mod crds;
mod defaults;
mod read;

use crate::Error;
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use crate::transform::sort;
use std::sync::Arc;

/// Most entries of one table; merging compares each with each.
const MAX_SPECS: usize = 5_000;

/// The tables by transformer. An accumulator starts without any; each kustomization brings in the built-in ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    /// All of a target stand together.
    pub(crate) name_references: Vec<NameReference>,
    pub(crate) var_references: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
    /// Whether the built-in tables are part of it.
    has_builtin: bool,
}

/// A field that holds the name of another object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameReference {
    /// The kind of object that is named.
    pub(crate) target: Gvk,
    /// Where the name stands.
    pub(crate) referrer: FieldSpec,
}

impl Config {
    /// The tables of kustomize 5.8.1.
    pub(crate) fn builtin() -> Arc<Config> {
        Arc::clone(&defaults::BUILTIN)
    }

    /// Takes in `other`; tables that are the same anyway are shared.
    ///
    /// # Errors
    /// Two entries for one field that disagree whether to create it; more entries than a table may have.
    pub(crate) fn merge(self: Arc<Config>, other: Arc<Config>) -> Result<Arc<Config>, Error> {
        let known = self.has_builtin && Arc::ptr_eq(&other, &defaults::BUILTIN);
        if known || Arc::ptr_eq(&self, &other) || other.is_empty() {
            return Ok(self);
        }
        if self.is_empty() {
            return Ok(other);
        }
        let mut merged = Config::clone(&self);
        merged.has_builtin |= other.has_builtin;
        let tables = [
            ("NamePrefix", &mut merged.name_prefix, &other.name_prefix),
            ("NameSuffix", &mut merged.name_suffix, &other.name_suffix),
            ("NameSpace", &mut merged.namespace, &other.namespace),
            (
                "CommonAnnotations",
                &mut merged.common_annotations,
                &other.common_annotations,
            ),
            ("CommonLabels", &mut merged.common_labels, &other.common_labels),
            ("Labels", &mut merged.labels, &other.labels),
            (
                "TemplateLabels",
                &mut merged.template_labels,
                &other.template_labels,
            ),
            ("VarReference", &mut merged.var_references, &other.var_references),
            ("Images", &mut merged.images, &other.images),
            ("Replicas", &mut merged.replicas, &other.replicas),
        ];
        for (name, table, more) in tables {
            merge_specs(table, more).map_err(|e| e.during(format!("failed to merge {name} fieldSpec")))?;
            sort(table);
        }
        merge_references(&mut merged.name_references, &other.name_references)
            .map_err(|e| e.during("failed to merge NameReference fieldSpec"))?;
        Ok(Arc::new(merged))
    }

    /// How many entries there are in all tables.
    fn len(&self) -> usize {
        let tables = [
            &self.name_prefix,
            &self.name_suffix,
            &self.namespace,
            &self.common_labels,
            &self.labels,
            &self.template_labels,
            &self.common_annotations,
            &self.var_references,
            &self.images,
            &self.replicas,
        ];
        tables.iter().map(|table| table.len()).sum::<usize>() + self.name_references.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A path already there for the same or fewer kinds is not added again, and must agree on creation.
///
/// # Errors
/// As [`Config::merge`].
pub(crate) fn merge_specs(specs: &mut Vec<FieldSpec>, more: &[FieldSpec]) -> Result<(), Error> {
    for spec in more {
        let known = specs.iter().find(|known| covers(known, spec));
        match known {
            Some(known) if known.create != spec.create => return Err(Error::ConflictingFields),
            Some(_) => {}
            None if specs.len() >= MAX_SPECS => return Err(too_many()),
            None => specs.push(spec.clone()),
        }
    }
    Ok(())
}

/// As [`merge_specs`], within each kind that is named.
fn merge_references(references: &mut Vec<NameReference>, more: &[NameReference]) -> Result<(), Error> {
    for new in more {
        let (mut known, mut last) = (None, None);
        for (at, old) in references.iter().enumerate() {
            if old.target == new.target {
                last = Some(at);
                if known.is_none() && covers(&old.referrer, &new.referrer) {
                    known = Some(&old.referrer);
                }
            }
        }
        match known {
            Some(known) if known.create != new.referrer.create => return Err(Error::ConflictingFields),
            Some(_) => {}
            None if references.len() >= MAX_SPECS => return Err(too_many()),
            None => references.insert(last.map_or(references.len(), |at| at + 1), new.clone()),
        }
    }
    references.sort_by_cached_key(|reference| sort::by_kind(&reference.target));
    Ok(())
}

fn covers(known: &FieldSpec, new: &FieldSpec) -> bool {
    known.path == new.path && known.gvk.is_selected(&new.gvk)
}

fn sort(specs: &mut [FieldSpec]) {
    specs.sort_by_cached_key(|spec| sort::by_kind(&spec.gvk));
}

fn too_many() -> Error {
    Error::TooMany {
        what: "entries in a table of fields",
        limit: MAX_SPECS,
    }
}
