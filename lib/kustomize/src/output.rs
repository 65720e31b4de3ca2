//! The finished objects and how they are printed.

use crate::object::Object;
use crate::{Error, Inputs};
use serde_json::Value;
use yaml::Schema;

/// What a build gives.
#[derive(Debug)]
pub struct Build {
    /// The objects, in order of output.
    pub resources: Vec<Resource>,
    /// All that the build looked at.
    pub inputs: Inputs,
    /// What kustomize says about fields that have a newer spelling, in the order of reading.
    pub warnings: Vec<String>,
}

/// A finished object.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    value: Value,
    id: String,
}

impl Build {
    /// Exactly what `kustomize build` prints: the objects, separated by `---`.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        for (at, resource) in self.resources.iter().enumerate() {
            if at > 0 {
                out.push_str("---\n");
            }
            yaml::write(&resource.value, &mut out);
        }
        out
    }
}

impl Resource {
    /// The object as JSON.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The object, to be taken.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// The object as kustomize prints it.
    pub fn to_yaml(&self) -> String {
        yaml::to_string(&self.value)
    }

    /// `Kind.version.group/name.namespace`, with `[noGrp]` and `[noNs]` for what is not there.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn finish(mut object: Object) -> Result<Resource, Error> {
        // kustomize takes its own notes out of the annotations in the end.
        object.texts_in("annotations");
        let id = object.id().to_string();
        let value = yaml::to_value_strict(&object.node, Schema::GoV3).map_err(|cause| Error::Output {
            id: id.clone(),
            cause,
        })?;
        Ok(Resource { value, id })
    }
}
