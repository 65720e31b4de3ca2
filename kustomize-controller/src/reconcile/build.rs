//! Files and values in, manifests out. Reading is I/O, building is pure; neither is done where nothing has changed.

use super::{
    step::{Failure, Resolved, Step},
    variables::{self, Variables},
};
use crate::{
    context::Context,
    generate::{self, Generated},
    ledger::{self, BuildKey, Built, Memory, Planned},
    manifest::Manifest,
    substitute,
};
use ::apply::{
    id::ObjectRef,
    ignore::{self, IgnoreRules},
    order::{self, Stage},
    plan,
    prepare::{self, Owner},
    toggles::Toggles,
};
use artifact::{Tree, clean_path};
use crds::{
    kustomize::Kustomization,
    meta::{KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE},
};
use kube::ResourceExt as _;
use kustomize::{Inputs, Load, Options, Order};
use runtime::{fetch::FetchError, telemetry::chain};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// What shall be there: from memory where neither spec, values nor any file that was read has changed.
pub async fn run(
    context: &Context,
    object: &Kustomization,
    resolved: &Resolved,
    variables: &Variables,
    memory: &Mutex<Memory>,
) -> Result<Arc<Built>, Failure> {
    let key = BuildKey {
        generation: (
            object.uid().unwrap_or_default(),
            object.metadata.generation.unwrap_or_default(),
        ),
        variables: variables::digest(variables),
    };
    let last = ledger::lock(memory).built.clone().filter(|b| b.key == key);
    if let Some(last) = last.clone().filter(|b| b.artifact == resolved.artifact.digest) {
        return Ok(last);
    }
    let tree = fetch(context, resolved).await?;
    let (built, fresh) = match last.filter(|b| b.inputs.hold_in(&tree)) {
        // The commit was about something else.
        Some(last) => {
            let built = Built {
                artifact: resolved.artifact.digest.clone(),
                inputs: last.inputs.clone(),
                objects: last.objects.clone(),
                digest: last.digest.clone(),
                key,
            };
            (built, None)
        }
        None => {
            let digest = &resolved.artifact.digest;
            let (built, manifests) = make(context, object, tree, variables, key, digest).await?;
            (built, Some(manifests))
        }
    };
    let built = Arc::new(built);
    let mut memory = ledger::lock(memory);
    memory.built = Some(built.clone());
    memory.fresh = fresh;
    Ok(built)
}

/// The manifests themselves, built anew from files that are at hand: only for passes that write what an earlier one built.
pub async fn manifests(
    context: &Context,
    object: &Kustomization,
    resolved: &Resolved,
    variables: &Variables,
) -> Result<Vec<Manifest>, Failure> {
    let tree = fetch(context, resolved).await?;
    let key = BuildKey {
        generation: Default::default(),
        variables: [0; 32],
    };
    Ok(make(context, object, tree, variables, key, "").await?.1)
}

async fn fetch(context: &Context, resolved: &Resolved) -> Result<Tree, Failure> {
    context.artifacts.tree(&resolved.artifact).await.map_err(|error| {
        // The file server may be about to have it: a restart, or a new revision on its way.
        let quiet = matches!(error, FetchError::NotFound { .. });
        Failure::new(Step::Fetch, chain(&error)).quiet(quiet)
    })
}

async fn make(
    context: &Context,
    object: &Kustomization,
    tree: Tree,
    variables: &Variables,
    key: BuildKey,
    artifact: &str,
) -> Result<(Built, Vec<Manifest>), Failure> {
    let job = Job {
        object: object.clone(),
        tree,
        variables: variables.clone(),
        strict: context.settings.strict_substitution,
        custom_stage: context.settings.custom_stage.clone(),
    };
    context.builds.inc();
    // Building is pure computation: it does not hold up the threads that serve watches.
    let Output {
        inputs,
        manifests,
        digest,
    } = tokio::task::spawn_blocking(move || job.run())
        .await
        .map_err(|panic| Failure::new(Step::Build, format!("the build broke off: {panic}")))??;
    let custom = &context.settings.custom_stage;
    let rules = IgnoreRules::new(&object.spec.ignore).map_err(|e| Failure::new(Step::Apply, chain(&e)))?;
    let objects = manifests.iter().map(|m| {
        let ignored = rules.of(&m.value);
        Planned {
            object: m.object.clone(),
            fingerprint: match ignored.as_slice() {
                [] => plan::fingerprint(&m.value),
                ignored => plan::fingerprint(&ignore::without(&m.value, ignored)),
            },
            ignored,
            stage: Stage::of(&m.object, custom),
            asks: Toggles::of(&m.value),
        }
    });
    Ok((
        Built {
            key,
            artifact: artifact.to_owned(),
            inputs,
            objects: objects.collect(),
            digest,
        },
        manifests,
    ))
}

/// A build, with all that it depends on: no client, no clock.
struct Job {
    object: Kustomization,
    tree: Tree,
    variables: Variables,
    strict: bool,
    custom_stage: Vec<String>,
}

/// What a build gives.
struct Output {
    inputs: Inputs,
    manifests: Vec<Manifest>,
    digest: String,
}

impl Job {
    fn run(self) -> Result<Output, Failure> {
        let spec = &self.object.spec;
        let given = spec.path.as_deref().unwrap_or_default();
        let path = inside(given);
        if !self.tree.is_dir(&path) {
            return Err(Failure::new(
                Step::Fetch,
                format!("kustomization path not found: stat {path}: no such file or directory"),
            ));
        }
        if spec.decryption.is_some() {
            return Err(Failure::new(
                Step::Build,
                "spec.decryption: decrypting with SOPS is not supported by this version",
            ));
        }
        let failed = |e: &dyn std::error::Error| Failure::new(Step::Build, chain(e));
        let generated = generate::generate(&self.tree, &path, spec).map_err(|e| failed(&e))?;
        let (inputs, resources) = build(&self.tree, &path, generated)?;
        let mut manifests = Vec::new();
        let mut text = Sha256::new();
        for (at, (id, value)) in resources.into_iter().enumerate() {
            let value = match &self.variables {
                Some(variables) => self.put_in(&id, &value, variables)?,
                None => value,
            };
            // The digest in history is that of the stream of documents, before anything of ours is added.
            text.update(if at > 0 { "---\n" } else { "" });
            text.update(yaml::to_string(&value));
            for value in expand(value) {
                manifests.push(self.finish(value)?);
            }
        }
        order::sort_by_ref(&mut manifests, &self.custom_stage, |m| &m.object);
        Ok(Output {
            inputs,
            manifests,
            digest: format!("sha256:{}", hex::encode(text.finalize())),
        })
    }

    fn put_in(
        &self,
        id: &str,
        value: &Value,
        variables: &Result<BTreeMap<String, String>, String>,
    ) -> Result<Value, Failure> {
        let failed =
            |problem: &str| Failure::new(Step::Build, format!("post build failed for '{id}': {problem}"));
        match variables {
            _ if substitute::is_disabled(value) => Ok(value.clone()),
            Err(missing) => Err(failed(missing)),
            Ok(variables) => substitute::object(value, variables, self.strict)
                .map_err(|e| failed(&format!("envsubst error: {}", chain(&e)))),
        }
    }

    fn finish(&self, mut value: Value) -> Result<Manifest, Failure> {
        if value.get("sops").is_some() && value.get("kind").and_then(Value::as_str) == Some("Secret") {
            let name = value
                .pointer("/metadata/name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            return Err(Failure::new(
                Step::Apply,
                format!(
                    "Secret '{name}' is SOPS encrypted, configuring decryption is required for this secret to be reconciled"
                ),
            ));
        }
        let (name, namespace) = (
            self.object.name_any(),
            self.object.namespace().unwrap_or_default(),
        );
        let owner = Owner {
            name: (KUSTOMIZE_NAME, &name),
            namespace: (KUSTOMIZE_NAMESPACE, &namespace),
        };
        prepare::prepare(&mut value, owner, self.object.spec.common_metadata.as_ref());
        let object = ObjectRef::of(&value).map_err(|e| Failure::new(Step::Build, e.to_string()))?;
        Ok(Manifest { object, value })
    }
}

fn build(tree: &Tree, path: &str, generated: Generated) -> Result<(Inputs, Vec<(String, Value)>), Failure> {
    let mut inputs = generated.inputs;
    if generated.empty {
        return Ok((inputs, Vec::new()));
    }
    let options = Options {
        order: Order::None,
        load: Load::Anywhere,
        preload_schema: true,
        ..Options::default()
    };
    let built = kustomize::build(&generated.tree, path, &options)
        .map_err(|e| Failure::new(Step::Build, format!("kustomize build failed: {}", e.chain())))?;
    let mut read = built.inputs;
    if let Some(overlaid) = &generated.overlaid {
        // What was laid over says nothing about the artifact; what stood there does, or that nothing did.
        read.forget(overlaid);
        match tree.file(overlaid) {
            Some(file) => read.read(overlaid.clone(), *file.digest()),
            None => read.absent(overlaid.clone()),
        }
    }
    inputs.merge(read);
    Ok((
        inputs,
        built
            .resources
            .into_iter()
            .map(|r| (shown(r.value()), r.into_value()))
            .collect(),
    ))
}

/// An object as messages about its substitution name it: `Kind.version.group/name`.
fn shown(value: &Value) -> String {
    let text = |at: &str| value.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = text("/apiVersion")
        .split_once('/')
        .unwrap_or(("[noGrp]", text("/apiVersion")));
    format!("{}.{version}.{group}/{}", text("/kind"), text("/metadata/name"))
}

/// The items of a list, or the object itself; kustomizations are for building, not for the cluster.
fn expand(value: Value) -> Vec<Value> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("kind") == "Kustomization" && text("apiVersion").starts_with("kustomize.config.k8s.io/") {
        return Vec::new();
    }
    if text("kind").ends_with("List")
        && let Some(items) = value.get("items").and_then(Value::as_array)
    {
        return items.clone();
    }
    vec![value]
}

/// The spec's path inside the tree: `..` stops at the root, as everything does that has no outside.
fn inside(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    clean_path(&parts.join("/")).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for (given, inside_) in [
            ("", ""),
            ("./a/b/", "a/b"),
            ("../../etc", "etc"),
            ("/a//b", "a/b"),
            ("a/../../b", "b"),
        ] {
            assert_eq!(inside(given), inside_, "{given}");
        }
    }

    #[test]
    fn lists_are_expanded_and_kustomizations_dropped() {
        use serde_json::json;
        assert_eq!(
            expand(json!({"kind": "ConfigMapList", "items": [{"a": 1}, {"a": 2}]})).len(),
            2
        );
        assert_eq!(
            expand(json!({"kind": "Kustomization", "apiVersion": "kustomize.config.k8s.io/v1beta1"})).len(),
            0
        );
        assert_eq!(
            expand(json!({"kind": "Kustomization", "apiVersion": "kustomize.toolkit.fluxcd.io/v1"})).len(),
            1
        );
    }
}
