//! `commonAnnotations`: set on every object and pod template.

use super::{selected, set_pairs};
use crate::Error;
use crate::fieldspec::DEFAULTS;
use crate::objects::Objects;

/// Sets the annotations.
pub(crate) fn apply(objects: &mut Objects, annotations: &[(String, String)]) -> Result<(), Error> {
    if annotations.is_empty() {
        return Ok(());
    }
    for object in objects.list_mut() {
        let specs = selected(object, &DEFAULTS.common_annotations);
        set_pairs(object, &specs, annotations)?;
    }
    Ok(())
}
