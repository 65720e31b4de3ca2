//! I/O: brings objects from what a release said to what the next one says.

use super::{
    client_side,
    objects::{Item, in_install_order, in_uninstall_order, is_kept},
    session::Session,
    wait::Awaited,
    write::{MANAGER, Mode, delete, migrate, server_side, words},
};
use futures::{StreamExt as _, stream};
use kube::{Client, api::PropagationPolicy};
use serde_json::Value;
use std::collections::HashSet;

/// Objects of one kind that are written at once.
const AT_ONCE: usize = 4;

/// What was written.
#[derive(Debug, Default)]
pub struct Written {
    /// The objects as the API server answered.
    pub live: Vec<Awaited>,
    /// Those that were not there before, if it was asked for.
    pub created: Vec<Item>,
}

/// What was written before something failed.
#[derive(Debug)]
pub struct Failed {
    /// What failed.
    pub error: String,
    /// Those that were not there before.
    pub created: Vec<Item>,
}

/// Writes `targets`, kind after kind, and then deletes what only `originals` have. `notes_created`: tell which objects
/// were not there before.
///
/// # Errors
/// See [`Failed`]; what was written stays.
pub async fn update(
    session: &Session,
    originals: &[Item],
    targets: &[Item],
    mode: Mode,
    notes_created: bool,
) -> Result<Written, Failed> {
    let client = &session.client.0;
    let mut written = Written::default();
    for group in in_install_order(targets) {
        let writes: Vec<_> = group
            .iter()
            .map(|item| one(client, originals, item, mode, notes_created))
            .collect();
        let answers: Vec<_> = stream::iter(writes).buffered(AT_ONCE).collect().await;
        let mut errors = Vec::new();
        for (item, answer) in group.into_iter().zip(answers) {
            match answer {
                Ok((live, created)) => {
                    written.live.push(Awaited {
                        object: item.object.clone(),
                        resource: item.resource.clone(),
                        written: live,
                    });
                    if created {
                        written.created.push(item.clone());
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(Failed {
                error: errors.join(" && "),
                created: written.created,
            });
        }
    }
    let kept: HashSet<_> = targets.iter().map(|t| t.object.id()).collect();
    let stale: Vec<Item> = originals
        .iter()
        .filter(|o| !kept.contains(&o.object.id()))
        .cloned()
        .collect();
    let errors = prune(client, &stale).await;
    if errors.is_empty() {
        return Ok(written);
    }
    Err(Failed {
        error: errors.join(" && "),
        created: written.created,
    })
}

async fn one(
    client: &Client,
    originals: &[Item],
    target: &Item,
    mode: Mode,
    notes_created: bool,
) -> Result<(Value, bool), String> {
    let api = target.resource.api(client.clone(), &target.object.namespace);
    let about = |e: kube::Error| format!("could not get information about the resource: {}", words(&e));
    let knows = notes_created || !mode.server_side;
    let live = match knows {
        true => api.get_opt(&target.object.name).await.map_err(about)?,
        false => None,
    };
    let live = live.map(|l| serde_json::to_value(l).unwrap_or_default());
    let created = knows && live.is_none();
    if !mode.server_side {
        let original = originals.iter().find(|o| o.object.id() == target.object.id());
        let answer = client_side::write(client, original, target, live.as_ref(), mode).await;
        return answer.map(|live| (live, created));
    }
    let mut live = server_side(client, target, mode.force).await?;
    // What an earlier client-side apply set, and is no longer said, goes with another apply.
    if ::apply::fields::migration(&live, MANAGER, &[]).is_some() {
        migrate(client, target, live, &[]).await?;
        live = server_side(client, target, mode.force).await?;
    }
    Ok((live, created))
}

/// Deletes what the next release no longer has, but for what asks to be kept.
async fn prune(client: &Client, stale: &[Item]) -> Vec<String> {
    let mut errors = Vec::new();
    for item in in_uninstall_order(stale).into_iter().flatten() {
        let api = item.resource.api(client.clone(), &item.object.namespace);
        // What cannot be read is left, as Helm leaves it.
        let Ok(Some(live)) = api.get_metadata_opt(&item.object.name).await else {
            continue;
        };
        if is_kept(&serde_json::to_value(live).unwrap_or_default()) {
            continue;
        }
        if let Err(error) = delete(client, item, PropagationPolicy::Background).await {
            errors.push(format!(
                "failed to delete resource namespace={}, name={}, kind={}: {error}",
                item.object.namespace, item.object.name, item.object.kind
            ));
        }
    }
    errors
}

/// Deletes objects, kind after kind; those that are not there are deleted already.
pub async fn remove(client: &Client, items: &[Item], policy: &PropagationPolicy) -> Vec<String> {
    let mut errors = Vec::new();
    for group in in_uninstall_order(items) {
        let deletions: Vec<_> = group
            .iter()
            .map(|item| delete(client, item, policy.clone()))
            .collect();
        let answers: Vec<_> = stream::iter(deletions).buffered(AT_ONCE).collect().await;
        errors.extend(answers.into_iter().filter_map(Result::err));
    }
    errors
}
