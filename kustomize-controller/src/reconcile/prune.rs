//! I/O: deletes what is no longer desired. Pure: what belongs to a Kustomization, and what no longer does.

use super::step::{Applied, Failure, Step};
use crate::{context::Context, ledger::Built};
use ::apply::{id::ObjectRef, prune::Pruner};
use crds::{
    kustomize::Kustomization,
    meta::{Inventory, InventoryEntry, KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE},
};
use kube::ResourceExt as _;
use runtime::client::Identity;
use std::collections::HashSet;

/// Deletes what the last inventory has and this one has not.
pub async fn run(
    context: &Context,
    object: &Kustomization,
    identity: &Identity,
    applied: &mut Applied,
) -> Result<(), Failure> {
    let stale = stale(object, &applied.inventory);
    if stale.is_empty() || !object.spec.prune {
        return Ok(());
    }
    let pruned = pruner(context, identity, &owner(object)).delete(stale).await;
    applied.pruned = pruned.changes;
    if pruned.failures.is_empty() {
        return Ok(());
    }
    // What is still there still belongs to us: it is tried again.
    let mut errors = String::new();
    for (object, error) in pruned.failures {
        errors.push_str(&format!("{object} delete failed: {error}; "));
        applied.inventory.entries.push(entry(&object));
    }
    Err(Failure::new(
        Step::Prune,
        format!("delete failed, errors: {}", errors.trim_end()),
    ))
}

/// The labels that say that an object belongs to this Kustomization.
pub fn owner(object: &Kustomization) -> [(&'static str, String); 2] {
    [
        (KUSTOMIZE_NAME, object.name_any()),
        (KUSTOMIZE_NAMESPACE, object.namespace().unwrap_or_default()),
    ]
}

/// What deletes in the name of an identity.
pub fn pruner<'a>(
    context: &'a Context,
    identity: &Identity,
    owner: &'a [(&'static str, String); 2],
) -> Pruner<'a> {
    Pruner {
        client: context.clients.of(identity),
        discovery: context.discovery.of(identity),
        owner: owner.iter().map(|(k, v)| (*k, v.as_str())).collect(),
        concurrency: context.settings.concurrent_ssa,
    }
}

/// The objects of the last inventory that are not in this one.
pub fn stale(object: &Kustomization, inventory: &Inventory) -> Vec<ObjectRef> {
    let kept: HashSet<&str> = inventory.entries.iter().map(|e| e.id.as_str()).collect();
    let last = object.status.as_ref().and_then(|s| s.inventory.as_ref());
    let gone = last
        .iter()
        .flat_map(|i| &i.entries)
        .filter(|e| !kept.contains(e.id.as_str()));
    // An entry that cannot be read was not written by us or Flux: nothing can be deleted by it.
    gone.filter_map(|e| Some(ObjectRef::from_entry(e.id.parse().ok()?, &e.v)))
        .collect()
}

/// The inventory of what was built.
pub fn inventory(built: &Built) -> Inventory {
    Inventory {
        entries: built.objects.iter().map(|p| entry(&p.object)).collect(),
    }
}

fn entry(object: &ObjectRef) -> InventoryEntry {
    InventoryEntry {
        id: object.id().to_string(),
        v: object.version.clone(),
    }
}
