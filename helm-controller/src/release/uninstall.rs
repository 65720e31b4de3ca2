//! I/O: `helm uninstall`.

use super::{
    apply, hooks,
    job::{ActionError, now},
    objects::{self, Item, is_kept},
    session::Session,
    write,
};
use crate::storage::Record;
use crds::helm::{DeletionPropagation, Uninstall};
use helm::{Event, release::Status};
use kube::api::PropagationPolicy;

/// Uninstalls the release.
///
/// # Errors
/// In Helm's words; the record says how far it came.
pub async fn run(session: &mut Session) -> Result<(), ActionError> {
    let options = session.job.object.spec.uninstall.clone().unwrap_or_default();
    let name = session.job.name.clone();
    let entries = session.storage.entries(&name).await?;
    let Some(last) = entries.last() else {
        return Err(ActionError::NotFound(name));
    };
    let missing = || ActionError::NotFound(name.clone());
    let mut record = session.storage.read(&last.secret).await?.ok_or_else(missing)?;
    session.job.namespace = record.release.namespace.clone();
    if record.release.info.status == Status::Uninstalled {
        if options.keep_history {
            return Err(ActionError::AlreadyDeleted(name));
        }
        purge(session, &record, &entries).await?;
        return Ok(());
    }
    record.release.info.status = Status::Uninstalling;
    record.release.info.deleted = Some(now());
    record.release.info.description = "Deletion in progress (or silently failed)".to_owned();
    if !options.disable_hooks {
        hooks::run(session, &mut record, Event::PreDelete, true, |_| true).await?;
    }
    session.record(&record).await;
    let mut errors = Vec::new();
    let deleted = delete(session, &record, &options).await?;
    if !options.disable_wait {
        let (deleted, timeout): (Vec<&Item>, _) = (deleted.iter().collect(), session.timeout());
        match session.waits.gone(&deleted, timeout).await {
            Ok(()) => {}
            Err(super::wait::WaitError::Canceled) => return Err(ActionError::Canceled),
            Err(error) => errors.push(error.to_string()),
        }
    }
    if !options.disable_hooks
        && let Err(error) = hooks::run(session, &mut record, Event::PostDelete, true, |_| true).await
    {
        errors.push(error.to_string());
    }
    record.release.info.status = Status::Uninstalled;
    record.release.info.description = "Uninstallation complete".to_owned();
    if options.keep_history {
        session.record(&record).await;
        for entry in entries.iter().filter(|e| e.status == Status::Deployed) {
            if entry.version != record.release.version
                && let Some(mut deployed) = session.storage.read(&entry.secret).await?
            {
                deployed.release.info.status = Status::Superseded;
                session.record(&deployed).await;
            }
        }
    } else if let Err(error) = purge(session, &record, &entries).await {
        errors.push(format!("uninstall: Failed to purge the release: {error}"));
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(ActionError::Helm(format!(
            "uninstallation completed with {} error(s): {}",
            errors.len(),
            errors.join("; ")
        ))),
    }
}

/// Deletes the release's objects: those that are its own and may go.
async fn delete(
    session: &mut Session,
    record: &Record,
    options: &Uninstall,
) -> Result<Vec<Item>, ActionError> {
    let release = &record.release;
    let failed = |problems: &[String]| {
        ActionError::Helm(format!(
            "failed to delete release: {}: {}",
            release.name,
            problems.join("; ")
        ))
    };
    // Kinds that are no longer served have no objects.
    let mut items = Vec::new();
    for value in objects::parse(&release.manifest).map_err(|e| failed(&[e.to_string()]))? {
        if is_kept(&value) {
            continue;
        }
        let text = yaml::to_string(&value);
        match objects::build(&session.discovery, &text, &release.namespace).await {
            Ok(built) => items.extend(built),
            Err(objects::ObjectsError::Kind {
                source: ::apply::discovery::DiscoveryError::NoMatch { .. },
                ..
            }) => {}
            Err(error) => return Err(failed(&[error.to_string()])),
        }
    }
    let mut own = Vec::new();
    for item in items {
        let api = item
            .resource
            .api(session.client.0.clone(), &item.object.namespace);
        match api.get_opt(&item.object.name).await {
            Ok(None) => {}
            Ok(Some(live)) => {
                let live = serde_json::to_value(live).unwrap_or_default();
                if objects::foreign(&live, &release.name, &release.namespace).is_none() {
                    own.push(item);
                }
            }
            Err(error) => return Err(failed(&[write::words(&error)])),
        }
    }
    let policy = match options.deletion_propagation.unwrap_or_default() {
        DeletionPropagation::Background => PropagationPolicy::Background,
        DeletionPropagation::Foreground => PropagationPolicy::Foreground,
        DeletionPropagation::Orphan => PropagationPolicy::Orphan,
    };
    let errors = apply::remove(&session.client.0, &own, &policy).await;
    match errors.is_empty() {
        true => Ok(own),
        false => Err(failed(&errors)),
    }
}

/// Forgets all revisions, oldest first.
async fn purge(
    session: &mut Session,
    record: &Record,
    entries: &[crate::storage::Entry],
) -> Result<(), ActionError> {
    for entry in entries {
        if entry.version == record.release.version {
            session.delete(&record.release).await?;
        } else {
            session
                .storage
                .delete(&record.release.name, entry.version)
                .await?;
        }
    }
    Ok(())
}
