//! The story of a HelmRelease: resolve, fetch, compose, compare with what is stored, act, record.
//!
//! A pass decides on one action and puts the intent on record; then the action begins, beside the passes, and its end
//! brings the next pass, which records what it came to. So nothing waits in a worker, and an action that is cut off leaves
//! a release in storage that the next process finds pending, unlocks and carries on with.

mod act;
mod chart;
mod cleanup;
pub mod drift;
mod identity;
mod last;
mod record;
mod resolve;
mod step;
mod template;
mod values;

use crate::{
    context::Context,
    ledger::{self, Memory},
    next::{self, Action, Kind, Next},
    release::job::{Inputs, Job},
    spec, state,
    storage::Storage,
};
use crds::{
    helm::{ChartNameChangeStrategy, DriftMode, HelmRelease, HelmReleaseStatus, reason as hr},
    meta::reason,
};
use expr::HealthExpressions;
use helm::release::Release;
use record::{Draft, pass::End};
use runtime::{
    Key,
    client::Identity,
    queue::Queue,
    reconciler::{Cleanup, Outcome, Reconciler},
    telemetry::chain,
};
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex};
use step::{Loaded, Stop};

/// Reconciles HelmReleases.
#[derive(Debug)]
pub struct Helm {
    /// What every pass holds.
    pub context: Arc<Context>,
    /// Where an action that ended asks for the next pass.
    pub queue: Arc<Queue>,
}

impl Reconciler for Helm {
    type Object = HelmRelease;

    async fn reconcile(&self, object: &Arc<HelmRelease>) -> Outcome<HelmReleaseStatus> {
        let memory = self.context.ledger.of(&Key::of(&**object));
        let mut draft = Draft::new(object, &self.context.settings, runtime::conditions::now());
        ledger::lock(&memory).prepared = None;
        match self.pass(object, &memory, &mut draft).await {
            Ok(end) => {
                if end != End::Acting {
                    ledger::lock(&memory).round.clear();
                }
                draft.end(end)
            }
            Err(stop) => {
                ledger::lock(&memory).round.clear();
                draft.stop(stop)
            }
        }
    }

    async fn cleanup(&self, object: &Arc<HelmRelease>) -> Cleanup {
        cleanup::run(self, object).await
    }

    fn recorded(&self, key: &Key) {
        if let Some(memory) = self.context.ledger.known(key) {
            let job = ledger::lock(&memory).prepared.take();
            if let Some(job) = job {
                act::begin(self, key, &memory, job);
            }
        }
    }

    fn forget(&self, key: &Key) {
        self.context.ledger.forget(key);
    }
}

/// What a HelmRelease asks for, and in whose name.
struct Wanted {
    health: Arc<HealthExpressions>,
    loaded: Loaded,
    values: Map<String, Value>,
    identity: Identity,
}

impl Helm {
    /// One pass. Each step gives what the next one needs, or a reason to stop.
    async fn pass(
        &self,
        object: &Arc<HelmRelease>,
        memory: &Mutex<Memory>,
        draft: &mut Draft<'_>,
    ) -> Result<End, Stop> {
        // An action is under way: it goes on, unless it was begun for something older.
        if self.is_acting(object, memory, draft) {
            return Ok(End::Acting);
        }
        let ended = ledger::lock(memory).ended.take();
        if let Some(end) = ended.and_then(|ended| draft.ended(*ended)) {
            return Ok(end);
        }
        // What the object asks for, as last seen; files and values.
        let wanted = self.wanted(object, draft).await?;
        ledger::lock(memory).act_as(&wanted.identity);
        if let Some(job) = self.moved(object, &wanted, draft) {
            return Ok(prepare(memory, draft, job));
        }
        let desired = wanted.loaded.desired(&wanted.values);
        draft.attempt(&desired, wanted.loaded.oci_digest.as_deref());
        // What is, and what comes next.
        let mut forced = draft.forced();
        forced |= std::mem::take(&mut ledger::lock(memory).forced);
        let storage = Storage::new(
            self.context.clients.of(&wanted.identity),
            &spec::storage_namespace(object),
        );
        loop {
            let stored = last::read(
                &self.context,
                &wanted.identity,
                &storage,
                object,
                &draft.status,
                memory,
            )
            .await?;
            let found = state::of(
                object,
                &draft.status,
                stored.as_deref(),
                &desired,
                self.context.settings.algorithm,
            );
            let found = found.map_err(|e| state_error(&e.to_string()))?;
            let retry = self.context.settings.retry_by_default;
            let action = match next::of(object, &mut draft.status, &found, forced, retry) {
                Next::Done => return self.in_sync(object, &wanted, stored, memory, draft).await,
                Next::RetriesExceeded => return Ok(draft.retries_exceeded()),
                Next::MissingRollbackTarget => return Ok(draft.missing_rollback_target()),
                Next::RollBackTo(target) => match storage.get(&target.name, target.version).await {
                    Err(error) => return Err(state_error(&chain(&error))),
                    Ok(Some(kept)) if crate::history::holds(&target, &kept.release) => {
                        Action::Rollback(target.version)
                    }
                    // There is nothing good to go back to, so forward.
                    Ok(_) => Action::Upgrade,
                },
                Next::Act(action) => action,
            };
            forced = false;
            if action == Action::Test {
                draft.undone_is_done();
            }
            if let Some(end) = self.enough(object, memory, draft, action.kind()) {
                return Ok(end);
            }
            if action == Action::Unlock {
                ledger::lock(memory).round.push(Kind::Unlock);
                last::unlock(&storage, stored, draft).await?;
                ledger::lock(memory).last = None;
                continue;
            }
            let job = Job {
                last: stored.map(|r| r.version),
                ..self.job(object, &wanted, action)
            };
            return Ok(prepare(memory, draft, job));
        }
    }

    /// Whether an action is under way; one that was begun for something older is given up.
    fn is_acting(&self, object: &HelmRelease, memory: &Mutex<Memory>, draft: &mut Draft<'_>) -> bool {
        let mut memory = ledger::lock(memory);
        let Some(running) = &memory.running else {
            return false;
        };
        let template = object.status.as_ref().and_then(template::known);
        let artifact = resolve::artifact(&self.context, object, template.as_ref());
        let newer = artifact.is_ok_and(|a| a.digest != running.inputs.artifact);
        if !running.uninstalls && (record::generation(object) != running.inputs.generation || newer) {
            running.cancel.send_replace(true);
        }
        memory.forced |= draft.forced();
        true
    }

    async fn wanted(&self, object: &Arc<HelmRelease>, draft: &mut Draft<'_>) -> Result<Wanted, Stop> {
        let context = &*self.context;
        resolve::one_chart(object)?;
        resolve::names(object)?;
        let health = Arc::new(resolve::health_expressions(object)?);
        let templated = template::run(context, object, &draft.status).await?;
        draft.status.helm_chart = templated.chart.as_ref().map(ToString::to_string);
        draft.events.extend(templated.events);
        draft.progressing();
        resolve::dependencies(context, object)?;
        draft.passed(&[reason::DEPENDENCY_NOT_READY]);
        let artifact = resolve::artifact(context, object, templated.chart.as_ref())?;
        draft.passed(&[reason::ACCESS_DENIED, hr::SOURCE_NOT_READY]);
        let values = values::run(context, object).await?;
        draft.passed(&[hr::VALUES_ERROR]);
        let loaded = chart::run(context, object, artifact).await?;
        draft.passed(&[hr::ARTIFACT_FAILED, hr::CHART_MUTATE_ERROR]);
        let identity = identity::of(context, object).await?;
        draft.passed(&[hr::REST_CLIENT_ERROR]);
        Ok(Wanted {
            health,
            loaded,
            values,
            identity,
        })
    }

    /// The end of a release that is to be elsewhere, or of another chart, from now on.
    fn moved(&self, object: &Arc<HelmRelease>, wanted: &Wanted, draft: &Draft<'_>) -> Option<Job> {
        let status = &draft.status;
        let storage = status.storage_namespace.as_deref().filter(|n| !n.is_empty())?;
        let latest = status.history.iter().max_by_key(|s| s.version)?;
        let strategy = object
            .spec
            .upgrade
            .as_ref()
            .and_then(|u| u.chart_name_change_strategy);
        let renamed = latest.chart_name != wanted.loaded.chart.name()
            && strategy.unwrap_or_default() == ChartNameChangeStrategy::Reinstall;
        let moved = spec::storage_namespace(object) != storage
            || spec::release_namespace(object) != latest.namespace
            || spec::release_name(object) != latest.name;
        (moved || renamed).then(|| Job {
            name: latest.name.clone(),
            namespace: latest.namespace.clone(),
            storage_namespace: storage.to_owned(),
            ..self.job(object, wanted, Action::Uninstall)
        })
    }

    fn job(&self, object: &Arc<HelmRelease>, wanted: &Wanted, action: Action) -> Job {
        Job {
            action,
            object: object.clone(),
            identity: wanted.identity.clone(),
            name: spec::release_name(object),
            namespace: spec::release_namespace(object),
            storage_namespace: spec::storage_namespace(object),
            last: None,
            chart: Some(wanted.loaded.chart.clone()),
            values: wanted.values.clone(),
            inputs: Inputs {
                generation: record::generation(object),
                artifact: wanted.loaded.artifact.digest.clone(),
            },
            health: wanted.health.clone(),
        }
    }

    /// Of each kind, one action is done in a round; how the round ends if this one would be another.
    fn enough(
        &self,
        object: &HelmRelease,
        memory: &Mutex<Memory>,
        draft: &mut Draft<'_>,
        kind: Kind,
    ) -> Option<End> {
        if !ledger::lock(memory).round.contains(&kind) {
            return None;
        }
        let status = &draft.status;
        if let Some(pause) = spec::active_retry(object, status, self.context.settings.retry_by_default) {
            return Some(End::RetryAfter(pause, None));
        }
        let exhausted = spec::Remediation::active(object, status).is_some_and(|r| r.exhausted(status));
        Some(match exhausted {
            true => End::Idle,
            false => End::Retry("the release failed, it is tried again".to_owned()),
        })
    }

    /// The release is as asked for; so is the cluster, or it is brought back.
    async fn in_sync(
        &self,
        object: &HelmRelease,
        wanted: &Wanted,
        last: Option<Arc<Release>>,
        memory: &Mutex<Memory>,
        draft: &mut Draft<'_>,
    ) -> Result<End, Stop> {
        let Some(last) = last.filter(|_| drift::is_watched(object)) else {
            let mut memory = ledger::lock(memory);
            memory.watches.clear();
            memory.good.clear();
            draft.in_sync();
            return Ok(End::Done);
        };
        let found = drift::find(&self.context, object, &wanted.identity, &last, memory).await?;
        if found.is_empty() {
            draft.in_sync();
            return Ok(End::Done);
        }
        draft.drifted(&drift::summary(&found));
        drift::note(&found, memory);
        if spec::drift_mode(object) != DriftMode::Enabled {
            return Ok(End::Done);
        }
        let client = self.context.clients.of(&wanted.identity);
        let (corrected, failures) = drift::correct(&client, found).await;
        draft.corrected(&corrected, &failures);
        if !failures.is_empty() {
            return Ok(End::Failed(failures.join(", ")));
        }
        let left = drift::find(&self.context, object, &wanted.identity, &last, memory).await?;
        if left.is_empty() {
            draft.in_sync();
            return Ok(End::Done);
        }
        Ok(End::Failed(format!(
            "corrected, and differs again: {}",
            drift::summary(&left)
        )))
    }
}

/// Puts an action's intent into the status; it begins when that is written.
fn prepare(memory: &Mutex<Memory>, draft: &mut Draft<'_>, job: Job) -> End {
    draft.starting(&job.action);
    let mut memory = ledger::lock(memory);
    memory.round.push(job.action.kind());
    memory.prepared = Some(job);
    End::Acting
}

fn state_error(message: &str) -> Stop {
    Stop::Failed {
        reason: hr::STATE_ERROR,
        message: format!("Could not determine release state: {message}"),
        tells: false,
    }
}
