//! I/O: hooks, one after the other: made, awaited, and deleted as their policies say.

use super::{
    apply, hook_output,
    job::{ActionError, now},
    objects::{self, Item},
    session::Session,
    wait::{Awaited, WaitError},
    write,
};
use crate::storage::Record;
use helm::{Event, release::HookRun};
use kube::api::PropagationPolicy;
use runtime::telemetry::chain;
use std::time::Duration;

/// The policies by which hooks are deleted.
const BEFORE: &str = "before-hook-creation";
const SUCCEEDED: &str = "hook-succeeded";
const FAILED: &str = "hook-failed";

/// Runs the hooks of an event by weight and name, among those that `runs` lets through; each run is written to the
/// record before it begins.
///
/// # Errors
/// The first hook that cannot be made, fails, or does not end in time; later ones do not run.
pub async fn run(
    session: &mut Session,
    record: &mut Record,
    event: Event,
    server_side: bool,
    runs: impl Fn(&HookRun) -> bool,
) -> Result<(), ActionError> {
    let timeout = session.timeout();
    let hooks = &record.release.hooks;
    let mut order: Vec<usize> = (0..hooks.len())
        .filter(|at| hooks[*at].hook.events.contains(&event) && runs(&hooks[*at]))
        .collect();
    order.sort_by(|a, b| {
        let key = |at: &usize| (hooks[*at].hook.weight, &hooks[*at].hook.name);
        key(a).cmp(&key(b))
    });
    for (done, at) in order.iter().enumerate() {
        if let Err(error) = one(session, record, *at, event, server_side, timeout).await {
            // What went well is still put away as its policy says; the failure is what is told.
            if record.release.hooks[*at].last_run.phase == "Failed" {
                output(session, &record.release.hooks[*at], FAILED).await;
                let _ = delete(session, &record.release.hooks[*at], FAILED, timeout).await;
                for before in &order[..done] {
                    delete(session, &record.release.hooks[*before], SUCCEEDED, timeout).await?;
                }
            }
            return Err(error);
        }
    }
    for at in order.iter().rev() {
        output(session, &record.release.hooks[*at], SUCCEEDED).await;
        delete(session, &record.release.hooks[*at], SUCCEEDED, timeout).await?;
    }
    Ok(())
}

async fn one(
    session: &mut Session,
    record: &mut Record,
    at: usize,
    event: Event,
    server_side: bool,
    timeout: Duration,
) -> Result<(), ActionError> {
    let hook = &mut record.release.hooks[at];
    if hook.hook.delete_policies.is_empty() {
        hook.hook.delete_policies.push(BEFORE.to_owned());
    }
    let path = hook.hook.path.clone();
    delete(session, &record.release.hooks[at], BEFORE, timeout).await?;
    let items = build(session, &record.release.hooks[at], event.name()).await?;
    let last = &mut record.release.hooks[at].last_run;
    last.started_at = Some(now());
    last.completed_at = None;
    last.phase = "Running".to_owned();
    session.record(record).await;
    record.release.hooks[at].last_run.phase = "Unknown".to_owned();
    session.say(format!("running hook {} {path}", event.name()));
    for item in &items {
        let client = session.client.0.clone();
        let made = match server_side {
            true => write::server_side(&client, item, false).await,
            false => write::create(&client, item).await.map_err(|e| write::words(&e)),
        };
        let ended = match made {
            Ok(written) => {
                let awaited = Awaited {
                    object: item.object.clone(),
                    resource: item.resource.clone(),
                    written,
                };
                session
                    .waits
                    .ran(&awaited, timeout)
                    .await
                    .map_err(ActionError::from)
            }
            Err(text) => Err(ActionError::Helm(format!(
                "warning: Hook {} {path} failed: {text}",
                event.name()
            ))),
        };
        if let Err(error) = ended {
            let last = &mut record.release.hooks[at].last_run;
            last.completed_at = Some(now());
            last.phase = "Failed".to_owned();
            return Err(error);
        }
    }
    let last = &mut record.release.hooks[at].last_run;
    last.completed_at = Some(now());
    last.phase = "Succeeded".to_owned();
    Ok(())
}

/// Logs what a hook printed, if its policies for that say so.
async fn output(session: &Session, run: &HookRun, policy: &str) {
    if !run.hook.output_log_policies.iter().any(|p| p == policy) {
        return;
    }
    if let Ok(items) = build(session, run, "logging").await {
        hook_output::log(session, &run.hook.path, &items).await;
    }
}

/// Deletes a hook's object if its policies say so, and waits until it is gone. Definitions stay.
async fn delete(
    session: &mut Session,
    run: &HookRun,
    policy: &str,
    timeout: Duration,
) -> Result<(), ActionError> {
    let hook = &run.hook;
    if hook.kind == "CustomResourceDefinition" || !hook.delete_policies.iter().any(|p| p == policy) {
        return Ok(());
    }
    let items = build(session, run, "deleting").await?;
    let errors = apply::remove(&session.client.0, &items, &PropagationPolicy::Background).await;
    if !errors.is_empty() {
        return Err(ActionError::Helm(errors.join("; ")));
    }
    let items: Vec<&Item> = items.iter().collect();
    match session.waits.gone(&items, timeout).await {
        Ok(()) => Ok(()),
        Err(WaitError::Canceled) => Err(ActionError::Canceled),
        Err(error) => Err(ActionError::Helm(error.to_string())),
    }
}

async fn build(session: &Session, run: &HookRun, what: &str) -> Result<Vec<Item>, ActionError> {
    let built = objects::build(&session.discovery, &run.hook.manifest, &session.job.namespace).await;
    built.map_err(|e| {
        ActionError::Helm(format!(
            "unable to build kubernetes object for {what} hook {}: {}",
            run.hook.path,
            chain(&e)
        ))
    })
}
