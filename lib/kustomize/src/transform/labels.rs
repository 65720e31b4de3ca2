//! `labels` and `commonLabels`.

use super::{selected, set_pairs};
use crate::Error;
use crate::fieldspec::{DEFAULTS, FieldSpec};
use crate::id::Gvk;
use crate::kustomization::Label;
use crate::object::Object;
use crate::objects::Objects;

/// Sets the pairs of each entry of `labels`, in order, then `commonLabels`.
pub(crate) fn apply(
    objects: &mut Objects,
    labels: &[Label],
    common: &[(String, String)],
) -> Result<(), Error> {
    for label in labels {
        set(objects, &specs(label)?, &label.pairs)?;
    }
    set(objects, &DEFAULTS.common_labels, common)
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

fn set(objects: &mut Objects, specs: &[FieldSpec], pairs: &[(String, String)]) -> Result<(), Error> {
    if pairs.is_empty() {
        return Ok(());
    }
    for object in objects.list_mut() {
        let specs = selected(object, specs);
        set_pairs(object, &specs, pairs)?;
    }
    Ok(())
}

/// An entry's own fields and those that its switches stand for.
fn specs(label: &Label) -> Result<Vec<FieldSpec>, Error> {
    let mut specs = label.fields.clone();
    if label.include_selectors {
        merge(&mut specs, &DEFAULTS.common_labels)?;
        return Ok(specs);
    }
    if label.include_templates {
        merge(&mut specs, &DEFAULTS.template_labels)?;
    }
    merge(
        &mut specs,
        &[FieldSpec::new(Gvk::default(), "metadata/labels", true)],
    )?;
    Ok(specs)
}

/// A path already there for the same or fewer kinds is not added again, and must agree on creation.
fn merge(specs: &mut Vec<FieldSpec>, more: &[FieldSpec]) -> Result<(), Error> {
    for spec in more {
        match specs
            .iter()
            .find(|known| known.gvk.is_selected(&spec.gvk) && known.path == spec.path)
        {
            Some(known) if known.create != spec.create => return Err(Error::ConflictingFields),
            Some(_) => {}
            None => specs.push(spec.clone()),
        }
    }
    Ok(())
}
