//! The flags of kustomize-controller, with Flux's names and defaults.

use clap::{ArgAction, Parser};
use runtime::args::CommonArgs;

/// Keeps clusters equal to what sources say.
#[derive(Debug, Clone, Parser)]
#[command(name = "kustomize-controller", version, args_override_self = true)]
pub struct Args {
    /// Flags of all controllers.
    #[command(flatten)]
    pub common: CommonArgs,
    /// How many objects of a Kustomization are written at once.
    #[arg(long, default_value = "4", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrent_ssa: u16,
    /// Remote bases are always refused; accepted for compatibility.
    #[arg(long, default_value = "true", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_remote_bases: bool,
    /// How often an artifact's download is tried again.
    #[arg(long, default_value = "9")]
    pub http_retry: u32,
    /// The ServiceAccount to act as where a Kustomization names none.
    #[arg(long, default_value = "")]
    pub default_service_account: String,
    /// Further field managers whose fields are taken over, by prefix; may be repeated.
    #[arg(long = "override-manager")]
    pub override_manager: Vec<String>,
    /// Kinds that are applied before all others but definitions and classes, as `group/Kind,…`.
    #[arg(long, default_value = "", value_delimiter = ',')]
    pub custom_apply_stage_kinds: Vec<String>,
    /// Kubeconfigs may name programs that give a token; they are run in this container.
    #[arg(long, default_value = "false", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub insecure_kubeconfig_exec: bool,
    /// Kubeconfigs may say that the server need not prove who it is.
    #[arg(long, default_value = "false", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub insecure_kubeconfig_tls: bool,
    /// Accepted for compatibility, until decryption is there.
    #[arg(long, default_value = "")]
    pub default_decryption_service_account: String,
    /// The ServiceAccount whose token is used where the ConfigMap of a kubeConfig names none.
    #[arg(long, default_value = "")]
    pub default_kubeconfig_service_account: String,
    /// Accepted for compatibility, until decryption is there.
    #[arg(long, default_value = "")]
    pub sops_age_secret: String,
    /// Accepted for compatibility, until decryption is there.
    #[arg(long, default_value = "")]
    pub sops_vault_configmap: String,
}

impl Args {
    /// Whose identities are used at clusters of cloud providers, and how long what they are exchanged for is kept.
    pub fn identities(&self) -> cloud::Settings {
        // A ConfigMap that names nobody has its default where it is read.
        cloud::Settings::new(crate::NAMES.controller, &self.common, "")
    }
}
