//! notification-controller: status in, messages out; webhooks in, reconcile requests out.

mod args;
mod cause;
mod digest;
mod digests;
mod dispatch;
mod endpoint;
pub mod event;
mod fair;
mod follow;
mod group;
mod json;
mod judges;
mod memory;
pub mod message;
#[cfg(test)]
mod mutate;
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
use std::sync::Arc;
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
        let expressions = Arc::<receive::Compiled>::default();
        let webhooks = receive::serve(process, &args, expressions.clone()).await?;
        Ok(Beside {
            told,
            webhooks,
            expressions,
        })
    };
    Process::run_beside(NAMES, args.common.clone(), beside, work).await
}

/// What works in every replica.
struct Beside {
    told: tell::Telling,
    webhooks: JoinHandle<()>,
    /// What Receivers say, for whoever checks and whoever asks.
    expressions: Arc<receive::Compiled>,
}

async fn work(process: Process, beside: Beside) -> Result<(), Failure> {
    let telling = beside.told;
    let follow = telling.follow(&process).await?;
    let reconcile = async {
        receive::reconcile(&process, beside.expressions).await;
        // Requests that are under way are carried to their end.
        let _ = beside.webhooks.await;
    };
    tokio::select! {
        () = reconcile => {}
        () = follow => {}
    }
    telling.end().await;
    Ok(())
}
