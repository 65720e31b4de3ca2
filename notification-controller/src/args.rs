//! The flags of notification-controller, with Flux's names and defaults.

use clap::{ArgAction, Parser};
use runtime::args::{CommonArgs, address, duration};
use std::{net::SocketAddr, time::Duration};

/// Tells people what becomes of objects, and has objects reconciled when others say that there is news.
#[derive(Debug, Clone, Parser)]
#[command(name = "notification-controller", version, args_override_self = true)]
pub struct Args {
    /// Flags of all controllers. `--events-addr` is where events of third parties are taken, which is off by default.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Where webhooks are taken.
    #[arg(long = "receiverAddr", default_value = ":9292", value_parser = address)]
    pub receiver_addr: SocketAddr,
    /// An event that a third party sends again within this time is dropped.
    #[arg(long, default_value = "5m", value_parser = duration)]
    pub rate_limit_interval: Duration,
    /// Accepted for compatibility: metrics of requests name the handler, not the path.
    #[arg(long, default_value = "false", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub export_http_path_metrics: bool,
    /// The ServiceAccount whose workload identity is used where a Provider names none.
    #[arg(long, default_value = "")]
    pub default_service_account: String,
    /// How long a message that cannot be sent is kept and tried again.
    #[arg(long, default_value = "24h", value_parser = duration)]
    pub delivery_deadline: Duration,
    /// Whether third parties that send events must prove by a token of their ServiceAccount who they are.
    #[arg(long, default_value = "false", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub events_authentication: bool,
    /// Where Google publishes the keys that it signs Pub/Sub's tokens with.
    #[arg(
        long,
        hide = true,
        default_value = "https://www.googleapis.com/oauth2/v3/certs"
    )]
    pub google_keys_url: String,
}

impl Args {
    /// Whose identities are used at cloud providers, and how long what they are exchanged for is kept.
    pub fn identities(&self) -> cloud::Settings {
        cloud::Settings::new(
            crate::NAMES.controller,
            &self.common,
            &self.default_service_account,
        )
    }
}
