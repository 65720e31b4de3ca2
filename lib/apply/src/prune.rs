//! I/O: deletes what is no longer desired, if it is still ours.

use crate::{
    apply::Change,
    discovery::{Discovery, DiscoveryError},
    id::ObjectRef,
    order,
    toggles::Toggles,
};
use futures::{StreamExt as _, stream};
use kube::{
    Client,
    api::{DeleteParams, Preconditions},
};
use runtime::telemetry::chain;
use serde_json::Value;
use std::sync::Arc;

/// Deletes objects that carry the labels of their owner.
#[derive(Clone)]
pub struct Pruner<'a> {
    /// The client of the identity that deletes.
    pub client: Client,
    /// Which resource serves a kind.
    pub discovery: Arc<Discovery>,
    /// Labels that an object of ours has.
    pub owner: Vec<(&'a str, &'a str)>,
    /// How many deletions run at once.
    pub concurrency: usize,
}

/// What came of a deletion.
#[derive(Debug)]
pub struct Pruned {
    /// The objects in the order in which they were deleted, and what became of each.
    pub changes: Vec<(ObjectRef, Change)>,
    /// The objects that could not be deleted, and why.
    pub failures: Vec<(ObjectRef, String)>,
}

impl std::fmt::Debug for Pruner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pruner({:?})", self.owner)
    }
}

impl Pruner<'_> {
    /// Deletes `objects` in the reverse of the order in which they are applied; one failure does not stop the others.
    pub async fn delete(&self, mut objects: Vec<ObjectRef>) -> Pruned {
        order::sort_by_ref(&mut objects, &[], |o| o);
        objects.reverse();
        let mut pruned = Pruned {
            changes: Vec::new(),
            failures: Vec::new(),
        };
        let mut rest = objects.as_slice();
        // Kinds wait for each other, objects of a kind do not.
        while let Some(first) = rest.first() {
            let kind = (first.group.clone(), first.kind.clone());
            let end = rest
                .iter()
                .position(|o| (&o.group, &o.kind) != (&kind.0, &kind.1))
                .unwrap_or(rest.len());
            let (now, later) = rest.split_at(end);
            let deletions: Vec<_> = now.iter().map(|object| self.one(object)).collect();
            let answers: Vec<_> = stream::iter(deletions)
                .buffered(self.concurrency.max(1))
                .collect()
                .await;
            for (object, answer) in now.iter().zip(answers) {
                match answer {
                    Ok(change) => pruned.changes.push((object.clone(), change)),
                    Err(error) => pruned.failures.push((object.clone(), error)),
                }
            }
            rest = later;
        }
        pruned
    }

    /// Whether any of `objects` that were asked to go is still there.
    pub async fn remaining(&self, objects: &[ObjectRef]) -> Vec<ObjectRef> {
        let mut left = Vec::new();
        for object in objects {
            let Ok(resource) = self.discovery.resource(object).await else {
                continue;
            };
            let api = resource.api(self.client.clone(), &object.namespace);
            if matches!(api.get_metadata_opt(&object.name).await, Ok(Some(_)) | Err(_)) {
                left.push(object.clone());
            }
        }
        left
    }

    async fn one(&self, object: &ObjectRef) -> Result<Change, String> {
        let resource = match self.discovery.resource(object).await {
            Ok(resource) => resource,
            // A kind that is no longer served has no objects.
            Err(DiscoveryError::NoMatch { .. }) => return Ok(Change::Deleted),
            Err(error) => return Err(chain(&error)),
        };
        let api = resource.api(self.client.clone(), &object.namespace);
        let live = match api.get_opt(&object.name).await {
            Ok(Some(live)) => live,
            Ok(None) => return Ok(Change::Deleted),
            Err(error) => return Err(chain(&error)),
        };
        let uid = live.metadata.uid.clone();
        let live = serde_json::to_value(live).unwrap_or_default();
        let toggles = Toggles::of(&live);
        if !self.ours(&live) || toggles.keep || toggles.ignore {
            return Ok(Change::Skipped);
        }
        // Only the object that was judged is deleted, not another that came in its place.
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid,
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        match api.delete(&object.name, &params).await {
            Ok(_) => Ok(Change::Deleted),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Change::Deleted),
            Err(error) => Err(chain(&error)),
        }
    }

    fn ours(&self, live: &Value) -> bool {
        let labels = live.pointer("/metadata/labels");
        self.owner
            .iter()
            .all(|(key, value)| labels.and_then(|l| l.get(*key)).and_then(Value::as_str) == Some(*value))
    }
}
