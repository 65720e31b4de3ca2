//! An action beside the passes: begun when its intent is on record, and heard of at its end.

use super::Helm;
use crate::{
    ledger::{self, Memory, Running},
    next::Action,
    release::{
        self,
        job::{ActionError, Ended, Job},
        session::Session,
        wait::Waits,
    },
    spec,
};
use runtime::Key;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::watch;
use tracing::{error, info};

/// Begins an action. Its end asks for a pass.
pub fn begin(helm: &Helm, key: &Key, memory: &Arc<Mutex<Memory>>, job: Job) {
    let (cancel, canceled) = watch::channel(false);
    let bell = {
        let mut memory = ledger::lock(memory);
        memory.running = Some(Running {
            inputs: job.inputs.clone(),
            uninstalls: matches!(job.action, Action::Uninstall | Action::UninstallRemediation),
            cancel,
        });
        memory.bell.clone()
    };
    info!(
        kind = "HelmRelease",
        namespace = key.namespace,
        name = key.name,
        "running '{}' action with timeout of {}",
        job.action.name(),
        crds::meta::format_go(job.action.timeout(&job.object))
    );
    let (context, queue) = (helm.context.clone(), helm.queue.clone());
    let (key, memory) = (key.clone(), memory.clone());
    tokio::spawn(async move {
        let lost = job.clone();
        let helm3_defaults = context.settings.helm3_defaults;
        let work = tokio::spawn(async move {
            let mut waits = Waits {
                context: context.clone(),
                identity: job.identity.clone(),
                bell,
                cancel: canceled,
                place: None,
                legacy: spec::waits_as_helm_3(&job.object, helm3_defaults),
            };
            waits.work().await;
            release::run(Session::new(context, job, waits)).await
        });
        // An action that panics is a failed action of that object, and nothing else.
        let ended = work.await.unwrap_or_else(|panic| {
            error!(kind = "HelmRelease", namespace = key.namespace, name = key.name, error = %panic, "the action panicked");
            Ended {
                job: lost,
                result: Err(ActionError::Helm(format!("the action broke off: {panic}"))),
                observed: Vec::new(),
                inventory: None,
                took: Duration::ZERO,
                log: Vec::new(),
            }
        });
        {
            let mut memory = ledger::lock(&memory);
            memory.running = None;
            memory.last = ended.last();
            memory.ended = Some(Box::new(ended));
        }
        queue.add(key);
    });
}
