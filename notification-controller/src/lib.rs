//! notification-controller: status in, messages out; webhooks in, reconcile requests out.

mod args;
mod cause;
mod digest;
mod digests;
mod dispatch;
mod endpoint;
pub mod event;
mod follow;
mod group;
mod json;
mod memory;
pub mod message;
mod outbox;
pub mod provider;
mod receive;
mod route;
mod standing;
mod tell;
mod transition;
mod watched;

pub use args::Args;

use runtime::process::{Failure, Names, Process, ProcessError};
use tokio::task::JoinHandle;

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
    takes_events: true,
};

/// Runs the controller until it is told to end.
///
/// # Errors
/// When it cannot start, or loses its leadership.
pub async fn run(args: Args) -> Result<(), ProcessError> {
    let accounts = [("--default-service-account", args.default_service_account.as_str())];
    args.common
        .check_accounts(&accounts)
        .map_err(ProcessError::Flag)?;
    let beside = async |process: &Process| {
        let told = tell::Telling::begin(process, &args).await?;
        Ok((receive::serve(process, &args).await?, told))
    };
    Process::run_beside(NAMES, args.common.clone(), beside, work).await
}

async fn work(process: Process, (webhooks, telling): (JoinHandle<()>, tell::Telling)) -> Result<(), Failure> {
    let follow = telling.follow(&process).await?;
    let reconcile = async {
        receive::reconcile(&process).await;
        // Requests that are under way are carried to their end.
        let _ = webhooks.await;
    };
    tokio::select! {
        () = reconcile => {}
        () = follow => {}
    }
    telling.end().await;
    Ok(())
}
