//! source-controller: the outside world in, verified artifacts out.

mod args;
mod context;
pub mod git;
mod git_repository;
mod http;
pub mod ignore;
mod record;
mod secret;
pub mod semver;
mod shelf;
mod storage;

pub use args::Args;

use context::Context;
use crds::source::{GitRepository, Source as _};
use git_repository::{GitRepositories, Includes};
use runtime::{
    Key,
    client::Identity,
    process::{Names, Process, ProcessError},
    queue::Queue,
    reconciler::Shell,
    watch::{self, Store},
};
use std::{sync::Arc, time::Duration};
use storage::Storage;

/// The features of Flux's source-controller that `--feature-gates` may name.
const FEATURES: &[&str] = &["CacheSecretsAndConfigMaps", "ObjectLevelWorkloadIdentity"];

const NAMES: Names = Names {
    controller: "source-controller",
    manager: "source-controller",
    features: FEATURES,
};

/// Mirrors that nobody used for so long are removed.
const MIRROR_IDLE: Duration = Duration::from_secs(6 * 3600);

/// Runs the controller until it is told to end.
///
/// # Errors
/// When it cannot start, or loses its leadership.
pub async fn run(args: Args) -> Result<(), ProcessError> {
    Process::run(NAMES, args.common.clone(), |process| work(process, args)).await
}

async fn work(process: Process, args: Args) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let storage = Storage::open(
        &args.storage_path,
        args.advertised(),
        args.artifact_digest_algo,
        args.retention(),
    )?;
    let mirrors = git::Mirrors::new(args.storage_path.join(storage::MIRRORS), args.git_limits())?;
    let own = process.tools.clients.of(&Identity::Controller);
    let (store, queue) = (Arc::new(Store::default()), Arc::new(Queue::default()));
    let missing = heal(store.clone(), queue.clone());
    storage::serve(args.storage_addr, storage.clone(), missing).await?;
    let concurrency = process.args.concurrent.unwrap_or(2);
    let context = Arc::new(Context {
        client: own.clone(),
        storage,
        mirrors,
        repositories: store.clone(),
        requeue_dependency: process.args.requeue_dependency,
    });
    let shell = Shell::new(
        GitRepositories(context.clone()),
        store.clone(),
        queue.clone(),
        process.tools.clone(),
    );

    tokio::spawn(prune_mirrors(context));
    let includes = Includes::new(queue);
    let (on_change, unreadable) = (shell.clone(), shell.clone());
    let (config, scope) = (process.own_objects(), process.scope());
    let watch = watch::run::<GitRepository>(
        own,
        scope.as_deref(),
        config,
        store,
        move |change| {
            includes.changed(&change);
            on_change.changed(&change);
        },
        move |invalid| unreadable.undecodable(invalid),
    );
    tokio::select! {
        () = watch => {}
        () = shell.run(concurrency, process.stopped()) => {}
    }
    Ok(())
}

/// A file that a status names and that somebody looks for in vain is made anew at once, not at the interval.
fn heal(store: Arc<Store<GitRepository>>, queue: Arc<Queue>) -> storage::OnMissing {
    Arc::new(move |path| {
        let parts: Vec<&str> = path.split('/').collect();
        let [_, namespace, name, _] = parts[..] else {
            return;
        };
        let key = Key::new(namespace, name);
        // What no status names is not looked for: strangers cannot ask for work.
        let named = |o: &GitRepository| o.artifact().is_some_and(|a| a.path == path);
        if store.get(&key).is_some_and(|o| named(&o)) {
            queue.add(key);
        }
    })
}

async fn prune_mirrors(context: Arc<Context>) {
    loop {
        tokio::time::sleep(MIRROR_IDLE / 6).await;
        let context = context.clone();
        let _ = tokio::task::spawn_blocking(move || context.mirrors.prune(MIRROR_IDLE)).await;
    }
}
