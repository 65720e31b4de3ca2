//! I/O: stage by stage, writes what differs from what is live.

mod ignored;
mod stage;
mod told;

pub use told::told;

use super::{
    build,
    prune::inventory,
    step::{Applied, Resolved, Stop},
    variables::Variables,
};
use crate::{
    context::Context,
    ledger::{self, Built, Memory, Planned},
    manifest::Manifest,
};
use ::apply::{
    apply::{Applier, Change, Checked},
    discovery::{Discovery, Resource},
    error::ApplyError,
    id::ObjectRef,
    order::{self, Stage},
    plan::{self, Action, Sight, Written},
    view::{Live, Scope, State, Watch},
};
use crds::{kustomize::Kustomization, meta::ObjectId};
use futures::{StreamExt as _, stream};
use runtime::{Key, client::Identity};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

/// How long a new watch may take to show what is there, before objects are looked at one by one.
const FIRST_SIGHT: Duration = Duration::from_secs(10);

/// Writes what differs. Stops where a stage has to be awaited; the next pass goes on from there.
pub async fn run(
    context: &Context,
    object: &Kustomization,
    resolved: &Resolved,
    identity: &Identity,
    variables: &Variables,
    built: &Arc<Built>,
    memory: &Mutex<Memory>,
) -> Result<Applied, Stop> {
    ledger::lock(memory).act_as(identity);
    let mut writer = Writer {
        context,
        object,
        resolved,
        variables,
        built,
        memory,
        applier: Applier {
            client: context.clients.of(identity),
            ownership: context.ownership.clone(),
        },
        discovery: context.discovery.of(identity),
        identity,
        manifests: None,
        watches: Vec::new(),
        applied: Applied {
            inventory: inventory(built),
            ..Applied::default()
        },
    };
    let end = writer.stages().await;
    let mut memory = ledger::lock(memory);
    // What was not written now is built again when it is.
    memory.fresh = None;
    memory.changed |= writer.applied.changes.iter().any(|(_, c)| c.is_new());
    match end {
        Err(Stop::Waiting { .. }) => {
            memory.untold.append(&mut writer.applied.changes);
            memory.watches.extend(writer.watches);
            end.map(|()| Applied::default())
        }
        Ok(()) => {
            memory.staging = None;
            let mut changes = std::mem::take(&mut memory.untold);
            changes.retain(|(object, _)| {
                !writer
                    .applied
                    .changes
                    .iter()
                    .any(|(o, c)| o == object && c.is_new())
            });
            writer
                .applied
                .changes
                .retain(|(object, c)| c.is_new() || !changes.iter().any(|(o, _)| o == object));
            changes.append(&mut writer.applied.changes);
            order::sort_by_ref(&mut changes, &context.settings.custom_stage, |(o, _)| o);
            writer.applied.changes = changes;
            memory.watches = writer.watches;
            let kept: HashSet<ObjectId> = built.objects.iter().map(|p| p.object.id()).collect();
            memory.written.retain(|id, _| kept.contains(id));
            Ok(writer.applied)
        }
        Err(stop) => {
            memory.watches.extend(writer.watches);
            Err(stop)
        }
    }
}

/// Writes the objects of one Kustomization.
struct Writer<'a> {
    context: &'a Context,
    object: &'a Kustomization,
    resolved: &'a Resolved,
    variables: &'a Variables,
    built: &'a Arc<Built>,
    memory: &'a Mutex<Memory>,
    applier: Applier,
    discovery: Arc<Discovery>,
    identity: &'a Identity,
    manifests: Option<HashMap<ObjectId, Manifest>>,
    watches: Vec<Arc<Watch>>,
    applied: Applied,
}

/// An object with all that is known of it.
struct Target<'a> {
    planned: &'a Planned,
    resource: Arc<Resource>,
    watch: Arc<Watch>,
    live: Option<Arc<Live>>,
    action: Action,
}

impl Writer<'_> {
    async fn stages(&mut self) -> Result<(), Stop> {
        let built = self.built.clone();
        for stage in Stage::ALL {
            let objects: Vec<&Planned> = built.objects.iter().filter(|p| p.stage == stage).collect();
            if objects.is_empty() {
                continue;
            }
            let targets = self.targets(&objects).await.map_err(|e| self.unknown(e))?;
            self.write(&targets).await?;
            self.await_stage(stage, &targets)?;
        }
        Ok(())
    }

    /// Finds resource, live object and action for each object of a stage.
    async fn targets<'p>(&mut self, objects: &[&'p Planned]) -> Result<Vec<Target<'p>>, ApplyError> {
        let mut targets = Vec::with_capacity(objects.len());
        for planned in objects {
            let object = &planned.object;
            let resource = self.discovery.resource(object).await;
            let resource = resource.map_err(|source| ApplyError::Kind {
                object: object.clone(),
                source,
            })?;
            if resource.namespaced && object.namespace.is_empty() {
                return Err(ApplyError::NoNamespace {
                    object: object.clone(),
                });
            }
            let watch = self.watch(&resource, &object.namespace);
            let state = watch.ready(FIRST_SIGHT).await;
            let live = watch.get(&key(object));
            let sight = match (&live, state) {
                (Some(live), _) => Sight::Present(live),
                (None, State::Synced) => Sight::Absent,
                (None, State::Starting | State::Forbidden) => Sight::Blind,
            };
            let written = ledger::lock(self.memory).written.get(&object.id()).cloned();
            let action = plan::decide(planned.fingerprint, planned.asks, written.as_ref(), sight);
            targets.push(Target {
                planned,
                resource,
                watch,
                live,
                action,
            });
        }
        Ok(targets)
    }

    /// The watch that sees an object: all namespaces for the controller itself, the one namespace for a tenant.
    fn watch(&mut self, resource: &Arc<Resource>, namespace: &str) -> Arc<Watch> {
        let one = resource.namespaced && *self.identity != Identity::Controller;
        let scope = Scope {
            identity: self.identity.clone(),
            resource: resource.clone(),
            namespace: one.then(|| namespace.to_owned()),
            name: None,
        };
        if let Some(known) = self.watches.iter().find(|w| *w.scope() == scope) {
            return known.clone();
        }
        let watch = self.context.view.watch(scope);
        self.watches.push(watch.clone());
        watch
    }

    async fn write(&mut self, targets: &[Target<'_>]) -> Result<(), Stop> {
        let mut due: Vec<&Target<'_>> = targets.iter().filter(|t| writes(&t.action)).collect();
        if !due.is_empty() {
            self.load_manifests().await?;
            due = self.heed_ignored(due).await?;
        }
        let mut changes: Vec<(ObjectRef, Change)> = targets
            .iter()
            .filter(|t| t.action == Action::Skip)
            .map(|t| (t.planned.object.clone(), Change::Skipped))
            .collect();
        if !due.is_empty() {
            let checked = self.check(&due).await?;
            let (written, error) = self.apply(&due, &checked).await;
            let fights = due.iter().filter_map(|t| self.fight(t)).collect::<Vec<_>>();
            self.applied.fights.extend(fights);
            changes.extend(written);
            order::sort_by_ref(&mut changes, &self.context.settings.custom_stage, |(o, _)| o);
            self.applied.changes.append(&mut changes);
            if let Some(error) = error {
                return Err(self.failed(&error));
            }
        }
        self.applied.changes.append(&mut changes);
        Ok(())
    }

    /// Dry-runs what may be refused, so that a bad object keeps its whole stage from being written.
    async fn check(&self, due: &[&Target<'_>]) -> Result<HashMap<ObjectId, Checked>, Stop> {
        let alone = due.len() == 1;
        let mut checks = Vec::new();
        for target in due {
            // An object seen with our labels, at a revision that was applied before, was accepted before.
            let known = !self.resolved.attentive && target.live.is_some();
            let doubtful = match target.action {
                Action::Check => !known,
                Action::Update => !alone,
                Action::Keep
                | Action::Skip
                | Action::AwaitDeletion
                | Action::Restore
                | Action::Correct { .. } => false,
            };
            if let Some(manifest) = self.manifest(&target.planned.object).filter(|_| doubtful) {
                checks.push(self.check_one(target, manifest));
            }
        }
        let answers: Vec<_> = stream::iter(checks)
            .buffered(self.context.settings.concurrent_ssa)
            .collect()
            .await;
        let mut checked = HashMap::new();
        for (object, answer) in answers {
            checked.insert(object.id(), answer.map_err(|e| self.failed(&e))?);
        }
        Ok(checked)
    }

    async fn check_one<'t>(
        &self,
        target: &'t Target<'_>,
        manifest: &Manifest,
    ) -> (&'t ObjectRef, Result<Checked, ApplyError>) {
        let object = &target.planned.object;
        (
            object,
            self.applier
                .check(object, &target.resource, &manifest.value, self.object.spec.force)
                .await,
        )
    }

    /// Writes in batches; a failure lets the batch end, but no other begin.
    async fn apply(
        &self,
        due: &[&Target<'_>],
        checked: &HashMap<ObjectId, Checked>,
    ) -> (Vec<(ObjectRef, Change)>, Option<ApplyError>) {
        let mut changes = Vec::new();
        for batch in 0..=2 {
            let members: Vec<_> = due
                .iter()
                .filter(|t| order::batch(&t.planned.object.kind) == batch)
                .collect();
            let writes: Vec<_> = members
                .iter()
                .map(|t| self.one(t, checked.get(&t.planned.object.id())))
                .collect();
            let answers: Vec<_> = stream::iter(writes)
                .buffered(self.context.settings.concurrent_ssa)
                .collect()
                .await;
            let mut first_error = None;
            for (target, answer) in members.iter().zip(answers) {
                let object = &target.planned.object;
                match answer {
                    Ok(change) => changes.push((object.clone(), change)),
                    Err(error) => first_error = first_error.or(Some(error)),
                }
            }
            if first_error.is_some() {
                return (changes, first_error);
            }
        }
        (changes, None)
    }

    async fn one(&self, target: &Target<'_>, checked: Option<&Checked>) -> Result<Change, ApplyError> {
        let object = &target.planned.object;
        let Some(manifest) = self.manifest(object) else {
            return Ok(Change::Skipped);
        };
        if checked.is_some_and(|c| c.skip) {
            return Ok(Change::Skipped);
        }
        let (resource, value) = (&*target.resource, &manifest.value);
        let answer = if checked.is_some_and(|c| c.recreate) {
            self.applier.replace(object, resource, value).await?
        } else {
            let foreign = target
                .live
                .as_ref()
                .is_some_and(|l| l.owners.foreign && !target.planned.asks.merge);
            let takeover = checked.map_or(foreign, |c| c.takeover);
            self.applier
                .write(object, resource, value, takeover, self.object.spec.force)
                .await?
        };
        let before = match checked {
            Some(checked) => checked.version.clone().filter(|_| !checked.recreate),
            None => target.live.as_ref().map(|l| l.version.to_string()),
        };
        let after = answer
            .pointer("/metadata/resourceVersion")
            .and_then(|v| v.as_str())
            .map(str::to_owned);
        if let Some(live) = target.watch.put(&answer) {
            let written = Written {
                desired: target.planned.fingerprint,
                fields: live.owners.fingerprint,
                beside: self.beside(&answer, target.planned),
                uid: live.uid.clone(),
            };
            let mut memory = ledger::lock(self.memory);
            memory.written.insert(object.id(), written);
            if matches!(target.action, Action::Correct { .. } | Action::Restore) {
                memory.fights.corrected(&object.id(), std::time::Instant::now());
            }
        }
        if object.kind == "CustomResourceDefinition" {
            let group = value
                .pointer("/spec/group")
                .and_then(|g| g.as_str())
                .unwrap_or_default();
            self.discovery.forget(group);
        }
        Ok(match before {
            None => Change::Created,
            Some(before) if Some(&before) == after.as_ref() => Change::Unchanged,
            Some(_) => Change::Configured,
        })
    }

    async fn load_manifests(&mut self) -> Result<(), Stop> {
        if self.manifests.is_some() {
            return Ok(());
        }
        let fresh = ledger::lock(self.memory).fresh.take();
        let manifests = match fresh {
            Some(manifests) => manifests,
            None => build::manifests(self.context, self.object, self.resolved, self.variables)
                .await
                .map_err(|e| e.at(self.resolved))?,
        };
        self.manifests = Some(manifests.into_iter().map(|m| (m.object.id(), m)).collect());
        Ok(())
    }

    fn manifest(&self, object: &ObjectRef) -> Option<&Manifest> {
        self.manifests.as_ref()?.get(&object.id())
    }
}

fn writes(action: &Action) -> bool {
    match action {
        Action::Keep | Action::Skip | Action::AwaitDeletion => false,
        Action::Check | Action::Restore | Action::Update | Action::Correct { .. } => true,
    }
}

fn key(object: &ObjectRef) -> Key {
    Key::new(&object.namespace, &object.name)
}
