//! The story of a Kustomization: resolve, fetch, build, apply, prune, observe, record.

mod apply;
pub mod build;
mod cleanup;
mod identity;
mod observe;
mod prune;
mod record;
mod resolve;
mod secrets;
mod step;
mod variables;

use crate::{Object, context::Context, ledger};
use crds::kustomize::{Kustomization, KustomizationStatus};
use runtime::{
    Key,
    client::{Identity, Remote},
    reconciler::{Cleanup, Outcome, Reconciler},
};
use std::{sync::Arc, time::Instant};
use step::{Applied, Done, Failure, Resolved, Stop};

/// Reconciles Kustomizations.
#[derive(Debug)]
pub struct Kustomize(pub Arc<Context>);

impl Reconciler for Kustomize {
    type Object = Kustomization;

    async fn reconcile(&self, object: &Object) -> Outcome<KustomizationStatus> {
        let begin = Instant::now();
        let end = self.pass(object).await;
        record::outcome(
            object,
            end,
            begin.elapsed(),
            runtime::conditions::now(),
            &self.0.settings,
        )
    }

    async fn cleanup(&self, object: &Object) -> Cleanup {
        cleanup::run(&self.0, object).await
    }

    fn in_progress(&self, object: &Kustomization) -> Option<KustomizationStatus> {
        Some(record::in_progress(object, runtime::conditions::now()))
    }

    fn forget(&self, key: &Key) {
        self.0.ledger.forget(key);
    }
}

impl Kustomize {
    /// One pass. Each step gives what the next one needs, or a reason to stop.
    async fn pass(&self, object: &Object) -> Result<Done, Stop> {
        let context = &*self.0;
        let memory = context.ledger.of(&Key::of(&**object));
        // Pure: what the object refers to, as last seen.
        let resolved = resolve::run(context, object)?;
        // I/O: in whose name; the values to substitute; the files, unless nothing that matters has changed.
        let identity = identity::of(context, object)
            .await
            .map_err(|e| Failure::from(e).at(&resolved))?;
        secrets::decryption(context, object)
            .await
            .map_err(|e| e.at(&resolved))?;
        let variables = variables::run(context, object)
            .await
            .map_err(|e| e.at(&resolved))?;
        let built = build::run(context, object, &resolved, &variables, &memory)
            .await
            .map_err(|e| e.at(&resolved))?;
        // I/O: what differs is written, stage by stage; what is no longer desired goes.
        let applied = self
            .write(object, &resolved, &identity, &variables, &built, &memory)
            .await
            .map_err(|stop| match stop {
                Stop::Failed(failure) => {
                    Stop::Failed(failure.away(identity.cluster().and_then(Remote::away)))
                }
                other => other,
            })?;
        // I/O where something not ours is to be judged; else what the live view shows.
        let health = observe::run(context, object, &resolved, &identity, &built, &applied, &memory).await;
        let health =
            health.map_err(|failure: Failure| Stop::Failed(failure.after(&resolved, &built, &applied)))?;
        Ok(Done {
            resolved,
            built,
            applied,
            health,
        })
    }

    async fn write(
        &self,
        object: &Object,
        resolved: &Resolved,
        identity: &Identity,
        variables: &variables::Variables,
        built: &Arc<ledger::Built>,
        memory: &std::sync::Mutex<ledger::Memory>,
    ) -> Result<Applied, Stop> {
        let context = &*self.0;
        let mut applied = apply::run(context, object, resolved, identity, variables, built, memory).await?;
        if let Err(failure) = prune::run(context, object, identity, &mut applied).await {
            return Err(Stop::Failed(failure.after(resolved, built, &applied)));
        }
        Ok(applied)
    }
}
