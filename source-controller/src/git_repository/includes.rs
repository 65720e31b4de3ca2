//! PURE over what was last seen: the repositories that are put into this one, and who is told when one of them changes.

use crate::{context::Context, lock::lock, record::Failure};
use crds::{
    meta::Artifact,
    source::{GitInclude, GitRepository, Source as _, condition::INCLUDE_UNAVAILABLE, reason},
};
use kube::ResourceExt as _;
use runtime::{Key, dependency::Graph, queue::Queue, watch::Change};
use std::sync::{Arc, Mutex};

/// More are not put into one repository.
const MOST: usize = 64;

/// What is put into the repository, in the order of the spec.
pub type Resolved = Vec<(GitInclude, Artifact)>;

/// Finds the artifacts of the repositories that the spec includes.
pub fn resolve(context: &Context, object: &GitRepository) -> Result<Resolved, Failure> {
    let namespace = object.namespace().unwrap_or_default();
    if object.spec.include.len() > MOST {
        let text = format!("spec.include has more than {MOST} repositories");
        return Err(Failure::new(INCLUDE_UNAVAILABLE, reason::COPY_FAILURE, text).stalled());
    }
    if let Some(circle) = context.includes.circle(&Key::of(object)) {
        let path: Vec<&str> = circle.iter().map(|key| key.name.as_str()).collect();
        let text = format!(
            "spec.include leads back to this repository: {}",
            path.join(" -> ")
        );
        return Err(Failure::awaits(INCLUDE_UNAVAILABLE, reason::COPY_FAILURE, text));
    }
    let mut resolved = Vec::new();
    for include in &object.spec.include {
        let name = &include.repository.name;
        let Some(found) = context.repositories.get(&Key::new(&namespace, name)) else {
            let text = format!(
                "could not get resource for include '{name}': GitRepository.{} \"{name}\" not found",
                crds::source::GROUP
            );
            return Err(Failure::awaits(INCLUDE_UNAVAILABLE, reason::NOT_FOUND, text));
        };
        let Some(artifact) = found.artifact().filter(|artifact| context.is_there(artifact)) else {
            return Err(Failure::awaits(
                INCLUDE_UNAVAILABLE,
                reason::NO_ARTIFACT,
                format!("no artifact available for include '{name}'"),
            ));
        };
        resolved.push((include.clone(), artifact.clone()));
    }
    Ok(resolved)
}

/// Who includes whom, and the queue of those to be told.
#[derive(Debug)]
pub struct Includes {
    queue: Arc<Queue>,
    index: Mutex<Graph>,
}

impl Includes {
    /// An index that tells `queue`.
    pub fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            index: Mutex::default(),
        }
    }

    /// The circle of includes that the repository is part of: each turn of it would make another revision of all in it.
    pub fn circle(&self, repository: &Key) -> Option<Vec<Key>> {
        lock(&self.index).circle(repository)
    }

    /// Takes in a change: what the repository includes, and that those who include it may go on.
    pub fn changed(&self, change: &Change<GitRepository>) {
        let mut index = lock(&self.index);
        let included = change.new.iter().flat_map(|o| &o.spec.include);
        index.set(
            &change.key,
            included
                .map(|i| Key::new(&change.key.namespace, &i.repository.name))
                .collect(),
        );
        let artifact = |o: &Option<Arc<GitRepository>>| {
            o.as_ref()
                .and_then(|o| o.artifact())
                .map(|a| (a.revision.clone(), a.digest.clone(), a.last_update_time.clone()))
        };
        // One that was lost and is there again is what it was, but for its time.
        if artifact(&change.old) != artifact(&change.new) {
            for referrer in index.referrers(&change.key) {
                self.queue.add(referrer.clone());
            }
        }
    }
}
