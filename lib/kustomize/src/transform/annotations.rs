//! `commonAnnotations`: set on every object and pod template.

use super::{selected, set_pairs};
use crate::Error;
use crate::fieldspec::FieldSpec;
use crate::objects::Objects;

/// Sets the annotations in the fields of `specs`.
///
/// # Errors
/// A field in the way is no map.
pub(crate) fn apply(
    objects: &mut Objects,
    annotations: &[(String, String)],
    specs: &[FieldSpec],
) -> Result<(), Error> {
    if annotations.is_empty() {
        return Ok(());
    }
    for object in objects.list_mut() {
        let specs = selected(object, specs);
        set_pairs(object, &specs, annotations)?;
    }
    Ok(())
}
