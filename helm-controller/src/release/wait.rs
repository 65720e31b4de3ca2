//! How an action waits: on the live view, without a place among those that work, until a deadline or something newer.

use super::{
    legacy,
    objects::{Item, with_status},
};
use crate::context::Context;
use ::apply::{
    discovery::Resource,
    health::{self, Health},
    id::ObjectRef,
    view::{Scope, State, Watch},
};
use expr::{HealthExpressions, Judgement};
use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::{Api, Client, api::ListParams};
use runtime::{Key, client::Identity, telemetry::chain};
use serde_json::{Value, json};
use std::{future::Future, sync::Arc, time::Duration};
use thiserror::Error;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, watch},
    time::Instant,
};

/// How long a new watch may take to show what is there, before objects are looked at one by one.
const FIRST_SIGHT: Duration = Duration::from_secs(5);
/// How often to look where nothing can be watched, and for what the view does not tell.
const LOOK: Duration = Duration::from_secs(2);
/// How often to look whether deleted objects are gone.
const LOOK_GONE: Duration = Duration::from_millis(500);

/// Why a wait ended without what was waited for.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WaitError {
    /// The time is over.
    #[error("timeout waiting for: [{}]", .0.join(", "))]
    Timeout(Vec<String>),
    /// An object will not get there by itself.
    #[error("failed early due to stalled resources: [{}]", .0.join(", "))]
    Stalled(Vec<String>),
    /// Something newer is to be done.
    #[error("context canceled")]
    Canceled,
}

impl From<WaitError> for super::job::ActionError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Canceled => Self::Canceled,
            other => Self::Helm(other.to_string()),
        }
    }
}

/// An object to wait for, and as it was when it was written.
#[derive(Debug, Clone)]
pub struct Awaited {
    /// Its name.
    pub object: ObjectRef,
    /// What serves it.
    pub resource: Arc<Resource>,
    /// As the API server answered when it was written.
    pub written: Value,
}

impl Awaited {
    /// Whether it may clean itself up once it has done its work.
    fn cleans_up(&self) -> bool {
        self.object.kind == "Job" && self.written.pointer(TTL).is_some()
    }

    /// Lets go of what need not be known while it is awaited: many may be, for long.
    fn forget(&mut self) {
        let ttl = self.written.pointer(TTL).cloned();
        self.written = ttl.map_or(
            Value::Null,
            |ttl| json!({"spec": {"ttlSecondsAfterFinished": ttl}}),
        );
    }
}

/// The field by which a Job cleans itself up.
const TTL: &str = "/spec/ttlSecondsAfterFinished";

/// The means to wait.
#[derive(Debug)]
pub struct Waits {
    /// What every pass holds.
    pub context: Arc<Context>,
    /// In whose name.
    pub identity: Identity,
    /// Rung when an object of the HelmRelease changes.
    pub bell: Arc<Notify>,
    /// Set when something newer is to be done.
    pub cancel: watch::Receiver<bool>,
    /// The place among those that work; given up while waiting.
    pub place: Option<OwnedSemaphorePermit>,
    /// Objects are ready when they were for Helm 3.
    pub legacy: bool,
}

/// By what rules an object is ready.
#[derive(Debug, Clone, Copy)]
enum Rules<'e> {
    /// Those of `kstatus`, and the spec's own.
    Status(&'e HealthExpressions),
    /// Helm 3's.
    Legacy,
}

impl Rules<'_> {
    /// Whether an object is ready by what the API server answered when it was written: that may be all there is to know.
    fn holds_of(self, target: &Awaited) -> bool {
        let health = match self {
            Self::Status(own)
                if own
                    .for_object(&target.object.group, &target.object.kind)
                    .is_some() =>
            {
                return false;
            }
            Self::Status(_) => health::of(&target.written),
            Self::Legacy => legacy::of(&target.written, &[]),
        };
        health == Health::Current
    }
}

impl Waits {
    /// Takes a place among those that work.
    pub async fn work(&mut self) {
        if self.place.is_none() {
            self.place = self.context.places.clone().acquire_owned().await.ok();
        }
    }

    /// Waits until all objects are as they should be, at most `timeout`. Jobs count when they have ended, if `jobs`.
    ///
    /// # Errors
    /// See [`WaitError`].
    pub async fn ready(
        &mut self,
        targets: Vec<Awaited>,
        jobs: bool,
        expressions: &HealthExpressions,
        timeout: Duration,
    ) -> Result<(), WaitError> {
        let deadline = Instant::now() + timeout;
        let counts = |t: &Awaited| {
            let at = |path: &str| t.written.pointer(path);
            let is = |group: &str, kind: &str| t.object.group == group && t.object.kind == kind;
            let paused = is("apps", "Deployment") && at("/spec/paused") == Some(&Value::Bool(true));
            !paused && (jobs || !is("batch", "Job"))
        };
        let mut left: Vec<Awaited> = targets.into_iter().filter(counts).collect();
        let rules = match self.legacy {
            true => Rules::Legacy,
            false => Rules::Status(expressions),
        };
        left.retain(|target| !rules.holds_of(target));
        if left.is_empty() {
            return Ok(());
        }
        let watches: Vec<Arc<Watch>> = left
            .iter()
            .map(|t| self.watch(&t.resource, &t.object, false))
            .collect();
        for (target, watch) in left.iter_mut().zip(&watches) {
            watch.put(&target.written);
            target.forget();
        }
        let client = self.context.clients.of(&self.identity);
        let mut left: Vec<(Awaited, Arc<Watch>)> = left.into_iter().zip(watches).collect();
        let (bell, mut cancel) = (self.bell.clone(), self.cancel.clone());
        self.idle(async {
            loop {
                let mut states = Vec::new();
                for (target, watch) in &left {
                    states.push(judge(&client, rules, target, watch).await);
                }
                let failed: Vec<String> = left
                    .iter()
                    .zip(&states)
                    .filter(|(_, s)| matches!(s, Health::Failed(_)))
                    .map(|((t, _), s)| with_status(&t.object, s.word()))
                    .collect();
                if !failed.is_empty() {
                    return Err(WaitError::Stalled(failed));
                }
                let mut states = states.into_iter();
                let mut pending = Vec::new();
                left.retain(|(target, _)| match states.next() {
                    Some(Health::Current) | None => false,
                    Some(other) => {
                        pending.push(with_status(&target.object, other.word()));
                        true
                    }
                });
                if left.is_empty() {
                    return Ok(());
                }
                if Instant::now() >= deadline {
                    return Err(WaitError::Timeout(pending));
                }
                pause(&bell, &mut cancel, deadline.min(Instant::now() + LOOK)).await?;
            }
        })
        .await
    }

    /// Waits until a hook has run: a Job has ended, a Pod has; anything else has run when it is there.
    ///
    /// # Errors
    /// See [`WaitError`]; a hook that failed is stalled.
    pub async fn ran(&mut self, hook: &Awaited, timeout: Duration) -> Result<(), WaitError> {
        let deadline = Instant::now() + timeout;
        if outcome(&hook.object, &hook.written) == Some(true) {
            return Ok(());
        }
        let watch = self.watch(&hook.resource, &hook.object, true);
        let client = self.context.clients.of(&self.identity);
        let (bell, mut cancel) = (self.bell.clone(), self.cancel.clone());
        self.idle(async {
            watch.ready(FIRST_SIGHT).await;
            let api = hook.resource.api(client, &hook.object.namespace);
            let mut seen: Option<u64> = None;
            loop {
                let live = watch.get(&Key::new(&hook.object.namespace, &hook.object.name));
                let version = live.as_ref().map(|l| l.version);
                // The view keeps no phases: the object is read when it has changed.
                if version != seen || watch.state() != State::Synced {
                    seen = version;
                    let found = api.get_opt(&hook.object.name).await.ok().flatten();
                    let found = found.map(|o| serde_json::to_value(o).unwrap_or_default());
                    match found.and_then(|live| outcome(&hook.object, &live)) {
                        Some(true) => return Ok(()),
                        Some(false) => {
                            return Err(WaitError::Stalled(vec![with_status(&hook.object, "Failed")]));
                        }
                        None => {}
                    }
                }
                if Instant::now() >= deadline {
                    return Err(WaitError::Timeout(vec![with_status(&hook.object, "InProgress")]));
                }
                pause(&bell, &mut cancel, deadline.min(Instant::now() + LOOK)).await?;
            }
        })
        .await
    }

    /// Waits until objects are gone, at most `timeout`.
    ///
    /// # Errors
    /// See [`WaitError`].
    pub async fn gone(&mut self, items: &[&Item], timeout: Duration) -> Result<(), WaitError> {
        let deadline = Instant::now() + timeout;
        let client = self.context.clients.of(&self.identity);
        let (bell, mut cancel) = (self.bell.clone(), self.cancel.clone());
        let mut left: Vec<&Item> = items.to_vec();
        loop {
            let mut there = Vec::new();
            for item in left {
                let api = item.resource.api(client.clone(), &item.object.namespace);
                if !matches!(api.get_metadata_opt(&item.object.name).await, Ok(None)) {
                    there.push(item);
                }
            }
            if there.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let names = there.iter().map(|i| with_status(&i.object, "Terminating"));
                return Err(WaitError::Timeout(names.collect()));
            }
            left = there;
            let until = deadline.min(Instant::now() + LOOK_GONE);
            self.idle(pause(&bell, &mut cancel, until)).await?;
        }
    }

    /// Lets others work while something is awaited.
    async fn idle<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.place = None;
        let result = wait.await;
        self.work().await;
        result
    }

    /// The watch that sees an object: all of ours in all namespaces for the controller itself, in the one namespace for
    /// a tenant; or the one object, if it may not carry our label.
    fn watch(&self, resource: &Arc<Resource>, object: &ObjectRef, alone: bool) -> Arc<Watch> {
        let one = resource.namespaced && (alone || self.identity != Identity::Controller);
        self.context.view.watch(Scope {
            identity: self.identity.clone(),
            resource: resource.clone(),
            namespace: one.then(|| object.namespace.clone()),
            name: alone.then(|| object.name.clone()),
        })
    }
}

/// Waits for the bell or a moment.
async fn pause(bell: &Notify, cancel: &mut watch::Receiver<bool>, until: Instant) -> Result<(), WaitError> {
    tokio::select! {
        () = bell.notified() => Ok(()),
        () = tokio::time::sleep_until(until) => Ok(()),
        _ = cancel.wait_for(|canceled| *canceled) => Err(WaitError::Canceled),
    }
}

async fn judge(client: &Client, rules: Rules<'_>, target: &Awaited, watch: &Watch) -> Health {
    let custom = match rules {
        Rules::Status(own) => own.for_object(&target.object.group, &target.object.kind),
        Rules::Legacy => None,
    };
    let live = watch.get(&Key::new(&target.object.namespace, &target.object.name));
    let state = watch.ready(FIRST_SIGHT).await;
    match (rules, custom, live, state) {
        (_, _, None, State::Synced) if custom.is_none() => return absent(target),
        (Rules::Status(_), None, Some(live), State::Synced) => return live.health.clone(),
        _ => {}
    }
    // An expression and Helm 3 want the whole object, and a watch that is not allowed shows nothing.
    let api = target.resource.api(client.clone(), &target.object.namespace);
    let live = match api.get_opt(&target.object.name).await {
        Ok(None) => return absent(target),
        Err(error) => return Health::Unknown(chain(&error)),
        Ok(Some(live)) => serde_json::to_value(live).unwrap_or_default(),
    };
    match (rules, custom.map(|c| c.judge(&live))) {
        (Rules::Legacy, _) => match replica_sets(client, &live).await {
            Ok(sets) => legacy::of(&live, &sets),
            Err(error) => Health::Unknown(chain(&error)),
        },
        (Rules::Status(_), None) => health::of(&live),
        (_, Some(Judgement::Current)) => Health::Current,
        (_, Some(Judgement::InProgress)) => Health::InProgress(String::new()),
        (_, Some(Judgement::Failed)) => Health::Failed(String::new()),
        (_, Some(Judgement::Unknown(text))) => Health::Unknown(text),
    }
}

/// The ReplicaSets among which those of a Deployment are, if they matter.
async fn replica_sets(client: &Client, live: &Value) -> kube::Result<Vec<Value>> {
    if !legacy::wants_replica_sets(live) {
        return Ok(Vec::new());
    }
    let namespace = live["metadata"]["namespace"].as_str().unwrap_or_default();
    let labels = live["spec"]["selector"]["matchLabels"].as_object();
    let labels: Vec<String> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    let sets: Api<ReplicaSet> = Api::namespaced(client.clone(), namespace);
    let found = sets
        .list(&ListParams::default().labels(&labels.join(",")))
        .await?;
    Ok(found
        .items
        .iter()
        .map(|set| serde_json::to_value(set).unwrap_or_default())
        .collect())
}

/// A Job that cleans up after itself has ended when it is gone.
fn absent(target: &Awaited) -> Health {
    if target.cleans_up() {
        Health::Current
    } else {
        Health::NotFound
    }
}

/// Whether a hook has run: well, badly, or not yet.
fn outcome(hook: &ObjectRef, live: &Value) -> Option<bool> {
    match (hook.group.as_str(), hook.kind.as_str()) {
        ("batch", "Job") => {
            let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
            let is = |type_: &str| {
                let mut all = conditions.into_iter().flatten();
                all.any(|c| c["type"] == type_ && c["status"] == "True")
            };
            match (is("Complete"), is("Failed")) {
                (true, _) => Some(true),
                (false, true) => Some(false),
                (false, false) => None,
            }
        }
        ("", "Pod") => match live.pointer("/status/phase").and_then(Value::as_str) {
            Some("Succeeded") => Some(true),
            Some("Failed") => Some(false),
            _ => None,
        },
        _ => Some(true),
    }
}
