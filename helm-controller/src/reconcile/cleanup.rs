//! The end of a HelmRelease: its release goes with it, and its HelmChart.

use super::{Helm, act, identity, record::Draft, step::Stop, template};
use crate::{
    context::Context,
    ledger,
    next::Action,
    release::{
        job::{Ended, Inputs, Job},
        objects,
    },
    spec,
    storage::Storage,
};
use crds::{
    helm::{HelmRelease, HelmReleaseStatus, reason as hr},
    meta::{HELM_NAME, HELM_NAMESPACE},
};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, ResourceExt as _};
use runtime::{
    Key, client::Identity, events::Event, reconciler::Cleanup, requeue::Requeue, telemetry::chain,
};
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};

/// Where nothing else will call, it is looked whether the uninstall has been lost.
const LOST: Duration = Duration::from_secs(60);

/// Uninstalls the release, and says when the object may go.
pub async fn run(helm: &Helm, object: &Arc<HelmRelease>) -> Cleanup {
    // A suspended object leaves everything where it is.
    if object.spec.suspend {
        return Cleanup::Done(Vec::new());
    }
    let memory = helm.context.ledger.of(&Key::of(&**object));
    if let Some(running) = &ledger::lock(&memory).running {
        if !running.uninstalls {
            running.cancel.send_replace(true);
        }
        return later(Vec::new(), None, Requeue::Await(LOST));
    }
    let mut events = Vec::new();
    let ended = ledger::lock(&memory).ended.take();
    let mut draft = Draft::new(object, &helm.context.settings, runtime::conditions::now());
    match ended {
        Some(ended) if ended.job.action == Action::Uninstall => {
            let failed = draft.farewell(&ended);
            events.append(&mut draft.events);
            if failed.is_some() {
                return later(events, failed, Requeue::Backoff);
            }
        }
        // What was given up for the end of the object has made something that goes with it.
        other => match uninstall(&helm.context, object, given_up(&mut draft, other)).await {
            Ok(Some(job)) => {
                act::begin(helm, &Key::of(&**object), &memory, job);
                return later(events, None, Requeue::Await(LOST));
            }
            Ok(None) => {}
            Err(text) => {
                let event = Event::warning(hr::UNINSTALL_FAILED, text.clone());
                return later(vec![event], Some(text), Requeue::Backoff);
            }
        },
    }
    match template::clean_up(&helm.context, object).await {
        Ok(mut told) => {
            events.append(&mut told);
            Cleanup::Done(events)
        }
        Err(
            Stop::Terminal { message, .. } | Stop::Failed { message, .. } | Stop::Waiting { message, .. },
        ) => later(events, Some(message), Requeue::Backoff),
    }
}

/// The status with what an action came to that was given up, if one was.
fn given_up<'d>(draft: &'d mut Draft<'_>, ended: Option<Box<Ended>>) -> &'d HelmReleaseStatus {
    if let Some(ended) = ended {
        draft.ended(*ended);
    }
    &draft.status
}

/// The uninstall, if there is anything to uninstall and anybody in whose name to do it.
async fn uninstall(
    context: &Context,
    object: &Arc<HelmRelease>,
    status: &HelmReleaseStatus,
) -> Result<Option<Job>, String> {
    let storage = status.storage_namespace.as_deref().filter(|n| !n.is_empty());
    let Some(storage) = storage else {
        return Ok(None);
    };
    let identity = match identity::of(context, object).await {
        Ok(identity) => identity,
        Err(error) if error.is_gone() => return Ok(None),
        Err(error) => {
            return Err(format!(
                "failed to build REST client getter to uninstall release: {error}"
            ));
        }
    };
    if account_is_missing(context, object).await {
        return Ok(None);
    }
    let latest = status.history.iter().max_by_key(|s| s.version);
    let latest = latest.map(|s| (s.name.clone(), s.namespace.clone()));
    let found = match latest {
        Some(latest) => Some(latest),
        None => unrecorded(context, object, &identity, storage).await?,
    };
    let Some((name, namespace)) = found else {
        return Ok(None);
    };
    Ok(Some(Job {
        action: Action::Uninstall,
        object: object.clone(),
        identity,
        name,
        namespace,
        storage_namespace: storage.to_owned(),
        last: None,
        chart: None,
        values: Map::new(),
        inputs: Inputs {
            generation: super::record::generation(object),
            artifact: String::new(),
        },
        health: Arc::default(),
    }))
}

/// A release that a process made and did not live to record: its objects name this HelmRelease.
async fn unrecorded(
    context: &Context,
    object: &HelmRelease,
    identity: &Identity,
    storage: &str,
) -> Result<Option<(String, String)>, String> {
    let storage = Storage::new(context.clients.of(identity), storage);
    let last = storage
        .last(&spec::release_name(object))
        .await
        .map_err(|e| chain(&e))?;
    let Some(release) = last.map(|r| r.release) else {
        return Ok(None);
    };
    let label = |value: &Value, key: &str| {
        let labels = value.get("metadata").and_then(|m| m.get("labels"));
        let label = labels.and_then(|l| l.get(key)).and_then(Value::as_str);
        label.unwrap_or_default().to_owned()
    };
    let objects = objects::parse(&release.manifest).unwrap_or_default();
    let ours = objects.iter().any(|o| {
        label(o, HELM_NAME) == object.name_any() && label(o, HELM_NAMESPACE) == spec::namespace(object)
    });
    Ok(ours.then_some((release.name, release.namespace)))
}

/// Whether the ServiceAccount is gone in whose name the release was made, as above.
async fn account_is_missing(context: &Context, object: &HelmRelease) -> bool {
    let asked = identity::asked(object);
    // With a kubeconfig the account is the other cluster's.
    if asked.kube_config.is_some() {
        return false;
    }
    let name = context.settings.acting.account(&asked);
    if name.is_empty() {
        return false;
    }
    let client = context.clients.of(&Identity::Controller);
    let accounts: Api<ServiceAccount> = Api::namespaced(client, &spec::namespace(object));
    // Only a clear answer counts: an account that cannot be looked up may be there.
    matches!(accounts.get_metadata_opt(name).await, Ok(None))
}

fn later(events: Vec<Event>, error: Option<String>, requeue: Requeue) -> Cleanup {
    Cleanup::Later {
        events,
        error,
        requeue,
    }
}
