//! PURE: does a spec contradict itself, or reach where it may not.

use super::{Context, MADE, observe, record::Failure};
use crds::extensions::{ArtifactGenerator, GeneratorSourceKind, reason};
use kube::ResourceExt as _;
use runtime::{Key, access::Access, name::is_object_name};
use std::collections::BTreeSet;

/// Checks what the API server does not.
///
/// # Errors
/// One alias or name twice, an alias that is none, a name that is none, a source in a namespace that is out of bounds.
pub fn run(object: &ArtifactGenerator, access: Access) -> Result<(), Failure> {
    let invalid = |text: String| Err(Failure::stalled(reason::VALIDATION_FAILED, text));
    let own = object.namespace().unwrap_or_default();
    let mut aliases = BTreeSet::new();
    for source in &object.spec.sources {
        if !aliases.insert(source.alias.as_str()) {
            return invalid(format!("duplicate source alias '{}' found", source.alias));
        }
        let namespace = source.namespace.as_deref().unwrap_or(&own);
        let kind = source.kind.as_str();
        if access.check(&own, kind, namespace, &source.name).is_err() {
            let text = format!(
                "cross-namespace reference to source {kind}/{namespace}/{} is not allowed",
                source.name
            );
            return Err(Failure::stalled(reason::ACCESS_DENIED, text));
        }
    }
    let mut names = BTreeSet::new();
    for artifact in &object.spec.artifacts {
        let name = artifact.name.as_str();
        if !names.insert(name) {
            return invalid(format!("duplicate artifact name '{name}' found"));
        }
        if object.spec.path_pattern.is_empty() && !is_object_name(name) {
            return invalid(format!(
                "artifact name \"{name}\" is not a valid Kubernetes object name"
            ));
        }
        for (field, alias) in [
            ("revision", &artifact.revision),
            ("originRevision", &artifact.origin_revision),
        ] {
            let alias = alias.strip_prefix('@').unwrap_or(alias);
            if !alias.is_empty() && !aliases.contains(alias) {
                return invalid(format!(
                    "artifact {name} {field} source alias '{alias}' not found"
                ));
            }
        }
    }
    Ok(())
}

/// Refuses artifacts that are made of themselves, also by way of others: each pass would make another revision.
///
/// # Errors
/// The circle, as the path that leads back.
pub fn circle(context: &Context, object: &ArtifactGenerator) -> Result<(), Failure> {
    let start = Key::of(object);
    let mut seen = BTreeSet::from([start.clone()]);
    let mut pending = vec![(object.clone(), start.to_string())];
    while let Some((generator, path)) = pending.pop() {
        let namespace = generator.namespace().unwrap_or_default();
        let external = generator
            .spec
            .sources
            .iter()
            .filter(|s| s.kind == GeneratorSourceKind::ExternalArtifact);
        for source in external {
            let made = observe::key(source, &namespace);
            let Some(maker) = maker(context, &made) else {
                continue;
            };
            let path = format!("{path} -> {MADE}/{made} -> {maker}");
            if maker == start {
                let text = format!("circular dependency detected: {path}");
                return Err(Failure::stalled(reason::VALIDATION_FAILED, text));
            }
            if seen.insert(maker.clone())
                && let Some(next) = context.generators.get(&maker)
            {
                pending.push(((*next).clone(), path));
            }
        }
    }
    Ok(())
}

/// The generator that makes an ExternalArtifact, or is about to.
fn maker(context: &Context, made: &Key) -> Option<Key> {
    let makes = |generator: &ArtifactGenerator| {
        generator.namespace().as_deref() == Some(&made.namespace)
            && generator
                .spec
                .artifacts
                .iter()
                .any(|artifact| artifact.name == made.name)
    };
    if let Some(there) = context.sources.external(made)
        && let Some(source) = there.spec.source_ref.as_ref()
    {
        let is_generator = source.kind == <ArtifactGenerator as crds::meta::FluxObject>::KIND;
        return is_generator.then(|| {
            Key::new(
                source.namespace.as_deref().unwrap_or(&made.namespace),
                &source.name,
            )
        });
    }
    context
        .generators
        .all()
        .iter()
        .find(|generator| makes(generator))
        .map(|generator| Key::of(&**generator))
}
