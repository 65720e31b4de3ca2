//! I/O: the last stored release. What was read or written before, and by all that is seen is there still, is not read again.

use super::{record::Draft, state_error, step::Stop};
use crate::{
    context::Context,
    ledger::{self, Memory},
    spec,
    storage::{Last, Storage, StorageError},
};
use crds::helm::{HelmRelease, HelmReleaseStatus, reason as hr};
use helm::release::{self, Release, Status};
use kube::ResourceExt as _;
use runtime::{Key, client::Identity, telemetry::chain};
use std::sync::{Arc, Mutex};

/// The last release of the object's name in its storage.
pub async fn read(
    context: &Context,
    identity: &Identity,
    storage: &Storage,
    object: &HelmRelease,
    status: &HelmReleaseStatus,
    memory: &Mutex<Memory>,
) -> Result<Option<Arc<Release>>, Stop> {
    let (name, namespace) = (spec::release_name(object), spec::storage_namespace(object));
    // What is seen are the records of our own cluster.
    let newest = |version| match identity.cluster() {
        None => newest(context, &namespace, &name, version),
        Some(_) => None,
    };
    let known = ledger::lock(memory).last.clone();
    if let Some(last) = known
        && newest(last.release.version).as_ref() == Some(&last.resource_version)
    {
        return Ok(Some(last.release));
    }
    // The status names the revision that is likely the last: it need not be searched for.
    let likely = status.history.iter().map(|s| s.version).max();
    let found = match likely.and_then(|v| Some((v, newest(v)?))) {
        Some((version, resource_version)) => Some((release::secret_name(&name, version), resource_version)),
        None => {
            let entries = storage.entries(&name).await.map_err(|e| failed(&e))?;
            entries
                .into_iter()
                .next_back()
                .map(|e| (e.secret, e.resource_version))
        }
    };
    let Some((secret, resource_version)) = found else {
        return Ok(None);
    };
    let record = storage.read(&secret).await.map_err(|e| failed(&e))?;
    let last = record.map(|record| Last::new(&resource_version, record.release));
    let release = last.as_ref().map(|l| l.release.clone());
    ledger::lock(memory).last = last;
    Ok(release)
}

/// The version of a revision's Secret, if by all that is seen it is there and no newer revision is.
fn newest(context: &Context, namespace: &str, name: &str, revision: i64) -> Option<String> {
    let seen = |revision: i64| {
        let secret = release::secret_name(name, revision);
        context.records.get(&Key::new(namespace, secret))
    };
    let stored = seen(revision)?;
    match revision.checked_add(1).and_then(seen) {
        None => stored.resource_version(),
        Some(_) => None,
    }
}

/// Takes the mark of an interrupted action off a release.
pub async fn unlock(
    storage: &Storage,
    last: Option<Arc<Release>>,
    draft: &mut Draft<'_>,
) -> Result<(), Stop> {
    let Some(last) = last else { return Ok(()) };
    let (name, version) = (&last.name, last.version);
    let read = storage
        .get(name, version)
        .await
        .map_err(|e| state_error(&chain(&e)))?;
    let Some(mut record) = read.filter(|r| r.release.info.status.is_pending()) else {
        return Ok(());
    };
    let was = record.release.info.status.name();
    record.release.info.status = Status::Failed;
    record.release.info.description = format!("Release unlocked from stale '{was}' state");
    storage.update(&record).await.map_err(|e| Stop::Failed {
        reason: hr::PENDING_RELEASE,
        message: format!(
            "Unlock of Helm release {} in {was} state failed: {}",
            record.release.name,
            chain(&e)
        ),
        tells: true,
    })?;
    draft.unlocked(&record.release, was);
    Ok(())
}

fn failed(error: &StorageError) -> Stop {
    state_error(&format!(
        "failed to retrieve last release from storage: {}",
        chain(error)
    ))
}
