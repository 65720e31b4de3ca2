//! PURE: what is done to rendered files before they become objects: `spec.postRenderers`, `spec.commonMetadata`, and
//! last, so that nothing can change them, the labels that name the HelmRelease.

use super::objects;
use artifact::Tree;
use crds::{
    helm::{HelmRelease, Kustomize, PostRenderStrategy},
    meta::{HELM_NAME, HELM_NAMESPACE},
};
use helm::{Hook, Manifest, manifest};
use kube::ResourceExt as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use thiserror::Error;

/// The annotation that carries a document's file through the renderers.
const FILE: &str = "postrenderer.helm.sh/postrender-filename";
const INPUT: &str = "helm-output.yaml";

/// Why files cannot be post-rendered.
#[derive(Debug, Error)]
pub enum PostRenderError {
    /// A file is not YAML.
    #[error("error merging manifests: parsing {path}: {source}")]
    Parse {
        /// The template.
        path: String,
        /// What the parser says.
        source: yaml::Error,
    },
    /// Kustomize refuses.
    #[error("error while running post render on {what}: {source}")]
    Build {
        /// Files, hooks or manifests.
        what: &'static str,
        /// What it says.
        source: kustomize::Error,
    },
    /// The result is not one of objects.
    #[error("{0}")]
    Sort(#[from] helm::Error),
}

/// Rendered and post-rendered objects, each in install order.
#[derive(Debug)]
pub struct PostRendered {
    /// The objects.
    pub manifests: Vec<Manifest>,
    /// The hooks.
    pub hooks: Vec<Hook>,
}

/// Carries out the post-renderers of a HelmRelease on rendered files, by their paths.
///
/// # Errors
/// See [`PostRenderError`].
pub fn run(object: &HelmRelease, files: &BTreeMap<String, String>) -> Result<PostRendered, PostRenderError> {
    let renderers = renderers(object);
    let strategy = object.spec.post_render_strategy.unwrap_or_default();
    if strategy == PostRenderStrategy::Combined {
        return sort(&group(&renderers, files, "files", "")?);
    }
    let (hooks, manifests) = manifest::sort(files)?;
    let hooks = by_path(hooks.into_iter().map(|h| (h.path, h.manifest)));
    let manifests = by_path(manifests.into_iter().map(|m| (m.path, m.content)));
    let mut all = match strategy {
        PostRenderStrategy::Separate => group(&renderers, &hooks, "hooks", "hooks-")?,
        _ => hooks
            .iter()
            .map(|(path, text)| {
                (
                    path.clone(),
                    manifest::split(text).iter().map(ToString::to_string).collect(),
                )
            })
            .collect(),
    };
    for (path, mut documents) in group(&renderers, &manifests, "manifests", "manifests-")? {
        all.entry(path).or_default().append(&mut documents);
    }
    sort(&all)
}

/// The kustomizations to build one after the other.
fn renderers(object: &HelmRelease) -> Vec<Value> {
    let own = object
        .spec
        .post_renderers
        .iter()
        .filter_map(|r| r.kustomize.as_ref());
    let mut renderers: Vec<Value> = own.map(kustomization).collect();
    let mut last = base();
    let mut labels = Vec::new();
    if let Some(metadata) = &object.spec.common_metadata {
        if !metadata.labels.is_empty() {
            labels.push(json!({"pairs": metadata.labels}));
        }
        if !metadata.annotations.is_empty() {
            // Those of the objects only: `commonAnnotations` would reach into pod templates.
            let transformer = json!({
                "apiVersion": "builtin", "kind": "AnnotationsTransformer", "metadata": {"name": "common"},
                "annotations": metadata.annotations,
                "fieldSpecs": [{"path": "metadata/annotations", "create": true}],
            });
            last["transformers"] = json!([yaml::to_string(&transformer)]);
        }
    }
    let origin = json!({HELM_NAME: object.name_any(), HELM_NAMESPACE: object.namespace()});
    labels.push(json!({"pairs": origin}));
    last["labels"] = json!(labels);
    renderers.push(last);
    renderers
}

fn kustomization(spec: &Kustomize) -> Value {
    let mut own = base();
    if !spec.patches.is_empty() {
        own["patches"] = json!(spec.patches);
    }
    if !spec.images.is_empty() {
        own["images"] = json!(spec.images);
    }
    own
}

fn base() -> Value {
    json!({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [INPUT]})
}

type Documents = BTreeMap<String, Vec<String>>;

/// Builds one group of files; the documents of each come out under its path.
fn group(
    renderers: &[Value],
    files: &BTreeMap<String, String>,
    what: &'static str,
    prefix: &str,
) -> Result<Documents, PostRenderError> {
    let mut stream = merged(files)?;
    if stream.is_empty() {
        return Ok(Documents::new());
    }
    let mut objects = Vec::new();
    for renderer in renderers {
        let failed = |source| PostRenderError::Build { what, source };
        let parts = [
            (INPUT.to_owned(), stream.into_bytes()),
            ("kustomization.yaml".to_owned(), renderer.to_string().into_bytes()),
        ];
        // Two fixed names make a tree.
        let tree = Tree::from_files(parts).unwrap_or_default();
        let options = kustomize::Options {
            order: kustomize::Order::None,
            load: kustomize::Load::Anywhere,
            ..kustomize::Options::default()
        };
        let built = kustomize::build(&tree, "", &options).map_err(failed)?;
        stream = built.to_yaml();
        objects = built
            .resources
            .into_iter()
            .map(kustomize::Resource::into_value)
            .collect();
    }
    let mut documents = Documents::new();
    for (at, mut object) in objects.into_iter().enumerate() {
        let path = take_file(&mut object);
        let path = path.unwrap_or_else(|| format!("generated-by-postrender-{prefix}{at}.yaml"));
        documents.entry(path).or_default().push(yaml::to_string(&object));
    }
    Ok(documents)
}

/// All documents as one stream, each with the name of its file.
fn merged(files: &BTreeMap<String, String>) -> Result<String, PostRenderError> {
    let mut stream = String::new();
    for (path, text) in files {
        let base = path.rsplit('/').next().unwrap_or_default();
        if base.starts_with('_') || text.trim().is_empty() {
            continue;
        }
        for document in manifest::split(text) {
            let bad = |source| PostRenderError::Parse {
                path: path.clone(),
                source,
            };
            let nodes = yaml::parse_nodes(document.as_bytes(), yaml::Schema::GoV3, &yaml::Limits::default());
            for node in nodes.map_err(bad)? {
                let mut value = yaml::to_value(&node, yaml::Schema::GoV3).map_err(bad)?;
                if !value.is_object() {
                    continue;
                }
                objects::put(&mut value, "annotations", FILE, path);
                stream.push_str("---\n");
                yaml::write(&value, &mut stream);
            }
        }
    }
    Ok(stream)
}

fn take_file(object: &mut Value) -> Option<String> {
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let path = annotations.shift_remove(FILE);
    if annotations.is_empty() {
        metadata.shift_remove("annotations");
    }
    path?.as_str().map(str::to_owned)
}

fn by_path(documents: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (path, text) in documents {
        match files.get_mut(&path) {
            Some(known) => {
                known.push_str("\n---\n");
                known.push_str(&text);
            }
            None => {
                files.insert(path, text);
            }
        }
    }
    files
}

/// Tells hooks from objects, and sorts both. As in Helm 4.2, a document's last line break goes where another follows it.
fn sort(documents: &Documents) -> Result<PostRendered, PostRenderError> {
    let files = documents
        .iter()
        .map(|(path, all)| (path.clone(), all.join("---\n")));
    let (mut hooks, mut manifests) = manifest::sort(&files.collect())?;
    let inner = |path: &str, text: &str| {
        let last = documents.get(path).and_then(|all| all.last());
        last.is_some_and(|last| last != text)
    };
    for hook in &mut hooks {
        if inner(&hook.path, &hook.manifest) {
            hook.manifest.truncate(hook.manifest.trim_end().len());
        }
    }
    for manifest in &mut manifests {
        if inner(&manifest.path, &manifest.content) {
            manifest.content.truncate(manifest.content.trim_end().len());
        }
    }
    Ok(PostRendered { manifests, hooks })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(spec: Value) -> HelmRelease {
        let mut object = json!({
            "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
            "metadata": {"name": "web", "namespace": "apps"}, "spec": {"interval": "1h"},
        });
        object["spec"]
            .as_object_mut()
            .unwrap()
            .extend(spec.as_object().unwrap().clone());
        serde_json::from_value(object).unwrap()
    }

    fn files(text: &str) -> BTreeMap<String, String> {
        [("c/templates/a.yaml".to_owned(), text.to_owned())].into()
    }

    #[test]
    fn objects_and_hooks_carry_the_origin_and_come_out_in_order() {
        let text = "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: d}\nspec: {template: {metadata: {labels: {a: b}}}}\n---\n# only words\n---\n\
                    apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n";
        let spec = json!({"commonMetadata": {"labels": {"team": "a", HELM_NAME: "forged"}, "annotations": {"note": "1"}}});
        let done = run(&object(spec), &files(text)).unwrap();
        let texts: Vec<&str> = done.manifests.iter().map(|m| m.content.as_str()).collect();
        let meta = "  annotations:\n    note: \"1\"\n  labels:\n    helm.toolkit.fluxcd.io/name: web\n    helm.toolkit.fluxcd.io/namespace: apps\n    team: a\n";
        assert_eq!(
            texts,
            [
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n{meta}  name: c"),
                format!(
                    "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n{meta}  name: d\nspec:\n  template:\n    metadata:\n      labels:\n        a: b"
                ),
            ]
        );
        assert_eq!(done.hooks.len(), 1);
        assert!(
            done.hooks[0]
                .manifest
                .contains("helm.toolkit.fluxcd.io/name: web")
                && done.hooks[0].manifest.ends_with('\n')
        );
    }

    #[test]
    fn hooks_are_left_alone_where_asked() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: t, annotations: {helm.sh/hook: test}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: t}\n";
        let both = run(&object(json!({})), &files(text)).unwrap_err().to_string();
        assert!(
            both.starts_with("error while running post render on files: "),
            "{both}"
        );
        let plain = run(&object(json!({"postRenderStrategy": "nohooks"})), &files(text)).unwrap();
        assert!(
            !plain.hooks[0].manifest.contains("helm.toolkit"),
            "{:?}",
            plain.hooks
        );
        let separate = run(&object(json!({"postRenderStrategy": "separate"})), &files(text)).unwrap();
        assert!(
            separate.hooks[0].manifest.contains("helm.toolkit"),
            "{:?}",
            separate.hooks
        );
    }

    #[test]
    fn nothing_is_rendered_to_nothing() {
        assert!(
            run(&object(json!({})), &files("# empty\n"))
                .unwrap()
                .manifests
                .is_empty()
        );
    }
}
