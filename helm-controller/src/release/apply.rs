//! I/O: brings objects from what a release said to what the next one says.

use super::{
    client_side,
    job::Session,
    objects::{Item, in_install_order, in_uninstall_order, is_kept},
    wait::Awaited,
};
use ::apply::id::ObjectRef;
use futures::{StreamExt as _, stream};
use kube::{
    Client,
    api::{DeleteParams, Patch, PatchParams, PostParams, PropagationPolicy, ValidationDirective},
};
use runtime::telemetry::chain;
use serde_json::Value;
use std::collections::HashSet;

/// The field manager of all objects.
pub const MANAGER: &str = "helm-controller";
/// Objects of one kind that are written at once.
const AT_ONCE: usize = 4;

/// How objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// By server-side apply.
    pub server_side: bool,
    /// Conflicts with other managers are won.
    pub force: bool,
    /// Objects are replaced instead of changed (client-side only).
    pub replace: bool,
    /// Custom resources, too, are compared with what is live (client-side only).
    pub three_way: bool,
}

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

/// Applies one object on the server's side; the live object.
///
/// # Errors
/// In Helm's words, what the API server says.
pub async fn server_side(client: &Client, target: &Item, force: bool) -> Result<Value, String> {
    let api = target.resource.api(client.clone(), &target.object.namespace);
    let params = PatchParams {
        force,
        field_manager: Some(MANAGER.into()),
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::default()
    };
    let answer = api
        .patch(&target.object.name, &params, &Patch::Apply(&target.manifest))
        .await;
    match answer {
        Ok(live) => Ok(serde_json::to_value(live).unwrap_or_default()),
        Err(kube::Error::Api(status)) if status.code == 409 => Err(format!(
            "conflict occurred while applying object {}: {}",
            named(&target.object),
            status.message
        )),
        Err(error) => Err(format!(
            "server-side apply failed for object {}: {}",
            named(&target.object),
            words(&error)
        )),
    }
}

/// Makes the fields that we set from the client's side, and those of `others`, ours by server-side apply, so that what is
/// no longer said goes.
///
/// # Errors
/// What the API server says.
pub async fn migrate(
    client: &Client,
    target: &Item,
    mut live: Value,
    others: &[String],
) -> Result<(), String> {
    let api = target.resource.api(client.clone(), &target.object.namespace);
    let failed = |e: &kube::Error| {
        format!(
            "failed to patch object to upgrade CSA field manager {}: {}",
            named(&target.object),
            words(e)
        )
    };
    for _ in 0..3 {
        let Some(patch) = ::apply::fields::migration(&live, MANAGER, others) else {
            return Ok(());
        };
        let Ok(patch) = serde_json::from_value(patch) else {
            return Ok(());
        };
        let params = PatchParams {
            field_manager: Some(MANAGER.into()),
            ..PatchParams::default()
        };
        match api
            .patch(&target.object.name, &params, &Patch::Json::<()>(patch))
            .await
        {
            Ok(_) => return Ok(()),
            // Someone wrote between the read and the patch: read again.
            Err(kube::Error::Api(status)) if matches!(status.code, 409 | 422) => {}
            Err(error) => return Err(failed(&error)),
        }
        match api.get_opt(&target.object.name).await {
            Ok(Some(found)) => live = serde_json::to_value(found).unwrap_or_default(),
            Ok(None) => return Ok(()),
            Err(error) => return Err(failed(&error)),
        }
    }
    Ok(())
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

async fn delete(client: &Client, item: &Item, policy: PropagationPolicy) -> Result<(), String> {
    let api = item.resource.api(client.clone(), &item.object.namespace);
    let params = DeleteParams {
        propagation_policy: Some(policy),
        ..DeleteParams::default()
    };
    match api.delete(&item.object.name, &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(words(&error)),
    }
}

/// Creates an object that must not be there.
///
/// # Errors
/// What the API server says.
pub async fn create(client: &Client, target: &Item) -> Result<Value, kube::Error> {
    let api = target.resource.api(client.clone(), &target.object.namespace);
    let object = serde_json::from_value(target.manifest.clone()).map_err(kube::Error::SerdeError)?;
    let params = PostParams {
        field_manager: Some(MANAGER.into()),
        ..PostParams::default()
    };
    let live = api.create(&params, &object).await?;
    Ok(serde_json::to_value(live).unwrap_or_default())
}

/// `namespace/name group/version, Kind=kind`
fn named(object: &ObjectRef) -> String {
    let version = match object.group.is_empty() {
        true => format!("/{}", object.version),
        false => object.api_version(),
    };
    format!(
        "{}/{} {version}, Kind={}",
        object.namespace, object.name, object.kind
    )
}

/// What the API server says, or what kept it from saying anything.
pub fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => chain(other),
    }
}
