//! kustomize-controller: artifacts in, a cluster that equals them out.

mod args;
mod context;
mod generate;
mod ledger;
mod manifest;
mod reconcile;
mod sources;
pub mod substitute;
mod triggers;

pub use args::Args;

use apply::{
    discovery::Discovery,
    fields::Ownership,
    view::{OwnerLabels, View},
};
use context::Context;
use crds::{
    kustomize::Kustomization,
    meta::{KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE},
};
use runtime::{
    client::{Identity, PerCluster},
    fetch::Artifacts,
    process::{Names, Process, ProcessError},
    queue::Queue,
    shell::Shell,
    watch::{self, Store},
};
use std::sync::Arc;
use triggers::Triggers;

/// The features of Flux's kustomize-controller that `--feature-gates` may name.
const FEATURES: &[&str] = &[
    "AdditiveCELDependencyCheck",
    "CacheSecretsAndConfigMaps",
    "CancelHealthCheckOnNewRevision",
    "DirectSourceFetch",
    "DisableConfigWatchers",
    "DisableFailFastBehavior",
    "DisableStatusPollerCache",
    "ExternalArtifact",
    "GroupChangeLog",
    "MigrateAPIVersion",
    "ObjectLevelWorkloadIdentity",
    "StrictPostBuildSubstitutions",
];

const NAMES: Names = Names {
    controller: "kustomize-controller",
    manager: "gotk-kustomize-controller",
    features: FEATURES,
    takes_events: false,
};

/// The field manager of applied objects.
const FIELD_MANAGER: &str = "kustomize-controller";

/// Runs the controller until it is told to end.
///
/// # Errors
/// When it cannot start, or loses its leadership.
pub async fn run(args: Args) -> Result<(), ProcessError> {
    // `--default-service-account` is for impersonation, which is no matter of that feature.
    let accounts = [
        (
            "--default-decryption-service-account",
            args.default_decryption_service_account.as_str(),
        ),
        (
            "--default-kubeconfig-service-account",
            args.default_kubeconfig_service_account.as_str(),
        ),
    ];
    args.common
        .check_accounts(&accounts)
        .map_err(ProcessError::Flag)?;
    Process::run(NAMES, args.common.clone(), |process| work(process, args)).await
}

async fn work(process: Process, args: Args) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let own = process.tools.clients.of(&Identity::Controller);
    let ownership = Ownership {
        manager: FIELD_MANAGER,
        overrides: args.override_manager.clone(),
    };
    let (view, seen) = View::new(
        process.tools.clients.clone(),
        ownership.clone(),
        OwnerLabels {
            name: KUSTOMIZE_NAME,
            namespace: KUSTOMIZE_NAMESPACE,
        },
    );
    let (store, queue) = (Arc::new(Store::default()), Arc::new(Queue::default()));
    let concurrency = process.args.concurrent.unwrap_or(4);
    let builds = prometheus_client::metrics::counter::Counter::default();
    process.tools.metrics.register(|registry| {
        registry.register(
            "sluice_kustomization_builds",
            "Builds of manifests",
            builds.clone(),
        );
    });
    let clusters = Arc::new(cloud::Clusters::new(own.clone(), args.identities()));
    let context = Arc::new(Context {
        clients: process.tools.clients.clone().vouched_for(clusters),
        artifacts: Artifacts::new(args.http_retry)?,
        discovery: PerCluster::new(&process.tools.clients, Discovery::new),
        view,
        ownership,
        sources: sources::Sources::new(args.common.feature("ExternalArtifact", false)),
        kustomizations: store.clone(),
        ledger: ledger::Ledger::default(),
        builds,
        settings: context::Settings::from(&args),
    });
    let shell = Shell::new(
        reconcile::Kustomize(context.clone()),
        store.clone(),
        queue.clone(),
        process.tools.clone(),
    );
    let triggers = Arc::new(Triggers::new(context.clone(), queue));

    triggers.clone().follow_objects(seen);
    triggers.clone().follow_sources(own.clone(), process.scope());
    triggers.clone().follow_configs(&process);
    let (on_change, unreadable) = ((shell.clone(), triggers), shell.clone());
    let config = process.own_objects();
    let scope = process.scope();
    let own_watch = watch::run(
        own,
        scope.as_deref(),
        config,
        store,
        move |change| {
            on_change.1.kustomization_changed(&change);
            on_change.0.changed(&change);
        },
        move |invalid| unreadable.undecodable(invalid),
    );
    context
        .sources
        .synced(own_watch, shell.run(concurrency, process.stopped()))
        .await;
    Ok(())
}

/// The kind that this controller reconciles.
type Object = Arc<Kustomization>;
