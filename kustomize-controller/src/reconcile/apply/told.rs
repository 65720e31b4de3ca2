//! PURE: what was applied, in words.

use ::apply::{apply::Change, id::ObjectRef};

/// One line for each object that was created or changed.
pub fn told(changes: &[(ObjectRef, Change)]) -> String {
    let lines = changes.iter().filter(|(_, c)| c.is_new());
    lines
        .map(|(object, change)| format!("{object} {}", change.word()))
        .collect::<Vec<_>>()
        .join("\n")
}
