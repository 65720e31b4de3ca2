//! PURE: does a spec contradict itself, or reach where it may not.

use super::{Context, MADE, observe, record::Failure};
use crds::extensions::{
    ArtifactGenerator, GeneratorSource, GeneratorSourceKind, MOST_COPIES, MOST_PATTERN, OutputArtifact,
    reason,
};
use kube::ResourceExt as _;
use runtime::{Key, access::Access, name::is_object_name};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// Checks what the API server does not, or not where the definitions are Flux's.
///
/// # Errors
/// One alias or name twice, an alias that is none, a name that is none, a source in a namespace that is out of bounds; more
/// copies, or longer patterns, than anybody writes.
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
        sizes(artifact).or_else(invalid)?;
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

/// Whether an artifact's copies are no more, and no longer, than the definition has it.
fn sizes(artifact: &OutputArtifact) -> Result<(), String> {
    let name = &artifact.name;
    if artifact.copy.len() > MOST_COPIES {
        return Err(format!("artifact {name} has more than {MOST_COPIES} copies"));
    }
    for (number, copy) in artifact.copy.iter().enumerate() {
        let texts = [("from", &copy.from), ("to", &copy.to)].into_iter();
        let patterns = copy.exclude.iter().map(|pattern| ("exclude", pattern));
        for (field, text) in texts.chain(patterns) {
            if text.chars().count() > MOST_PATTERN {
                return Err(format!(
                    "artifact {name} copy[{number}].{field} is longer than {MOST_PATTERN} characters"
                ));
            }
        }
    }
    Ok(())
}

/// Refuses artifacts that are made of themselves, also by way of others: each pass would make another revision. A change of any
/// generator on the way can help.
///
/// # Errors
/// The circle, as the path that leads back.
pub fn circle(context: &Context, object: &ArtifactGenerator) -> Result<(), Failure> {
    let is_external = |source: &&GeneratorSource| source.kind == GeneratorSourceKind::ExternalArtifact;
    if !object.spec.sources.iter().any(|source| is_external(&source)) {
        return Ok(());
    }
    let makers = Makers::of(context);
    let start = Key::of(object);
    let mut seen = BTreeSet::from([start.clone()]);
    let mut pending = vec![(Arc::new(object.clone()), start.to_string())];
    while let Some((generator, path)) = pending.pop() {
        let namespace = generator.namespace().unwrap_or_default();
        for source in generator.spec.sources.iter().filter(is_external) {
            let made = observe::key(source, &namespace);
            let Some(maker) = makers.maker(&made) else {
                continue;
            };
            let path = format!("{path} -> {MADE}/{made} -> {maker}");
            if maker == start {
                let text = format!("circular dependency detected: {path}");
                return Err(Failure::awaits(reason::VALIDATION_FAILED, text));
            }
            if seen.insert(maker.clone())
                && let Some(next) = context.generators.get(&maker)
            {
                pending.push((next, path));
            }
        }
    }
    Ok(())
}

/// Which generator makes which ExternalArtifact.
struct Makers<'c> {
    context: &'c Context,
    /// Those that are not there yet are looked up once for all sources.
    named: HashMap<Key, Key>,
}

impl<'c> Makers<'c> {
    fn of(context: &'c Context) -> Self {
        let mut named = HashMap::new();
        for generator in context.generators.all() {
            let namespace = generator.namespace().unwrap_or_default();
            for artifact in &generator.spec.artifacts {
                let made = Key::new(&namespace, &artifact.name);
                named.entry(made).or_insert_with(|| Key::of(&*generator));
            }
        }
        Self { context, named }
    }

    /// The generator that makes an ExternalArtifact, or is about to.
    fn maker(&self, made: &Key) -> Option<Key> {
        if let Some(there) = self.context.sources.external(made)
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
        self.named.get(made).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::extensions::{ArtifactGeneratorSpec, CopyOperation};

    /// Also where the definitions are Flux's, which know no such bounds.
    #[test]
    fn sizes_are_bounded() {
        let check = |copies: usize, exclude: &str| {
            let copy = CopyOperation {
                from: "@repo/".to_owned(),
                to: "@artifact/".to_owned(),
                exclude: vec!["short".to_owned(), exclude.to_owned()],
                ..CopyOperation::default()
            };
            let artifact = OutputArtifact {
                name: "one".to_owned(),
                copy: vec![copy; copies],
                ..OutputArtifact::default()
            };
            let spec = ArtifactGeneratorSpec {
                artifacts: vec![artifact],
                ..ArtifactGeneratorSpec::default()
            };
            let object = ArtifactGenerator::new("parts", spec);
            run(&object, Access::default()).map_err(|failure| failure.message)
        };
        assert_eq!(check(1000, &"\u{e4}".repeat(1024)), Ok(()));
        assert_eq!(
            check(1001, "x"),
            Err("artifact one has more than 1000 copies".to_owned())
        );
        assert_eq!(
            check(1, &"x".repeat(1025)),
            Err("artifact one copy[0].exclude is longer than 1024 characters".to_owned())
        );
    }
}
