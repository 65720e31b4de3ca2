//! notification-controller: status in, messages out; webhooks in, reconcile requests out.

mod args;
pub mod event;
pub mod message;
pub mod provider;
mod receive;

pub use args::Args;

use runtime::process::{Names, Process, ProcessError};

/// The features of Flux's notification-controller that `--feature-gates` may name.
const FEATURES: &[&str] = &[
    "CacheSecretsAndConfigMaps",
    "DisableConfigWatchers",
    "ObjectLevelWorkloadIdentity",
];

const NAMES: Names = Names {
    controller: "notification-controller",
    manager: "notification-controller",
    features: FEATURES,
};

/// Runs the controller until it is told to end.
///
/// # Errors
/// When it cannot start, or loses its leadership.
pub async fn run(args: Args) -> Result<(), ProcessError> {
    Process::run(NAMES, args.common.clone(), |process| work(process, args)).await
}

async fn work(process: Process, args: Args) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let _ = args;
    process.stopped().await;
    Ok(())
}
