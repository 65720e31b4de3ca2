//! PURE: the kustomization that is built: the one at the path with the spec's overrides, or one made from its files.

mod merge;
mod scan;
#[cfg(test)]
mod tests;

use artifact::{PathError, Tree};
use crds::kustomize::KustomizationSpec;
use kustomize::Inputs;
use merge::merge;
use scan::scan;
use serde_json::{Map, Value, json};
use thiserror::Error;

/// The names under which kustomize looks for its file.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A tree that kustomize can build at the path given.
#[derive(Debug)]
pub struct Generated {
    /// The artifact's tree, with the file that was made or changed laid over it.
    pub tree: Tree,
    /// The file laid over, if any: its digest there says nothing about the artifact.
    pub overlaid: Option<String>,
    /// What was looked at to make it.
    pub inputs: Inputs,
    /// There is nothing to build: no object comes out.
    pub empty: bool,
}

/// Why no kustomization can be made.
#[derive(Debug, Error)]
pub enum GenerateError {
    /// A file under a path without a kustomization is no Kubernetes manifest.
    #[error("failed to decode Kubernetes YAML from {path}: {problem}")]
    NoManifest {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The kustomization at the path cannot be read.
    #[error("failed to read {path}")]
    Kustomization {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: yaml::Error,
    },
    /// The kustomization at the path is no map.
    #[error("{path} is not a kustomization: expected a map of fields")]
    NotAMap {
        /// The file.
        path: String,
    },
    /// A component of the spec that is not in the artifact.
    #[error("component path '{component}' must be local and relative")]
    Component {
        /// The component.
        component: String,
    },
    /// Two files that both are kustomizations.
    #[error("found multiple kustomization files under: {path}")]
    Multiple {
        /// The directory.
        path: String,
    },
    /// A path that a tree cannot have.
    #[error("invalid path")]
    Path(#[source] PathError),
}

/// Makes the kustomization for `path` (clean, a directory of `tree`).
///
/// # Errors
/// See [`GenerateError`]; a problem that kustomize itself will name better is left to it.
pub fn generate(tree: &Tree, path: &str, spec: &KustomizationSpec) -> Result<Generated, GenerateError> {
    let mut inputs = Inputs::default();
    let present: Vec<String> = NAMES
        .iter()
        .map(|n| join(path, n))
        .filter(|p| tree.file(p).is_some())
        .collect();
    let (file, mut fields) = match present.as_slice() {
        [] => {
            let resources = scan(tree, path, &mut inputs)?;
            let fields = json!({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources});
            (join(path, NAMES[0]), fields)
        }
        [file] => {
            NAMES
                .iter()
                .map(|n| join(path, n))
                .filter(|p| p != file)
                .for_each(|p| inputs.absent(p));
            let content = tree.file(file);
            content
                .iter()
                .for_each(|f| inputs.read(file.clone(), *f.digest()));
            let bytes = content.map(|f| f.bytes()).unwrap_or_default();
            let fields = yaml::parse(bytes).map_err(|source| GenerateError::Kustomization {
                path: file.clone(),
                source,
            })?;
            (file.clone(), if fields.is_null() { json!({}) } else { fields })
        }
        _ => return Err(GenerateError::Multiple { path: path.into() }),
    };
    let map = fields
        .as_object_mut()
        .ok_or_else(|| GenerateError::NotAMap { path: file.clone() })?;
    let overridden = merge(map, tree, path, spec, &mut inputs)?;
    let makes_objects = |map: &Map<String, Value>| {
        map.iter().any(|(key, value)| {
            let nothing = key == "resources" && value.as_array().is_some_and(Vec::is_empty);
            !(nothing || ["apiVersion", "kind", "metadata"].contains(&key.as_str()))
        })
    };
    let generated = present.is_empty();
    if (generated
        && map
            .get("resources")
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty)
        && !map.contains_key("components"))
        || !makes_objects(map)
    {
        return Ok(Generated {
            tree: tree.clone(),
            overlaid: None,
            inputs,
            empty: true,
        });
    }
    if !generated && !overridden {
        return Ok(Generated {
            tree: tree.clone(),
            overlaid: None,
            inputs,
            empty: false,
        });
    }
    // JSON is YAML: no printer can say it otherwise than it is.
    let tree = tree
        .with_file(&file, fields.to_string())
        .map_err(GenerateError::Path)?;
    Ok(Generated {
        tree,
        overlaid: Some(file),
        inputs,
        empty: false,
    })
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() || dir == "." {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}
