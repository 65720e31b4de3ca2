//! The end of a Kustomization: what it applied goes with it, as its deletion policy says.

use super::{identity, prune, record, resolve};
use crate::{Object, context::Context};
use crds::{
    kustomize::{DeletionPolicy, Kustomization, reason as ks},
    meta::{COMMIT_STATUS, ConditionStatus, Inventory, ObjectStatus as _, READY},
};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, ResourceExt as _};
use runtime::{acting::ActingError, client::Identity, events::Event, reconciler::Cleanup, requeue::Requeue};
use std::time::{Duration, Instant};

/// How often to look whether deleted objects are gone.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Deletes what the object applied, if its policy says so, and says when it may go.
pub async fn run(context: &Context, object: &Object) -> Cleanup {
    let begin = Instant::now();
    let objects = prune::stale(object, &Inventory::default());
    if !deletes(object) || objects.is_empty() {
        return Cleanup::Done(farewell(object, Vec::new(), begin));
    }
    let revision = object
        .status
        .as_ref()
        .and_then(|s| s.last_applied_revision.clone())
        .unwrap_or_default();
    let listed = || {
        objects
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let failed = |message: String| record::about(Event::warning(ks::PRUNE_FAILED, message), &revision);
    let identity = match identity::of(context, object).await {
        Ok(identity) => identity,
        Err(error) if !matches!(error, ActingError::Account(_)) && !error.is_gone() => {
            let text = format!("pruning for deleted resource failed: {error}");
            return Cleanup::Later {
                events: vec![failed(text.clone())],
                error: Some(text),
                requeue: Requeue::Backoff,
            };
        }
        Err(error) => {
            // Without an identity nothing can be deleted, now or later; that must not keep the object for ever.
            let text = format!(
                "unable to prune objects: {error}, please remove manually:\n{}",
                listed()
            );
            return Cleanup::Done(vec![failed(text)]);
        }
    };
    if let Some(missing) = missing_account(context, object).await {
        let text = format!(
            "unable to prune objects: service account '{missing}' not found, please remove manually:\n{}",
            listed()
        );
        return Cleanup::Done(vec![failed(text)]);
    }
    let owner = prune::owner(object);
    let pruner = prune::pruner(context, &identity, &owner);
    let pruned = pruner.delete(objects.clone()).await;
    if !pruned.failures.is_empty() {
        let errors = pruned
            .failures
            .iter()
            .map(|(o, e)| format!("{o} delete failed: {e}"))
            .collect::<Vec<_>>()
            .join("; ");
        let text = format!("pruning for deleted resource failed: {errors}");
        return Cleanup::Later {
            events: vec![failed(text.clone())],
            error: Some(text),
            requeue: Requeue::Backoff,
        };
    }
    if object.spec.deletion_policy == Some(DeletionPolicy::WaitForTermination) {
        let asked: Vec<_> = pruned
            .changes
            .iter()
            .filter(|(_, c)| *c == ::apply::apply::Change::Deleted)
            .map(|(o, _)| o.clone())
            .collect();
        let left = pruner.remaining(&asked).await;
        if !left.is_empty() && waited(object) < resolve::timeout(object) {
            return Cleanup::Later {
                events: Vec::new(),
                error: None,
                requeue: Requeue::After(LOOK_AGAIN),
            };
        }
        if !left.is_empty() {
            let names = left
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            return Cleanup::Done(vec![failed(format!(
                "timeout waiting for the deletion of: [{names}]"
            ))]);
        }
    }
    let gone = record::about(
        Event::normal(ready_reason(object), record::pruned(&pruned.changes)),
        &revision,
    );
    Cleanup::Done(farewell(object, vec![gone], begin))
}

/// Whether the objects go with the Kustomization.
fn deletes(object: &Kustomization) -> bool {
    !object.spec.suspend
        && match object.spec.deletion_policy.unwrap_or_default() {
            DeletionPolicy::MirrorPrune => object.spec.prune,
            DeletionPolicy::Delete | DeletionPolicy::WaitForTermination => true,
            DeletionPolicy::Orphan => false,
        }
}

async fn missing_account(context: &Context, object: &Kustomization) -> Option<String> {
    let asked = identity::asked(object);
    let name = context.settings.acting.account(&asked);
    if name.is_empty() {
        return None;
    }
    let namespace = object.namespace().unwrap_or_default();
    let accounts: Api<ServiceAccount> =
        Api::namespaced(context.clients.of(&Identity::Controller), &namespace);
    // Only a clear answer counts: an account that cannot be looked up may be there.
    matches!(accounts.get_metadata_opt(name).await, Ok(None)).then(|| format!("{namespace}/{name}"))
}

/// What Flux tells at the end of a pass over an object that was ready.
fn farewell(object: &Kustomization, mut events: Vec<Event>, begin: Instant) -> Vec<Event> {
    let ready = object
        .status
        .as_ref()
        .and_then(|s| s.condition(READY))
        .is_some_and(|c| c.status == ConditionStatus::True);
    if ready && !object.spec.suspend {
        let revision = object
            .status
            .as_ref()
            .and_then(|s| s.last_applied_revision.clone())
            .unwrap_or_default();
        let finished = record::finished(begin.elapsed(), resolve::interval(object));
        events.push(record::about(finished, &revision).with(COMMIT_STATUS, "update"));
    }
    events
}

fn ready_reason(object: &Kustomization) -> &str {
    let ready = object.status.as_ref().and_then(|s| s.condition(READY));
    ready.map_or(ks::RECONCILIATION_SUCCEEDED, |c| c.reason.as_str())
}

/// How long the object has been waiting to go.
fn waited(object: &Kustomization) -> Duration {
    let since = object.metadata.deletion_timestamp.as_ref().map(|t| t.0);
    let waited = since.map(|since| jiff::Timestamp::now().duration_since(since));
    waited.and_then(|w| w.try_into().ok()).unwrap_or_default()
}
