//! PURE: the kustomization that is built: the one at the path with the spec's overrides, or one made from its files.

use artifact::{PathError, Tree, clean_path};
use crds::kustomize::KustomizationSpec;
use kustomize::Inputs;
use serde_json::{Map, Value, json};
use thiserror::Error;
use yaml::{Limits, Schema};

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

/// All manifests below a directory; a directory with a kustomization of its own counts as one.
fn scan(tree: &Tree, path: &str, inputs: &mut Inputs) -> Result<Vec<String>, GenerateError> {
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

/// Lays the spec's overrides over the fields of a kustomization; says whether there were any.
fn merge(
    fields: &mut Map<String, Value>,
    tree: &Tree,
    path: &str,
    spec: &KustomizationSpec,
    inputs: &mut Inputs,
) -> Result<bool, GenerateError> {
    let before = fields.clone();
    for (field, value) in [
        ("namespace", &spec.target_namespace),
        ("namePrefix", &spec.name_prefix),
        ("nameSuffix", &spec.name_suffix),
    ] {
        if let Some(value) = value.as_ref().filter(|v| !v.is_empty()) {
            fields.insert(field.into(), value.as_str().into());
        }
    }
    if !spec.patches.is_empty() {
        append(fields, "patches", spec.patches.iter().map(to_value));
    }
    let mut components = Vec::new();
    for component in &spec.components {
        let local = !component.contains("://") && !component.starts_with('/');
        let clean = clean_path(&join(path, component)).ok().filter(|_| local);
        let clean = clean.ok_or_else(|| GenerateError::Component {
            component: component.clone(),
        })?;
        if spec.ignore_missing_components && !tree.is_dir(&clean) {
            NAMES.iter().for_each(|n| inputs.absent(join(&clean, n)));
        } else {
            components.push(Value::from(component.as_str()));
        }
    }
    if !components.is_empty() {
        append(fields, "components", components);
    }
    for image in &spec.images {
        merge_image(fields, &to_value(image));
    }
    if !spec.build_metadata.is_empty() {
        fields.insert(
            "buildMetadata".into(),
            spec.build_metadata.iter().map(to_value).collect(),
        );
    }
    Ok(*fields != before)
}

/// An image of the spec replaces name and tag-or-digest of the file's image of the same name.
fn merge_image(fields: &mut Map<String, Value>, image: &Value) {
    let images = fields.entry("images").or_insert_with(|| json!([]));
    if !images.is_array() {
        *images = json!([]);
    }
    let Some(images) = images.as_array_mut() else {
        return;
    };
    let Some(same) = images
        .iter_mut()
        .find(|i| i.get("name") == image.get("name"))
        .and_then(Value::as_object_mut)
    else {
        images.push(image.clone());
        return;
    };
    if let Some(name) = image.get("newName") {
        same.insert("newName".into(), name.clone());
    }
    if image.get("newTag").is_some() || image.get("digest").is_some() {
        for field in ["newTag", "digest"] {
            same.shift_remove(field);
            if let Some(value) = image.get(field) {
                same.insert(field.into(), value.clone());
            }
        }
    }
}

fn append(fields: &mut Map<String, Value>, field: &str, more: impl IntoIterator<Item = Value>) {
    let list = fields.entry(field).or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    if let Some(list) = list.as_array_mut() {
        list.extend(more);
    }
}

fn to_value<T: serde::Serialize>(part: &T) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() || dir == "." {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::meta::{Image, Patch};

    const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

    fn tree(files: &[(&str, &str)]) -> Tree {
        Tree::from_files(
            files
                .iter()
                .map(|(p, c)| ((*p).to_owned(), c.as_bytes().to_vec())),
        )
        .unwrap()
    }

    fn made(files: &[(&str, &str)], spec: &KustomizationSpec) -> Value {
        let generated = generate(&tree(files), "app", spec).unwrap();
        let file = generated
            .tree
            .file(generated.overlaid.as_deref().unwrap())
            .unwrap();
        yaml::parse(file.bytes()).unwrap()
    }

    #[test]
    fn files_are_found_below_and_a_kustomization_counts_as_one() {
        let files = [
            ("app/b.yaml", MANIFEST),
            ("app/README.md", "no"),
            ("app/sub/a.yml", MANIFEST),
            ("app/base/kustomization.yaml", "resources: [x.yaml]"),
            ("app/base/x.yaml", "anything"),
            ("elsewhere/c.yaml", "- not: k8s"),
        ];
        assert_eq!(
            made(&files, &KustomizationSpec::default())["resources"],
            json!(["./b.yaml", "./base", "./sub/a.yml"])
        );
    }

    #[test]
    fn overrides_are_laid_over_the_file() {
        let file = "namespace: old\nimages: [{name: nginx, newTag: a}, {name: redis}]\npatches: [{patch: one}]\nresources: [a.yaml]\n";
        let spec = KustomizationSpec {
            target_namespace: Some("new".into()),
            patches: vec![Patch {
                patch: "two".into(),
                target: None,
            }],
            images: vec![Image {
                name: "nginx".into(),
                digest: Some("sha256:1".into()),
                ..Image::default()
            }],
            components: vec!["../c".into()],
            ..KustomizationSpec::default()
        };
        let made = made(
            &[
                ("app/kustomization.yaml", file),
                ("c/kustomization.yaml", "kind: Component"),
            ],
            &spec,
        );
        assert_eq!(
            made,
            json!({"namespace": "new", "images": [{"name": "nginx", "digest": "sha256:1"}, {"name": "redis"}], "patches": [{"patch": "one"}, {"patch": "two"}], "resources": ["a.yaml"], "components": ["../c"]})
        );
    }

    #[test]
    fn nothing_in_gives_nothing_out() {
        let spec = KustomizationSpec {
            target_namespace: Some("n".into()),
            ..KustomizationSpec::default()
        };
        assert!(
            generate(&tree(&[("app/README.md", "")]), "app", &spec)
                .unwrap()
                .empty
        );
        assert!(
            generate(
                &tree(&[("app/kustomization.yaml", "")]),
                "app",
                &KustomizationSpec::default()
            )
            .unwrap()
            .empty
        );
    }

    #[test]
    fn a_plain_kustomization_is_built_as_it_is() {
        let generated = generate(
            &tree(&[("app/kustomization.yml", "resources: [a.yaml]")]),
            "app",
            &KustomizationSpec::default(),
        )
        .unwrap();
        assert!(generated.overlaid.is_none() && !generated.empty);
    }

    #[test]
    fn problems_name_the_file() {
        let components = |c: &str| KustomizationSpec {
            components: vec![c.into()],
            ..KustomizationSpec::default()
        };
        let none = KustomizationSpec::default();
        for (files, spec, expected) in [
            (
                vec![("app/values.yaml", "replicas: 1")],
                &none,
                "failed to decode Kubernetes YAML from app/values.yaml: missing Resource metadata",
            ),
            (
                vec![("app/a.yaml", "kind: A")],
                &none,
                "failed to decode Kubernetes YAML from app/a.yaml: missing metadata.name in object of kind A",
            ),
            (
                vec![("app/kustomization.yaml", "[]")],
                &none,
                "app/kustomization.yaml is not a kustomization: expected a map of fields",
            ),
            (
                vec![("app/kustomization.yaml", ""), ("app/Kustomization", "")],
                &none,
                "found multiple kustomization files under: app",
            ),
            (
                vec![("app/kustomization.yaml", "resources: [a]")],
                &components("https://x/y"),
                "component path 'https://x/y' must be local and relative",
            ),
            (
                vec![("app/kustomization.yaml", "resources: [a]")],
                &components("../../../x"),
                "component path '../../../x' must be local and relative",
            ),
        ] {
            assert_eq!(
                generate(&tree(&files), "app", spec).unwrap_err().to_string(),
                expected
            );
        }
    }
}
