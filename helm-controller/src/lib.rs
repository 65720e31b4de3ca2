//! helm-controller: charts in, Helm releases out.

mod args;
mod capabilities;
mod charts;
mod compose;
mod context;
mod digests;
mod history;
mod ledger;
mod next;
mod reconcile;
mod release;
mod sources;
mod spec;
mod state;
mod storage;
mod triggers;

pub use args::Args;

use apply::{
    discovery::Discovery,
    fields::Ownership,
    view::{OwnerLabels, View},
};
use context::Context;
use crds::meta::{HELM_NAME, HELM_NAMESPACE};
use runtime::{
    client::{Identity, PerCluster},
    fetch::Artifacts,
    process::{Names, Process, ProcessError},
    queue::Queue,
    shell::Shell,
    watch::{self, Store},
};
use std::sync::Arc;
use tokio::sync::Semaphore;
use triggers::Triggers;

/// The features of Flux's helm-controller that `--feature-gates` may name.
const FEATURES: &[&str] = &[
    "AdditiveCELDependencyCheck",
    "AdoptLegacyReleases",
    "AllowDNSLookups",
    "CacheSecretsAndConfigMaps",
    "CancelHealthCheckOnNewRevision",
    "CorrectDrift",
    "DefaultToRetryOnFailure",
    "DetectDrift",
    "DirectSourceFetch",
    "DisableChartDigestTracking",
    "DisableConfigWatchers",
    "ExternalArtifact",
    "OOMWatch",
    "ObjectLevelWorkloadIdentity",
    "UseHelm3Defaults",
];

const NAMES: Names = Names {
    controller: "helm-controller",
    manager: "helm-controller",
    features: FEATURES,
    takes_events: false,
};

/// Runs the controller until it is told to end.
///
/// # Errors
/// When it cannot start, or loses its leadership.
pub async fn run(args: Args) -> Result<(), ProcessError> {
    // `--default-service-account` is for impersonation, which is no matter of that feature.
    let accounts = [(
        "--default-kubeconfig-service-account",
        args.default_kubeconfig_service_account.as_str(),
    )];
    args.common
        .check_accounts(&accounts)
        .map_err(ProcessError::Flag)?;
    Process::run(NAMES, args.common.clone(), |process| work(process, args)).await
}

async fn work(process: Process, args: Args) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let own = process.tools.clients.of(&Identity::Controller);
    let ownership = Ownership {
        manager: release::write::MANAGER,
        overrides: args.override_manager.clone(),
    };
    let owner = OwnerLabels {
        name: HELM_NAME,
        namespace: HELM_NAMESPACE,
    };
    let (view, seen) = View::new(process.tools.clients.clone(), ownership, owner);
    let (store, queue) = (Arc::new(Store::default()), Arc::new(Queue::default()));
    let concurrency = process.args.concurrent.unwrap_or(4);
    let clusters = Arc::new(cloud::Clusters::new(own.clone(), args.identities()));
    let context = Arc::new(Context {
        clients: process.tools.clients.clone().vouched_for(clusters),
        artifacts: Artifacts::new(args.http_retry)?,
        charts: charts::Charts::default(),
        discovery: PerCluster::new(&process.tools.clients, Discovery::new),
        cluster: PerCluster::new(&process.tools.clients, capabilities::Cluster::new),
        view,
        sources: sources::Sources::new(args.common.feature("ExternalArtifact", false)),
        releases: store.clone(),
        records: Arc::default(),
        ledger: ledger::Ledger::default(),
        places: Arc::new(Semaphore::new(concurrency.into())),
        settings: context::Settings::new(&args, process.scope()),
    });
    let reconciler = reconcile::Helm {
        context: context.clone(),
        queue: queue.clone(),
    };
    let shell = Shell::new(reconciler, store.clone(), queue.clone(), process.tools.clone());
    let triggers = Arc::new(Triggers::new(context.clone(), queue));
    let scope = process.scope();

    triggers.clone().follow_objects(seen);
    triggers.clone().follow_sources(&own, scope.as_deref());
    triggers.clone().follow_records(&own, scope.as_deref());
    triggers.clone().follow_configs(&process);
    let (on_change, unreadable) = ((shell.clone(), triggers), shell.clone());
    let config = process.own_objects();
    let own_watch = watch::run(
        own,
        scope.as_deref(),
        config,
        store,
        move |change| {
            on_change.1.release_changed(&change);
            on_change.0.changed(&change);
        },
        move |invalid| unreadable.undecodable(invalid),
    );
    context
        .sources
        .synced(own_watch, shell.run(concurrency, process.stopped()))
        .await;
    // Actions that write are finished. Those that wait leave their release pending, and the next process carries on.
    let all = context.places.acquire_many(concurrency.into());
    if tokio::time::timeout(args.graceful_shutdown_timeout, all)
        .await
        .is_err()
    {
        tracing::error!("actions did not end in time");
    }
    Ok(())
}
