//! A manifest that is ready to be applied.

use apply::id::ObjectRef;
use serde_json::Value;

/// A manifest that is ready to be applied.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The object it is of.
    pub object: ObjectRef,
    /// The manifest.
    pub value: Value,
}
