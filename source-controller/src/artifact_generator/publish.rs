//! I/O: what generators make: files on the shelf, and the ExternalArtifacts that offer them.

use super::{
    Context, MADE,
    allowance::Allowance,
    compose::{Sources, compose},
    contents::Contents,
    expand::Rendered,
    observe::Observed,
    record::Failure,
};
use crate::{
    files::{Kept, keep_by},
    ignore::Ignore,
    shelf::blocking,
    storage::{Offer, Storage, Stored},
};
use artifact::{Node, pack};
use crds::{
    extensions::{
        ArtifactGenerator, ExternalArtifactReference, GENERATOR, GROUP, MANAGER, OutputArtifact,
        reason::{self as making, RECONCILIATION_FAILED},
    },
    meta::{Artifact, FluxObject as _, NamespacedReference, OCI_REVISION, READY, RECONCILING, reason},
    source::{ExternalArtifact, Source as _, reason as source},
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
};
use runtime::{Key, conditions::find, telemetry::chain};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read as _},
    sync::Arc,
};

/// Whether everything that a generator made is as it was left, of the sources that there are now.
pub async fn settled(context: &Context, object: &ArtifactGenerator, digest: &str) -> Result<bool, Failure> {
    let Some(status) = &object.status else {
        return Ok(false);
    };
    let ready = find(&status.conditions, READY);
    let good = ready.is_some_and(|ready| {
        ready.status == crds::meta::ConditionStatus::True
            && ready.observed_generation == object.metadata.generation
    });
    if !good
        || find(&status.conditions, RECONCILING).is_some()
        || status.observed_sources_digest.as_deref() != Some(digest)
        || made(context, object).len() != status.inventory.len()
    {
        return Ok(false);
    }
    let mut artifacts = Vec::new();
    for made in &status.inventory {
        let there = context.sources.external(&Key::new(&made.namespace, &made.name));
        // What directories were called is not known here: a change of those labels alone is seen with the next one.
        let whole = |there: &&ExternalArtifact| holds(there, &manifest(object, &made.name, &BTreeMap::new()));
        let artifact = there.as_deref().filter(whole).and_then(|there| there.artifact());
        match artifact.filter(|artifact| artifact.digest == made.digest) {
            Some(artifact) => artifacts.push(artifact.clone()),
            None => return Ok(false),
        }
    }
    let storage = context.storage.clone();
    let look = move || {
        artifacts
            .iter()
            .all(|artifact| storage.check(artifact).is_ok_and(|s| s == Stored::Good))
    };
    blocking(look).await.map_err(broken)
}

/// The names of the ExternalArtifacts that a generator has made, also those that its status does not tell of yet.
pub fn made(context: &Context, object: &ArtifactGenerator) -> Vec<String> {
    let namespace = object.namespace();
    let listed = object.status.iter().flat_map(|status| &status.inventory);
    let mut names: BTreeSet<String> = listed.map(|made| made.name.clone()).collect();
    names.retain(|name| {
        let key = Key::new(namespace.clone().unwrap_or_default(), name);
        // What others have taken over, or was never ours, is theirs.
        context
            .sources
            .external(&key)
            .is_none_or(|there| is_of(&there, object))
    });
    let labelled = context.sources.all_external();
    let labelled = labelled
        .iter()
        .filter(|there| there.namespace() == namespace && is_of(there, object));
    names.extend(labelled.map(|there| there.name_any()));
    names.into_iter().collect()
}

/// Removes ExternalArtifacts and their files.
pub async fn remove(
    context: &Context,
    object: &ArtifactGenerator,
    names: Vec<String>,
) -> Result<(), Failure> {
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<ExternalArtifact> = Api::namespaced(context.client.clone(), &namespace);
    for name in names {
        match api.delete(&name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => {
                let text = format!("cannot delete {MADE}/{namespace}/{name}: {}", chain(&error));
                return Err(Failure::retry(RECONCILIATION_FAILED, text));
            }
            Ok(_) => {}
        }
        let (storage, key) = (context.storage.clone(), Key::new(&namespace, &name));
        let removed = blocking(move || storage.remove(MADE, &key))
            .await
            .map_err(broken)?;
        removed.map_err(|error| Failure::retry(RECONCILIATION_FAILED, chain(&error)))?;
    }
    Ok(())
}

/// Refuses a name under which somebody else offers an artifact, until that one is gone.
pub fn check_owner(context: &Context, object: &ArtifactGenerator, name: &str) -> Result<(), Failure> {
    let namespace = object.namespace().unwrap_or_default();
    let there = context.sources.external(&Key::new(&namespace, name));
    let Some(other) = there.as_deref().and_then(|there| there.spec.source_ref.as_ref()) else {
        return Ok(());
    };
    let key = Key::new(other.namespace.as_deref().unwrap_or(&namespace), &other.name);
    let is_generator = other.kind == ArtifactGenerator::KIND;
    let same = is_generator && key == Key::of(object);
    // One that is gone has no say.
    if same || (is_generator && context.generators.get(&key).is_none()) {
        return Ok(());
    }
    let text = format!(
        "{MADE}/{namespace}/{name} belongs to {}/{}/{}: choose another name",
        other.kind, key.namespace, key.name
    );
    Err(Failure::awaits(RECONCILIATION_FAILED, text))
}

/// Copies an artifact's files together and puts them on the shelf, unless they are there.
pub async fn build(
    storage: &Storage,
    object: &Arc<ArtifactGenerator>,
    wanted: Arc<Rendered>,
    from: Arc<(Sources, Allowance)>,
    there: Option<Arc<ExternalArtifact>>,
) -> Result<Artifact, Failure> {
    let storage = storage.clone();
    let namespace = object.namespace().unwrap_or_default();
    let work = move || build_now(&storage, &namespace, &wanted.artifact, &from, there.as_deref());
    blocking(work).await.map_err(broken)?
}

fn build_now(
    storage: &Storage,
    namespace: &str,
    wanted: &OutputArtifact,
    (sources, allowance): &(Sources, Allowance),
    there: Option<&ExternalArtifact>,
) -> Result<Artifact, Failure> {
    let name = &wanted.name;
    let failed = |text: String| Failure::retry(making::BUILD_FAILED, format!("{name} build failed: {text}"));
    let disk = |error: io::Error| {
        let text = format!("{name} build failed: cannot keep what is copied: {error}");
        Failure::retry(source::ARCHIVE_OPERATION_FAILED, text)
    };
    let scratch = storage.scratch().map_err(disk)?;
    let made = compose(&wanted.copy, sources, allowance, scratch).map_err(|error| {
        let text = format!(
            "{name} build failed: failed to apply copy operations: {}",
            chain(&error)
        );
        match error.is_bound() {
            true => Failure::stalled(making::BUILD_FAILED, text),
            false => Failure::retry(making::BUILD_FAILED, text),
        }
    })?;
    let files = keep_by(&made.tree, &Ignore::defaults()).map_err(|error| failed(error.to_string()))?;
    let file = format!("{}.tar.gz", checksum(&files, &made.contents).map_err(disk)?);
    let key = Key::new(namespace, name);
    let path = Storage::path(MADE, &key, &file);
    let kept = there
        .and_then(|there| there.artifact())
        .filter(|kept| kept.path == path);
    if let Some(kept) = kept
        && storage.check(kept).is_ok_and(|found| found == Stored::Good)
    {
        // What cannot be cleared away now is cleared away next time.
        let _ = storage.collect(kept);
        return Ok(kept.clone());
    }
    let offer = Offer {
        kind: MADE,
        key,
        file,
        revision: None,
        metadata: BTreeMap::new(),
        link: None,
    };
    let entries = files
        .iter()
        .map(|(path, node)| Ok::<_, io::Error>(made.contents.entry(path, *node)));
    let published = storage.publish(offer, |writer| pack(entries, writer).map(drop));
    published.map(|published| published.artifact).map_err(|error| {
        let text = format!("{name} build failed: {}", chain(&error));
        Failure::retry(source::ARCHIVE_OPERATION_FAILED, text)
    })
}

/// The artifact with the revisions of the sources that the spec names.
pub fn with_revisions(
    mut artifact: Artifact,
    wanted: &OutputArtifact,
    observed: &BTreeMap<String, Observed>,
) -> Artifact {
    let source = |alias: &str| observed.get(alias.strip_prefix('@')?);
    artifact.revision = source(&wanted.revision).map_or_else(
        || format!("latest@{}", artifact.digest),
        |s| s.artifact.revision.clone(),
    );
    artifact.metadata = source(&wanted.origin_revision)
        .map(|source| [(OCI_REVISION.to_owned(), source.origin().to_owned())].into());
    artifact
}

/// Writes the ExternalArtifact and its status, where they differ from what is there.
pub async fn publish(
    client: &Client,
    object: &ArtifactGenerator,
    wanted: &Rendered,
    artifact: Artifact,
    there: Option<&ExternalArtifact>,
) -> Result<ExternalArtifactReference, Failure> {
    let (name, namespace) = (&wanted.artifact.name, object.namespace().unwrap_or_default());
    let failed = |error: kube::Error| {
        let text = format!(
            "{name} reconcile failed: failed to apply {MADE}: {}",
            chain(&error)
        );
        Failure::retry(RECONCILIATION_FAILED, text)
    };
    let api: Api<ExternalArtifact> = Api::namespaced(client.clone(), &namespace);
    let params = PatchParams::apply(MANAGER).force();
    let desired = manifest(object, name, &wanted.labels);
    // After a change of the spec it is written in any case: what it no longer says has to go.
    let generation = object
        .status
        .as_ref()
        .and_then(|s| find(&s.conditions, READY)?.observed_generation);
    let same = generation == object.metadata.generation;
    let mut now = there.filter(|there| same && holds(there, &desired)).cloned();
    if now.is_none() {
        now = Some(
            api.patch(name, &params, &Patch::Apply(&desired))
                .await
                .map_err(failed)?,
        );
    }
    let offered = now.as_ref().and_then(|now| now.artifact());
    let told = now
        .as_ref()
        .and_then(|now| find(&now.status.as_ref()?.conditions, READY));
    if offered != Some(&artifact) || told.is_none() {
        let generation = now.as_ref().and_then(|now| now.metadata.generation);
        let status = json!({
            "apiVersion": desired["apiVersion"], "kind": MADE, "metadata": {"name": name},
            "status": {"artifact": artifact, "conditions": [{
                "type": READY, "status": "True", "reason": reason::SUCCEEDED, "message": "Artifact is ready",
                "observedGeneration": generation, "lastTransitionTime": runtime::conditions::now(),
            }]},
        });
        api.patch_status(name, &params, &Patch::Apply(&status))
            .await
            .map_err(failed)?;
    }
    Ok(ExternalArtifactReference {
        filename: artifact.path.rsplit('/').next().unwrap_or_default().to_owned(),
        digest: artifact.digest,
        name: name.clone(),
        namespace,
    })
}

/// The ExternalArtifact as it shall be.
fn manifest(object: &ArtifactGenerator, name: &str, captured: &BTreeMap<String, String>) -> Value {
    let common = object.spec.common_metadata.clone().unwrap_or_default();
    let mut labels = common.labels;
    labels.extend(captured.clone());
    labels.insert("app.kubernetes.io/managed-by".to_owned(), MANAGER.to_owned());
    labels.insert(GENERATOR.to_owned(), object.uid().unwrap_or_default());
    let source_ref = NamespacedReference {
        api_version: Some(format!("{GROUP}/{}", ArtifactGenerator::VERSION)),
        kind: ArtifactGenerator::KIND.to_owned(),
        name: object.name_any(),
        namespace: object.namespace(),
    };
    let mut manifest = json!({
        "apiVersion": format!("{}/v1", crds::source::GROUP), "kind": MADE,
        "metadata": {"name": name, "labels": labels},
        "spec": {"sourceRef": source_ref},
    });
    if !common.annotations.is_empty() {
        manifest["metadata"]["annotations"] = json!(common.annotations);
    }
    manifest
}

/// Whether an object has all that a manifest says.
fn holds(there: &ExternalArtifact, desired: &Value) -> bool {
    fn within(desired: &Value, there: &Value) -> bool {
        match (desired, there) {
            (Value::Object(desired), Value::Object(there)) => desired
                .iter()
                .all(|(key, value)| there.get(key).is_some_and(|there| within(value, there))),
            (desired, there) => desired == there,
        }
    }
    serde_json::to_value(there).is_ok_and(|there| within(desired, &there))
}

fn is_of(there: &ExternalArtifact, object: &ArtifactGenerator) -> bool {
    there.labels().get(GENERATOR) == object.metadata.uid.as_ref()
}

/// A checksum of all that is archived: the same files have the same name.
fn checksum(kept: &[Kept<'_>], contents: &Contents) -> io::Result<String> {
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; 64 << 10]);
    for (path, node) in kept {
        hasher.update((path.len() as u64).to_be_bytes());
        hasher.update(path.as_bytes());
        match node {
            Node::Directory => hasher.update([0]),
            Node::File(file) => {
                hasher.update([1 + u8::from(file.executable())]);
                let (mut content, mut its) = (contents.content(file), Sha256::new());
                loop {
                    match content.read(&mut piece)? {
                        0 => break,
                        read => its.update(&piece[..read]),
                    }
                }
                hasher.update(its.finalize());
            }
        }
    }
    Ok(hex::encode(hasher.finalize()))
}

pub(super) fn broken(failure: crate::record::Failure) -> Failure {
    Failure::retry(RECONCILIATION_FAILED, failure.message)
}
