//! The story of an ArtifactGenerator: observe its sources, copy their files together, publish what is new, record.

mod allowance;
mod compose;
mod contents;
mod expand;
mod observe;
mod publish;
mod record;
mod room;
mod spools;
mod triggers;
mod validate;

pub use observe::Sources;
pub use spools::Spools;
pub use triggers::Triggers;

use crate::{shelf::blocking, storage::Storage};
use allowance::{Allowance, Turn};
use crds::extensions::{ArtifactGenerator, ArtifactGeneratorStatus, ExternalArtifactReference, reason};
use expand::{Plan, Wanted};
use kube::{Client, ResourceExt as _};
use observe::Observed;
use record::{End, Failure};
use runtime::{
    Key,
    access::Access,
    events::Event,
    reconciler::{Cleanup, Outcome, Reconciler},
    requeue::Requeue,
    telemetry::chain,
    watch::Store,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Reconciles ArtifactGenerators.
#[derive(Debug)]
pub struct ArtifactGenerators(pub Arc<Context>);

/// What every pass holds.
pub struct Context {
    /// The controller's own client.
    pub client: Client,
    /// The artifacts that are made.
    pub storage: Storage,
    /// The artifacts of sources.
    pub spools: Spools,
    /// The sources, and the ExternalArtifacts that are made.
    pub sources: Sources,
    /// Who makes an artifact of many files.
    pub turn: Turn,
    /// The generators.
    pub generators: Arc<Store<ArtifactGenerator>>,
    /// Whether sources may lie in other namespaces.
    pub access: Access,
    /// How long to wait for a source when no change of it is seen.
    pub requeue_dependency: Duration,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}

impl Reconciler for ArtifactGenerators {
    type Object = ArtifactGenerator;

    async fn reconcile(&self, object: &Arc<ArtifactGenerator>) -> Outcome<ArtifactGeneratorStatus> {
        let end = self.pass(object).await;
        record::outcome(
            object,
            end,
            &runtime::conditions::now(),
            self.0.requeue_dependency,
        )
    }

    async fn cleanup(&self, object: &Arc<ArtifactGenerator>) -> Cleanup {
        let made = publish::made(&self.0, object);
        match publish::remove(&self.0, object, made).await {
            Ok(()) => Cleanup::Done(Vec::new()),
            Err(failure) => Cleanup::Later {
                events: Vec::new(),
                error: Some(failure.message),
                requeue: Requeue::Backoff,
            },
        }
    }

    fn in_progress(&self, object: &ArtifactGenerator) -> Option<ArtifactGeneratorStatus> {
        Some(record::in_progress(object, &runtime::conditions::now()))
    }

    fn suspended(&self, _object: &ArtifactGenerator) -> Vec<Event> {
        vec![record::suspended()]
    }
}

impl ArtifactGenerators {
    /// One pass. Each step gives what the next one needs, or a reason to stop.
    async fn pass(&self, object: &Arc<ArtifactGenerator>) -> Result<End, Failure> {
        // At the beginning of the process, what is not known yet is not missing.
        self.0.sources.synced().await;
        // Pure: does the spec contradict itself, or lead in a circle?
        validate::run(object, self.0.access)?;
        validate::circle(&self.0, object)?;
        // Pure: the artifacts that sources have now.
        let observed = observe::run(&self.0.sources, object)?;
        let digest = observe::digest(&observed);
        // I/O: is everything as it was left?
        if publish::settled(&self.0, object, &digest).await? {
            return Ok(End::UpToDate);
        }
        // I/O: the files of all sources. Pure: which artifacts to make of them.
        let from = Arc::new(self.fetch(&observed).await?);
        let plan = plan(object, &from).await?;
        // What others have is left to them before anything is made.
        for wanted in plan.wanted() {
            publish::check_owner(&self.0, object, &wanted.name)?;
        }
        // I/O: artifacts on the shelf and ExternalArtifacts in the cluster, one after the other; then what is left over.
        let mut inventory = Vec::new();
        for wanted in plan.wanted() {
            inventory.push(self.make(object, &plan, wanted, &from, &observed).await?);
        }
        let mut left = publish::made(&self.0, object);
        left.retain(|name| !inventory.iter().any(|made| made.name == *name));
        publish::remove(&self.0, object, left).await?;
        Ok(End::Made { inventory, digest })
    }

    async fn fetch(&self, observed: &BTreeMap<String, Observed>) -> Result<Sourced, Failure> {
        let (mut sources, allowance) = (compose::Sources::new(), Allowance::new(self.0.turn.clone()));
        for (alias, source) in observed {
            let failed = |text: String| format!("fetch sources failed: {alias}: {text}");
            let spool = self
                .0
                .spools
                .get(&source.artifact)
                .await
                .map_err(|error| Failure::retry(reason::SOURCE_FETCH_FAILED, failed(chain(&error))))?;
            compose::hold(&mut sources, alias, spool, &allowance)
                .map_err(|spent| Failure::stalled(reason::SOURCE_FETCH_FAILED, failed(spent.to_string())))?;
        }
        Ok((sources, allowance))
    }

    async fn make(
        &self,
        object: &Arc<ArtifactGenerator>,
        plan: &Plan,
        wanted: &Wanted,
        from: &Arc<Sourced>,
        observed: &BTreeMap<String, Observed>,
    ) -> Result<ExternalArtifactReference, Failure> {
        let key = Key::new(object.namespace().unwrap_or_default(), &wanted.name);
        let there = self.0.sources.external(&key);
        // Since all were looked at it may have become somebody else's.
        publish::check_owner(&self.0, object, &wanted.name)?;
        let rendered = plan.render(&object.spec, wanted).map_err(unmade)?;
        let rendered = Arc::new(rendered);
        let built = publish::build(
            &self.0.storage,
            object,
            rendered.clone(),
            from.clone(),
            there.clone(),
        );
        let artifact = publish::with_revisions(built.await?, &rendered.artifact, observed);
        publish::publish(&self.0.client, object, &rendered, artifact, there.as_deref()).await
    }
}

/// What artifacts are made of, and what is left for them.
type Sourced = (compose::Sources, Allowance);

/// The artifacts to make. To look at all directories of a source takes a while.
async fn plan(object: &Arc<ArtifactGenerator>, from: &Arc<Sourced>) -> Result<Plan, Failure> {
    let (object, from) = (object.clone(), from.clone());
    let work = move || {
        let (sources, allowance) = &*from;
        let trees = sources
            .iter()
            .map(|(alias, source)| (alias.clone(), source.tree().clone()))
            .collect();
        expand::expand(&object, &trees, allowance).map_err(unmade)
    };
    blocking(work).await.map_err(publish::broken)?
}

fn unmade(error: expand::ExpandError) -> Failure {
    Failure::stalled(reason::BUILD_FAILED, chain(&error))
}

/// The kind of what is made, as it stands in paths.
pub const MADE: &str = "ExternalArtifact";
