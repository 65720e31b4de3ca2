//! The tables of field paths that say where transformers write: kustomize's own, and those a kustomization adds.

mod crds;
mod defaults;
mod read;

use crate::Error;
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use crate::transform::sort;
use std::sync::{Arc, OnceLock};

/// Most entries of one table; merging compares each with each.
const MAX_SPECS: usize = 2_000;

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
    /// In which table the built-in entries, which are all there, disagree with others, once somebody has looked.
    clash: OnceLock<Option<&'static str>>,
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
        if other.is_empty() {
            return Ok(self);
        }
        if Arc::ptr_eq(&other, &defaults::BUILTIN) {
            if self.is_empty() || Arc::ptr_eq(&self, &other) {
                return Ok(other);
            }
            // Each kustomization brings in the built-in tables once more, and nothing new comes of it.
            if self.has_builtin {
                return match self.clash.get_or_init(|| self.clash_with(&other)) {
                    None => Ok(self),
                    Some(table) => Err(conflict(table)),
                };
            }
        }
        // Even into nothing the entries go one by one, and some go under.
        let mut merged = Config::clone(&self);
        merged.has_builtin |= other.has_builtin;
        merged.clash = OnceLock::new();
        for (name, table, more) in merged.tables_mut(&other) {
            merge_specs(table, more).map_err(|e| e.during(merging(name)))?;
            sort(table);
        }
        merge_references(&mut merged.name_references, &other.name_references)
            .map_err(|e| e.during(merging("NameReference")))?;
        Ok(Arc::new(merged))
    }

    /// The table in which an entry of `other` would disagree with one that is here.
    fn clash_with(&self, other: &Config) -> Option<&'static str> {
        let mut copy = self.clone();
        for (name, table, more) in copy.tables_mut(other) {
            if merge_specs(table, more).is_err() {
                return Some(name);
            }
        }
        let references = merge_references(&mut copy.name_references, &other.name_references);
        references.is_err().then_some("NameReference")
    }

    /// Each table that is a list of fields, with that of `other`.
    fn tables_mut<'c>(
        &'c mut self,
        other: &'c Config,
    ) -> [(&'static str, &'c mut Vec<FieldSpec>, &'c [FieldSpec]); 10] {
        [
            ("NamePrefix", &mut self.name_prefix, &other.name_prefix),
            ("NameSuffix", &mut self.name_suffix, &other.name_suffix),
            ("NameSpace", &mut self.namespace, &other.namespace),
            (
                "CommonAnnotations",
                &mut self.common_annotations,
                &other.common_annotations,
            ),
            ("CommonLabels", &mut self.common_labels, &other.common_labels),
            ("Labels", &mut self.labels, &other.labels),
            (
                "TemplateLabels",
                &mut self.template_labels,
                &other.template_labels,
            ),
            ("VarReference", &mut self.var_references, &other.var_references),
            ("Images", &mut self.images, &other.images),
            ("Replicas", &mut self.replicas, &other.replicas),
        ]
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

fn merging(table: &str) -> String {
    format!("failed to merge {table} fieldSpec")
}

fn conflict(table: &str) -> Error {
    Error::ConflictingFields.during(merging(table))
}

fn too_many() -> Error {
    Error::TooMany {
        what: "entries in a table of fields",
        limit: MAX_SPECS,
    }
}
