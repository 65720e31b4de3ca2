//! What every pass holds, and the settings that pure steps need, without any client.

use crate::{Args, ledger::Ledger, sources::Sources};
use apply::{discovery::Discovery, fields::Ownership, view::View};
use crds::kustomize::Kustomization;
use prometheus_client::metrics::counter::Counter;
use runtime::{
    access::Access,
    acting,
    client::{Clients, PerCluster, Permits},
    fetch::Artifacts,
    watch::Store,
};
use std::{sync::Arc, time::Duration};

/// What every pass holds.
#[derive(Debug)]
pub struct Context {
    /// Clients by identity.
    pub clients: Clients,
    /// Artifacts by digest.
    pub artifacts: Artifacts,
    /// Which resource serves a kind.
    pub discovery: PerCluster<Discovery>,
    /// What is live.
    pub view: View,
    /// Whose fields are ours.
    pub ownership: Ownership,
    /// The sources as last seen.
    pub sources: Sources,
    /// The Kustomizations as last seen.
    pub kustomizations: Arc<Store<Kustomization>>,
    /// What was built and written for each Kustomization.
    pub ledger: Ledger,
    /// How many builds were made; a commit that an app does not read makes none.
    pub builds: Counter,
    /// Flags that steps need.
    pub settings: Settings,
}

/// Flags that steps need.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Rules for references across namespaces.
    pub access: Access,
    /// In whose name objects may act.
    pub acting: acting::Rules,
    /// How long to wait where nothing can be watched.
    pub requeue_dependency: Duration,
    /// Kinds of the custom stage.
    pub custom_stage: Vec<String>,
    /// Objects written at once.
    pub concurrent_ssa: usize,
    /// Undefined variables are errors.
    pub strict_substitution: bool,
    /// `readyExpr` adds to the built-in check instead of replacing it.
    pub additive_ready_expr: bool,
}

impl From<&Args> for Settings {
    fn from(args: &Args) -> Self {
        Self {
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
            custom_stage: args
                .custom_apply_stage_kinds
                .iter()
                .filter(|k| !k.is_empty())
                .cloned()
                .collect(),
            concurrent_ssa: args.concurrent_ssa.into(),
            strict_substitution: args.common.feature("StrictPostBuildSubstitutions", true),
            additive_ready_expr: args.common.feature("AdditiveCELDependencyCheck", false),
        }
    }
}
