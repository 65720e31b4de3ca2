//! Is what was applied well? Read from the live view; a wait is a subscription to it and holds no worker.

use super::step::{Applied, Failure, Health, Resolved, Step};
use crate::{
    context::Context,
    ledger::{self, Built, Memory},
};
use ::apply::{
    apply::Change,
    discovery::Resource,
    health::Health as Condition,
    id::ObjectRef,
    view::{Live, Scope, State},
};
use crds::kustomize::Kustomization;
use expr::{HealthExpressions, Judgement};
use kube::ResourceExt as _;
use runtime::{Key, client::Identity};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// How long a new watch on an object not ours may take.
const FIRST_SIGHT: Duration = Duration::from_secs(5);

/// Judges the health that the spec asks for.
pub async fn run(
    context: &Context,
    object: &Kustomization,
    resolved: &Resolved,
    identity: &Identity,
    built: &Built,
    applied: &Applied,
    memory: &Mutex<Memory>,
) -> Result<Health, Failure> {
    let asked = object.spec.wait || !object.spec.health_checks.is_empty();
    {
        let mut memory = ledger::lock(memory);
        memory.awaits_health = asked;
        memory.awaits_any = asked && !resolved.health.is_empty();
    }
    if !asked {
        return Ok(Health::NotAsked);
    }
    let begin = begin(resolved, memory);
    let mut awaited = Vec::new();
    for target in targets(object, built, applied) {
        let condition = judge(context, identity, &resolved.health, &target, memory).await;
        if condition != Condition::Current {
            awaited.push((target, condition));
        }
    }
    verdict(
        resolved,
        awaited,
        begin,
        object.metadata.generation.unwrap_or_default(),
        memory,
    )
}

/// The objects whose health is asked for: all that were applied, or those that are named. Never the object itself.
fn targets(object: &Kustomization, built: &Built, applied: &Applied) -> Vec<ObjectRef> {
    let skipped: HashSet<&ObjectRef> = applied
        .changes
        .iter()
        .filter(|(_, c)| *c == Change::Skipped)
        .map(|(o, _)| o)
        .collect();
    let itself = |o: &ObjectRef| {
        o.group == crds::kustomize::GROUP
            && o.kind == "Kustomization"
            && o.name == object.name_any()
            && Some(&o.namespace) == object.namespace().as_ref()
    };
    if object.spec.wait {
        return built
            .objects
            .iter()
            .map(|p| &p.object)
            .filter(|o| !skipped.contains(o) && !itself(o))
            .cloned()
            .collect();
    }
    let named = object.spec.health_checks.iter().map(|check| {
        let api = check.api_version.as_deref().unwrap_or("apps/v1");
        let (group, version) = api.split_once('/').unwrap_or(("", api));
        ObjectRef {
            group: group.into(),
            version: version.into(),
            kind: check.kind.clone(),
            namespace: check.namespace.clone().unwrap_or_default(),
            name: check.name.clone(),
        }
    });
    named.filter(|o| !itself(o)).collect()
}

async fn judge(
    context: &Context,
    identity: &Identity,
    expressions: &HealthExpressions,
    object: &ObjectRef,
    memory: &Mutex<Memory>,
) -> Condition {
    let resource = match context.discovery.of(identity).resource(object).await {
        Ok(resource) => resource,
        Err(error) => return Condition::Unknown(error.to_string()),
    };
    let custom = expressions.for_object(&object.group, &object.kind);
    let (live, state) = look(context, identity, object, &resource, memory).await;
    match (custom, live, state) {
        (None, Some(live), _) => return live.health.clone(),
        (_, None, State::Synced) => return Condition::NotFound,
        (Some(_), _, _) | (None, None, State::Starting | State::Forbidden) => {}
    }
    // An expression wants the whole object, and a watch that is not allowed shows nothing.
    match resource
        .api(context.clients.of(identity), &object.namespace)
        .get_opt(&object.name)
        .await
    {
        Ok(None) => Condition::NotFound,
        Err(error) => Condition::Unknown(runtime::telemetry::chain(&error)),
        Ok(Some(live)) => {
            let live = serde_json::to_value(live).unwrap_or_default();
            match custom.map(|c| c.judge(&live)) {
                None => ::apply::health::of(&live),
                Some(Judgement::Current) => Condition::Current,
                Some(Judgement::InProgress) => Condition::InProgress(String::new()),
                Some(Judgement::Failed) => Condition::Failed(String::new()),
                Some(Judgement::Unknown(text)) => Condition::Unknown(text),
            }
        }
    }
}

/// What the live view shows of an object: by the watch that sees all of ours, or by one of its own.
async fn look(
    context: &Context,
    identity: &Identity,
    object: &ObjectRef,
    resource: &Arc<Resource>,
    memory: &Mutex<Memory>,
) -> (Option<Arc<Live>>, State) {
    let key = Key::new(&object.namespace, &object.name);
    let held = ledger::lock(memory).watches.clone();
    let common = held
        .iter()
        .filter(|w| w.scope().name.is_none() && w.scope().resource == *resource);
    if let Some(live) = common.filter_map(|w| w.get(&key)).next() {
        return (Some(live), State::Synced);
    }
    let watch = context.view.watch(Scope {
        identity: identity.clone(),
        resource: resource.clone(),
        namespace: resource.namespaced.then(|| object.namespace.clone()),
        name: Some(object.name.clone()),
    });
    if !held.iter().any(|w| w.scope() == watch.scope()) {
        ledger::lock(memory).watches.push(watch.clone());
    }
    let state = watch.ready(FIRST_SIGHT).await;
    (watch.get(&key), state)
}

/// Since when health is awaited: from the last write, request or new revision on.
fn begin(resolved: &Resolved, memory: &Mutex<Memory>) -> Instant {
    let mut memory = ledger::lock(memory);
    if memory.changed || resolved.asked {
        memory.verifying = None;
        memory.expired = false;
        memory.changed = false;
    }
    *memory.verifying.get_or_insert_with(Instant::now)
}

fn verdict(
    resolved: &Resolved,
    awaited: Vec<(ObjectRef, Condition)>,
    begin: Instant,
    generation: i64,
    memory: &Mutex<Memory>,
) -> Result<Health, Failure> {
    let mut memory = ledger::lock(memory);
    let state = (resolved.artifact.revision.clone(), generation);
    if awaited.is_empty() {
        let known = memory.healthy.replace(state.clone()) == Some(state) && !memory.expired;
        memory.verifying = None;
        memory.expired = false;
        return Ok(Health::Passed {
            after: (!known || resolved.attentive).then(|| begin.elapsed()),
        });
    }
    if memory.expired {
        return Ok(Health::StillFailed);
    }
    let failed: Vec<_> = awaited
        .iter()
        .filter(|(_, c)| matches!(c, Condition::Failed(_)))
        .collect();
    let left = resolved
        .timeout
        .checked_sub(begin.elapsed())
        .filter(|l| !l.is_zero());
    let message = match left {
        _ if !failed.is_empty() => format!("failed early due to stalled resources: [{}]", listed(failed)),
        Some(left) => return Ok(Health::Awaited { left }),
        None => format!("timeout waiting for: [{}]", listed(awaited.iter().collect())),
    };
    memory.expired = true;
    memory.healthy = None;
    Err(Failure::new(Step::Health, message).lasting(begin.elapsed()))
}

fn listed(objects: Vec<&(ObjectRef, Condition)>) -> String {
    let each = objects.into_iter().map(|(object, condition)| match condition {
        // What kstatus says of an object on its way is known; why it cannot be told, or has failed, is not.
        Condition::Failed(text) | Condition::Unknown(text) if !text.is_empty() => {
            format!("{object} status: '{}': {text}", condition.word())
        }
        _ => format!("{object} status: '{}'", condition.word()),
    });
    each.collect::<Vec<_>>().join(", ")
}
