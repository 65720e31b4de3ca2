//! `labels` and `commonLabels`.

use super::{selected, set_pairs};
use crate::Error;
use crate::config::{Config, merge_specs};
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use crate::kustomization::Label;
use crate::object::Object;
use crate::objects::Objects;

/// Sets the pairs in the fields of `specs`.
///
/// # Errors
/// A field in the way is no map.
pub(crate) fn apply(
    objects: &mut Objects,
    pairs: &[(String, String)],
    specs: &[FieldSpec],
) -> Result<(), Error> {
    if pairs.is_empty() {
        return Ok(());
    }
    for object in objects.list_mut() {
        let specs = selected(object, specs);
        set_pairs(object, &specs, pairs)?;
    }
    Ok(())
}

/// An entry's own fields, those that count for every entry, and those that its switches stand for.
///
/// # Errors
/// Two of them disagree whether to create a field.
pub(crate) fn specs(label: &Label, config: &Config) -> Result<Vec<FieldSpec>, Error> {
    let mut specs = label.fields.clone();
    merge_specs(&mut specs, &config.labels)?;
    if label.include_selectors {
        merge_specs(&mut specs, &config.common_labels)?;
        return Ok(specs);
    }
    if label.include_templates {
        merge_specs(&mut specs, &config.template_labels)
            .map_err(|e| e.during("failed to merge template fieldSpec"))?;
    }
    merge_specs(
        &mut specs,
        &[FieldSpec::new(Gvk::default(), "metadata/labels", true)],
    )?;
    Ok(specs)
}

/// `buildMetadata: [managedByLabel]`: says which version of kustomize this stands in for.
pub(crate) fn managed_by(object: &mut Object) -> Result<(), Error> {
    let spec = FieldSpec::new(Gvk::default(), "metadata/labels", true);
    let pair = (
        "app.kubernetes.io/managed-by".to_string(),
        "kustomize-v5.8.1".to_string(),
    );
    set_pairs(object, &[&spec], &[pair])
}
