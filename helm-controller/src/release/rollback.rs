//! I/O: `helm rollback`.

use super::{
    apply, hooks,
    install::{clean_up, own},
    job::{ActionError, next_revision, now},
    objects::Item,
    session::Session,
    upgrade::is_server_side,
    write::Mode,
};
use crate::{spec, storage::Record};
use ::crds::helm::Rollback;
use helm::{
    Event,
    release::{Info, Status},
};

/// Rolls the release back to a revision, as a new revision.
///
/// # Errors
/// In Helm's words. What fails after the record was made is in the record.
pub async fn run(session: &mut Session, to: i64) -> Result<(), ActionError> {
    let options = session.job.object.spec.rollback.clone().unwrap_or_default();
    let name = session.job.name.clone();
    let missing = || ActionError::Helm(format!("release has no {to} version"));
    let mut current = session.storage.last(&name).await?.ok_or_else(missing)?;
    let target = session.storage.get(&name, to).await?.ok_or_else(missing)?;
    let server_side = is_server_side(options.server_side_apply, &target.release);
    session.job.namespace = current.release.namespace.clone();
    let mut record = target;
    record.release.namespace = current.release.namespace.clone();
    record.release.version = next_revision(current.release.version)?;
    record.release.apply_method = if server_side { "ssa" } else { "csa" }.to_owned();
    record.release.info = Info {
        first_deployed: current.release.info.first_deployed.clone(),
        last_deployed: Some(now()),
        status: Status::PendingRollback,
        notes: std::mem::take(&mut record.release.info.notes),
        description: format!("Rollback to {to}"),
        ..Info::default()
    };
    session
        .create(&record, spec::max_history(&session.job.object))
        .await?;
    match perform(session, &mut record, &mut current, &options, server_side).await {
        Ok(()) => {}
        // A record that stays pending is unlocked by the next pass.
        Err(Failure::Hook(error)) => return Err(error),
        Err(Failure::Apply(error, created)) => {
            current.release.info.status = Status::Superseded;
            record.release.info.status = Status::Failed;
            record.release.info.description = format!("Rollback \"{name}\" failed: {error}");
            session.record(&current).await;
            session.record(&record).await;
            return Err(match options.cleanup_on_fail && !created.is_empty() {
                true => clean_up(session, &created, error).await,
                false => error,
            });
        }
        Err(Failure::Wait(error)) => {
            record.release.info.status = Status::Failed;
            record.release.info.description = format!("Release \"{name}\" failed: {error}");
            session.record(&current).await;
            session.record(&record).await;
            return Err(error.context(&format!("release {name} failed")));
        }
    }
    for entry in session.storage.entries(&name).await? {
        if entry.status == Status::Deployed
            && entry.version != record.release.version
            && let Some(mut deployed) = session.storage.read(&entry.secret).await?
        {
            deployed.release.info.status = Status::Superseded;
            session.record(&deployed).await;
        }
    }
    record.release.info.status = Status::Deployed;
    session.update(&record).await?;
    Ok(())
}

enum Failure {
    /// A hook failed, or nothing was begun.
    Hook(ActionError),
    /// An object was refused; what had been made.
    Apply(ActionError, Vec<Item>),
    /// Objects did not become ready.
    Wait(ActionError),
}

async fn perform(
    session: &mut Session,
    record: &mut Record,
    current: &mut Record,
    options: &Rollback,
    server_side: bool,
) -> Result<(), Failure> {
    let originals = session
        .build(&current.release.manifest, "current release manifest")
        .await;
    let originals = originals.map_err(Failure::Hook)?;
    let targets = session
        .build(&record.release.manifest, "new release manifest")
        .await;
    let mut targets = targets.map_err(Failure::Hook)?;
    if !options.disable_hooks {
        let hooks = hooks::run(session, record, Event::PreRollback, server_side, |_| true).await;
        hooks.map_err(Failure::Hook)?;
    }
    own(session, &mut targets);
    let mode = Mode {
        server_side,
        force: server_side,
        replace: options.force && !server_side,
        three_way: false,
    };
    let written = apply::update(session, &originals, &targets, mode, options.cleanup_on_fail).await;
    let written = written.map_err(|f| Failure::Apply(ActionError::Helm(f.error), f.created))?;
    // Many may wait, for long: what is not needed again goes now.
    drop((originals, targets));
    if !options.disable_wait {
        let jobs = !options.disable_wait_for_jobs;
        let ready = session
            .ready([&mut *record, &mut *current], written.live, jobs)
            .await;
        ready.map_err(Failure::Wait)?;
    }
    if !options.disable_hooks {
        let hooks = hooks::run(session, record, Event::PostRollback, server_side, |_| true).await;
        hooks.map_err(Failure::Hook)?;
    }
    Ok(())
}
