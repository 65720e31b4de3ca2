//! The manifests below a path that has no kustomization.

use super::{GenerateError, NAMES, join};
use artifact::Tree;
use kustomize::Inputs;
use serde_json::Value;
use yaml::{Limits, Schema};

/// All manifests below a directory; a directory with a kustomization of its own counts as one.
pub(super) fn scan(tree: &Tree, path: &str, inputs: &mut Inputs) -> Result<Vec<String>, GenerateError> {
    let mut found = Vec::new();
    // A stack, not recursion: how deep directories go is not ours to choose.
    let mut open = vec![(path.to_owned(), String::from("."))];
    while let Some((dir, shown)) = open.pop() {
        inputs.listed(dir.clone(), tree);
        let mut below = Vec::new();
        for (name, is_dir) in tree.entries(&dir) {
            let (full, relative) = (join(&dir, name), format!("{shown}/{name}"));
            if is_dir {
                below.push((full, relative));
            } else if name.ends_with(".yaml") || name.ends_with(".yml") {
                check_manifest(tree, &full)?;
                found.push(relative);
            }
        }
        for (full, relative) in below {
            if NAMES.iter().any(|n| tree.file(&join(&full, n)).is_some()) {
                inputs.listed(full, tree);
                found.push(relative);
            } else {
                open.push((full, relative));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A file must hold Kubernetes objects, or it would break the build with less of a hint.
fn check_manifest(tree: &Tree, path: &str) -> Result<(), GenerateError> {
    let fail = |problem: String| GenerateError::NoManifest {
        path: path.to_owned(),
        problem,
    };
    let bytes = tree.file(path).map(|f| f.bytes()).unwrap_or_default();
    // As kustomize reads resources: `off` is a name, not a boolean.
    let nodes = yaml::parse_nodes(bytes, Schema::GoV3, &Limits::default())
        .map_err(|e| fail(format!("MalformedYAMLError: {e}")))?;
    let documents = nodes
        .iter()
        .map(|n| yaml::to_value(n, Schema::GoV3))
        .collect::<Result<Vec<_>, _>>();
    let documents = documents.map_err(|e| fail(format!("MalformedYAMLError: {e}")))?;
    for document in documents {
        let text = |at: &str| document.pointer(at).and_then(Value::as_str).unwrap_or_default();
        if text("/kind").is_empty() {
            return Err(fail("missing Resource metadata".into()));
        }
        if text("/metadata/name").is_empty() && !text("/kind").ends_with("List") {
            return Err(fail(format!(
                "missing metadata.name in object of kind {}",
                text("/kind")
            )));
        }
    }
    Ok(())
}
