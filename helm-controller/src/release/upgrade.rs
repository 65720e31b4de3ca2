//! I/O: `helm upgrade`.

use super::{
    apply, crds, hooks,
    install::{clean_up, own, refuse_foreign, release, rendered},
    job::{ActionError, next_revision},
    objects::Item,
    session::Session,
    write::Mode,
};
use crate::{spec, storage::Record};
use ::apply::three_way::{Shape, merge};
use ::crds::helm::{ServerSideApplyMode, Upgrade};
use helm::{
    Event,
    release::{Release, Status},
};
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Upgrades the release.
///
/// # Errors
/// In Helm's words. What fails after the record was made is in the record.
pub async fn run(session: &mut Session) -> Result<(), ActionError> {
    let options = session.job.object.spec.upgrade.clone().unwrap_or_default();
    let name = session.job.name.clone();
    let none = || ActionError::Helm(format!("\"{name}\" has no deployed releases"));
    let last = last(session).await?.ok_or_else(none)?;
    let server_side = is_server_side(options.server_side_apply, &last.release);
    crds::run(session, options.crds.unwrap_or_default(), server_side).await?;
    let mut current = current(session, &last).await?.ok_or_else(none)?;
    if options.preserve_values {
        preserve(session, &current.release)?;
    }
    // The release stays where it is.
    session.job.namespace = current.release.namespace.clone();
    let revision = next_revision(last.release.version)?;
    let output = rendered(session, revision, true, options.disable_schema_validation).await?;
    let mut record = Record {
        release: release(session, &output, revision, server_side, Status::PendingUpgrade)?,
        labels: last.labels.clone(),
    };
    // A revision that failed has written, too: what it said, and no other does, goes as well.
    let failed = (last.release.version != current.release.version).then(|| last.release.manifest.clone());
    drop((last, output));
    record.release.info.first_deployed = current.release.info.first_deployed.clone();
    record.release.info.description = "Preparing upgrade".to_owned();
    let mut originals = session
        .build(&current.release.manifest, "current release manifest")
        .await?;
    if let Some(failed) = failed {
        let failed = session.build(&failed, "failed release manifest").await;
        add(&mut originals, failed.unwrap_or_default());
    }
    let mut targets = session
        .build(&record.release.manifest, "new release manifest")
        .await?;
    if options.disable_take_ownership {
        let known: HashSet<_> = originals.iter().map(|o| &o.object).collect();
        let fresh = targets.iter().filter(|t| !known.contains(&t.object)).cloned();
        refuse_foreign(session, &fresh.collect::<Vec<_>>(), "update").await?;
    }
    own(session, &mut targets);
    session
        .create(&record, spec::max_history(&session.job.object))
        .await?;
    let done = perform(
        session,
        &mut record,
        &mut current,
        originals,
        targets,
        &options,
        server_side,
    )
    .await;
    let Err((error, created)) = done else {
        current.release.info.status = Status::Superseded;
        record.release.info.status = Status::Deployed;
        record.release.info.description = "Upgrade complete".to_owned();
        session.record_both(&current, &record).await;
        return Ok(());
    };
    record.release.info.status = Status::Failed;
    record.release.info.description = format!("Upgrade \"{name}\" failed: {error}");
    session.record(&record).await;
    match options.cleanup_on_fail && !created.is_empty() {
        true => Err(clean_up(session, &created, error).await),
        false => Err(error),
    }
}

/// Adds objects to those that were said before, and to each of those what is said of it only here.
fn add(originals: &mut Vec<Item>, more: Vec<Item>) {
    let known = originals.iter().enumerate().map(|(at, o)| (o.object.id(), at));
    let known: HashMap<_, _> = known.collect();
    for item in more {
        match known.get(&item.object.id()) {
            None => originals.push(item),
            Some(&at) => {
                let known = &mut originals[at];
                let shape = Shape::of(&item.object).unwrap_or(Shape::Plain);
                known.manifest = merge(&Value::Null, &item.manifest, &known.manifest, shape);
            }
        }
    }
}

type Failure = (ActionError, Vec<Item>);

async fn perform(
    session: &mut Session,
    record: &mut Record,
    current: &mut Record,
    originals: Vec<Item>,
    targets: Vec<Item>,
    options: &Upgrade,
    server_side: bool,
) -> Result<(), Failure> {
    if !options.disable_hooks {
        let hooks = hooks::run(session, record, Event::PreUpgrade, server_side, |_| true).await;
        hooks.map_err(|e| (e.context("pre-upgrade hooks failed"), Vec::new()))?;
    }
    let mode = Mode {
        server_side,
        force: server_side,
        replace: options.force && !server_side,
        three_way: false,
    };
    let written = match apply::update(session, &originals, &targets, mode, options.cleanup_on_fail).await {
        Ok(written) => written,
        Err(failed) => {
            session.record(current).await;
            return Err((ActionError::Helm(failed.error), failed.created));
        }
    };
    session.say(format!("{} object(s) written", written.live.len()));
    // Many may wait, for long: what is not needed again goes now.
    drop((originals, targets));
    if !options.disable_wait {
        let jobs = !options.disable_wait_for_jobs;
        let ready = session
            .ready([&mut *record, &mut *current], written.live, jobs)
            .await;
        if let Err(error) = ready {
            session.record(current).await;
            return Err((error, written.created));
        }
    }
    if !options.disable_hooks {
        let hooks = hooks::run(session, record, Event::PostUpgrade, server_side, |_| true).await;
        hooks.map_err(|e| (e.context("post-upgrade hooks failed"), written.created))?;
    }
    Ok(())
}

/// The newest revision: the one that the pass knew of, if it is still there. (If a newer one has come since, its number is
/// taken, and the record of this upgrade is refused.)
async fn last(session: &Session) -> Result<Option<Record>, ActionError> {
    let name = &session.job.name;
    if let Some(version) = session.job.last
        && let Some(found) = session.storage.get(name, version).await?
    {
        return Ok(Some(found));
    }
    Ok(session.storage.last(name).await?)
}

/// The release that is upgraded: the newest that is deployed, or else the last if it failed or was superseded.
async fn current(session: &Session, last: &Record) -> Result<Option<Record>, ActionError> {
    match last.release.info.status {
        Status::Deployed => return Ok(Some(last.clone())),
        status if status.is_pending() => {
            return Err(ActionError::helm(
                "another operation (install/upgrade/rollback) is in progress",
            ));
        }
        _ => {}
    }
    let entries = session.storage.entries(&session.job.name).await?;
    let deployed = entries.iter().rev().find(|e| e.status == Status::Deployed);
    if let Some(deployed) = deployed {
        return Ok(session.storage.read(&deployed.secret).await?);
    }
    let usable = matches!(last.release.info.status, Status::Failed | Status::Superseded);
    Ok(usable.then(|| last.clone()))
}

/// The values of the last release, under those given; and as defaults, those that it was rendered with.
fn preserve(session: &mut Session, current: &Release) -> Result<(), ActionError> {
    let mut values = current.config.clone();
    helm::values::merge(&mut values, std::mem::take(&mut session.job.values));
    session.job.values = values;
    let Some(chart) = &session.job.chart else {
        return Err(ActionError::helm("missing chart"));
    };
    let mut chart = helm::Chart::clone(chart);
    if let Some(defaults) = current.chart.get("values").and_then(serde_json::Value::as_object) {
        let mut old = defaults.clone();
        helm::values::merge(&mut old, current.config.clone());
        chart.values = old;
    }
    session.job.chart = Some(Arc::new(chart));
    Ok(())
}

/// Whether objects are applied on the server's side.
pub fn is_server_side(mode: Option<ServerSideApplyMode>, last: &Release) -> bool {
    match mode.unwrap_or_default() {
        ServerSideApplyMode::Enabled => true,
        ServerSideApplyMode::Disabled => false,
        ServerSideApplyMode::Auto => last.apply_method == "ssa",
    }
}
