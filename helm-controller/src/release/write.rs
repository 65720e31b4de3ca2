//! I/O: one object is created, applied on the server's side, or deleted.

use super::objects::Item;
use ::apply::id::ObjectRef;
use kube::{
    Client,
    api::{DeleteParams, Patch, PatchParams, PostParams, PropagationPolicy, ValidationDirective},
};
use runtime::telemetry::chain;
use serde_json::Value;

/// The field manager of all objects.
pub const MANAGER: &str = "helm-controller";

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

/// Deletes an object; one that is not there is deleted already.
///
/// # Errors
/// What the API server says.
pub async fn delete(client: &Client, item: &Item, policy: PropagationPolicy) -> Result<(), String> {
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
