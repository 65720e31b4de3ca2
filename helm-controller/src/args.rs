//! The flags of helm-controller, with Flux's names and defaults.

use artifact::Algorithm;
use clap::{ArgAction, Parser};
use runtime::args::{CommonArgs, duration};
use std::{str::FromStr as _, time::Duration};

/// Keeps releases of Helm charts as HelmReleases say.
#[derive(Debug, Clone, Parser)]
#[command(name = "helm-controller", version, args_override_self = true)]
pub struct Args {
    /// Flags of all controllers.
    #[command(flatten)]
    pub common: CommonArgs,
    /// How often an artifact's download is tried again.
    #[arg(long, default_value = "9")]
    pub http_retry: u32,
    /// Accepted for compatibility: a download has a deadline of its own.
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub http_timeout: Duration,
    /// The ServiceAccount to act as where a HelmRelease names none.
    #[arg(long, default_value = "")]
    pub default_service_account: String,
    /// How long actions under way may go on when the process is told to end.
    #[arg(long, default_value = "600s", value_parser = duration)]
    pub graceful_shutdown_timeout: Duration,
    /// The algorithm of the digests in statuses.
    #[arg(long, default_value = "sha256", value_parser = algorithm)]
    pub snapshot_digest_algo: Algorithm,
    /// Further field managers whose fields are taken over before drift is looked for; may be repeated.
    #[arg(long = "override-manager")]
    pub override_manager: Vec<String>,
    /// Kubeconfigs may name programs that give a token; they are run in this container.
    #[arg(long, default_value = "false", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub insecure_kubeconfig_exec: bool,
    /// Kubeconfigs may say that the server need not prove who it is.
    #[arg(long, default_value = "false", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub insecure_kubeconfig_tls: bool,
    /// The ServiceAccount whose token is used where the ConfigMap of a kubeConfig names none.
    #[arg(long, default_value = "")]
    pub default_kubeconfig_service_account: String,
    /// Accepted for compatibility: memory is bounded in other ways.
    #[arg(long, default_value = "95")]
    pub oom_watch_memory_threshold: u8,
    /// Accepted for compatibility, as above.
    #[arg(long, default_value = "500ms", value_parser = duration)]
    pub oom_watch_interval: Duration,
    /// Accepted for compatibility, as above.
    #[arg(long, default_value = "")]
    pub oom_watch_max_memory_path: String,
    /// Accepted for compatibility, as above.
    #[arg(long, default_value = "")]
    pub oom_watch_current_memory_path: String,
}

impl Args {
    /// Whose identities are used at clusters of cloud providers, and how long what they are exchanged for is kept.
    pub fn identities(&self) -> cloud::Settings {
        // A ConfigMap that names nobody has its default where it is read.
        cloud::Settings::new(crate::NAMES.controller, &self.common, "")
    }
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    Algorithm::from_str(text).map_err(|e| e.to_string())
}
