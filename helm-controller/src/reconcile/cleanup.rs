//! The end of a HelmRelease: its release goes with it, and its HelmChart.

use super::{Helm, act, record::Draft, resolve, step::Stop, template};
use crate::{
    context::Context,
    ledger,
    next::Action,
    release::job::{Inputs, Job},
    spec,
};
use crds::helm::{HelmRelease, reason as hr};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use runtime::{Key, client::Identity, events::Event, reconciler::Cleanup, requeue::Requeue};
use serde_json::Map;
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
    let ended = ledger::lock(&memory)
        .ended
        .take()
        .filter(|e| e.job.action == Action::Uninstall);
    match ended {
        Some(ended) => {
            let mut draft = Draft::new(object, &helm.context.settings, runtime::reconciler::now());
            let failed = draft.farewell(&ended);
            events.append(&mut draft.events);
            if failed.is_some() {
                return later(events, failed, Requeue::Backoff);
            }
        }
        None => match uninstall(&helm.context, object).await {
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

/// The uninstall, if there is anything to uninstall and anybody in whose name to do it.
async fn uninstall(context: &Context, object: &Arc<HelmRelease>) -> Result<Option<Job>, String> {
    let Some(status) = &object.status else {
        return Ok(None);
    };
    let storage = status.storage_namespace.as_deref().filter(|n| !n.is_empty());
    let latest = status.history.iter().max_by_key(|s| s.version);
    let (Some(storage), Some(latest)) = (storage, latest) else {
        return Ok(None);
    };
    if no_kube_config(context, object).await {
        return Ok(None);
    }
    let identity = match resolve::identity(context, object) {
        Ok(identity) => identity,
        Err(
            Stop::Terminal { message, .. } | Stop::Failed { message, .. } | Stop::Waiting { message, .. },
        ) => {
            return Err(format!(
                "failed to build REST client getter to uninstall release: {message}"
            ));
        }
    };
    if account_is_missing(context, object).await {
        return Ok(None);
    }
    Ok(Some(Job {
        action: Action::Uninstall,
        object: object.clone(),
        identity,
        name: latest.name.clone(),
        namespace: latest.namespace.clone(),
        storage_namespace: storage.to_owned(),
        chart: None,
        values: Map::new(),
        inputs: Inputs {
            generation: super::record::generation(object),
            artifact: String::new(),
        },
        health: Arc::default(),
    }))
}

/// Whether the kubeconfig is gone that the release was made with: nothing can be done then, now or later.
async fn no_kube_config(context: &Context, object: &HelmRelease) -> bool {
    let Some(reference) = object
        .spec
        .kube_config
        .as_ref()
        .and_then(|k| k.secret_ref.as_ref())
    else {
        return false;
    };
    let client = context.clients.of(&Identity::Controller);
    let secrets: Api<Secret> = Api::namespaced(client, &spec::namespace(object));
    matches!(secrets.get_metadata_opt(&reference.name).await, Ok(None))
}

/// Whether the ServiceAccount is gone in whose name the release was made, as above.
async fn account_is_missing(context: &Context, object: &HelmRelease) -> bool {
    let named = object
        .spec
        .service_account_name
        .as_deref()
        .filter(|n| !n.is_empty());
    let name = named.unwrap_or(&context.settings.default_service_account);
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
