//! What every pass holds, and the settings that pure steps need, without any client.

use crate::{Args, capabilities::Cluster, charts::Charts, ledger::Ledger, sources::Sources};
use apply::{discovery::Discovery, view::View};
use artifact::Algorithm;
use crds::helm::HelmRelease;
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::core::PartialObjectMeta;
use runtime::{
    access::Access,
    acting,
    client::{Clients, Identity, PerCluster, Permits},
    fetch::Artifacts,
    watch::Store,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// The Secrets with releases, without what is in them.
pub type Records = Store<PartialObjectMeta<Secret>>;

/// What every pass holds.
#[derive(Debug)]
pub struct Context {
    /// Clients by identity.
    pub clients: Clients,
    /// Artifacts by digest.
    pub artifacts: Artifacts,
    /// Charts by digest.
    pub charts: Charts,
    /// Which resource serves a kind.
    pub discovery: PerCluster<Discovery>,
    /// What the cluster can do.
    pub cluster: PerCluster<Cluster>,
    /// What is live.
    pub view: View,
    /// The sources as last seen.
    pub sources: Sources,
    /// The HelmReleases as last seen.
    pub releases: Arc<Store<HelmRelease>>,
    /// The Secrets with releases, as far as their labels tell.
    pub records: Arc<Records>,
    /// What is under way for each HelmRelease.
    pub ledger: Ledger,
    /// Places for actions that work; those that wait need none.
    pub places: Arc<Semaphore>,
    /// Flags that steps need.
    pub settings: Settings,
}

impl Context {
    /// Takes in a record of a release that was just written, so that the next pass need not wait until the watch tells of
    /// it. Where nobody watches, nothing is taken in: it would be believed for ever.
    pub fn stored(&self, identity: &Identity, written: ObjectMeta) {
        let watched = self.settings.scope.as_deref();
        let is_watched = watched.is_none_or(|scope| written.namespace.as_deref() == Some(scope));
        if is_watched && identity.cluster().is_none() {
            self.records.put(PartialObjectMeta {
                metadata: written,
                ..PartialObjectMeta::default()
            });
        }
    }
}

/// Flags that steps need.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The one namespace that is watched, if not all are.
    pub scope: Option<String>,
    /// Rules for references across namespaces.
    pub access: Access,
    /// In whose name objects may act.
    pub acting: acting::Rules,
    /// How long to wait where nothing can be watched.
    pub requeue_dependency: Duration,
    /// The algorithm of digests in statuses.
    pub algorithm: Algorithm,
    /// `readyExpr` adds to the built-in check instead of replacing it.
    pub additive_ready_expr: bool,
    /// Failed actions are tried again on top, where the spec does not say.
    pub retry_by_default: bool,
    /// The defaults of Helm 3 where the spec does not say.
    pub helm3_defaults: bool,
    /// Field managers whose fields are taken over before drift is looked for.
    pub overrides: Vec<String>,
    /// The version of a chart from a registry is its own, without the digest.
    pub plain_versions: bool,
}

impl Settings {
    /// What the flags say; `scope` is the namespace that is watched, if not all are.
    pub fn new(args: &Args, scope: Option<String>) -> Self {
        let feature = |name| args.common.feature(name, false);
        Self {
            scope,
            access: args.common.access(),
            acting: acting::Rules {
                default_account: args.default_service_account.clone(),
                permits: Permits {
                    exec: args.insecure_kubeconfig_exec,
                    insecure_tls: args.insecure_kubeconfig_tls,
                },
                default_token_account: args.default_kubeconfig_service_account.clone(),
            },
            requeue_dependency: args.common.requeue_dependency,
            algorithm: args.snapshot_digest_algo,
            additive_ready_expr: feature("AdditiveCELDependencyCheck"),
            retry_by_default: feature("DefaultToRetryOnFailure"),
            helm3_defaults: feature("UseHelm3Defaults"),
            overrides: args.override_manager.clone(),
            plain_versions: feature("DisableChartDigestTracking"),
        }
    }
}
