//! source-controller: the outside world in, verified artifacts out.

mod args;
mod artifact_generator;
mod context;
mod files;
pub mod git;
mod git_repository;
mod http;
pub mod ignore;
mod kube_secret;
mod lock;
mod oci;
mod oci_repository;
mod record;
mod secret;
mod shelf;
mod storage;
mod tag;

pub use args::Args;

use artifact_generator::{ArtifactGenerators, Sources, Triggers};
use context::Context;
use crds::{
    extensions::ArtifactGenerator,
    meta::FluxObject,
    source::{GitRepository, OCIRepository, Source},
};
use git_repository::{GitRepositories, Includes};
use oci_repository::OciRepositories;
use runtime::{
    Key,
    client::Identity,
    fetch::Artifacts,
    process::{Names, Process, ProcessError},
    queue::Queue,
    reconciler::{Reconciler, Shell},
    watch::{self, Change, Store},
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

/// How often the download of an artifact is tried again within a pass of a generator.
const FETCH_RETRIES: u32 = 3;

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
    let (git, oci) = (Kind::<GitRepository>::default(), Kind::<OCIRepository>::default());
    let generators = Kind::<ArtifactGenerator>::default();
    let triggers = Triggers::new(generators.queue.clone());
    let healers = vec![git.healer(), oci.healer(), heal_made(triggers.clone())];
    storage::serve(args.storage_addr, storage.clone(), heal(healers)).await?;
    let context = Arc::new(Context {
        client: own,
        storage,
        mirrors,
        registries: oci::Registries::default(),
        repositories: git.store.clone(),
        requeue_dependency: process.args.requeue_dependency,
    });
    let making = Arc::new(artifact_generator::Context {
        client: context.client.clone(),
        storage: context.storage.clone(),
        artifacts: Artifacts::new(FETCH_RETRIES)?,
        sources: Sources::default(),
        generators: generators.store.clone(),
        access: process.args.access(),
        requeue_dependency: process.args.requeue_dependency,
    });
    tokio::spawn(prune_mirrors(context.clone()));
    let includes = Includes::new(git.queue.clone());
    tokio::join!(
        git.run(&process, GitRepositories(context.clone()), move |change| includes
            .changed(change)),
        oci.run(&process, OciRepositories(context), |_| {}),
        follow_sources(triggers.clone(), making.clone(), process.scope()),
        generators.run(&process, ArtifactGenerators(making), move |change| triggers
            .changed(change)),
    );
    Ok(())
}

/// One kind: its objects as last seen, and those that are due.
struct Kind<K> {
    store: Arc<Store<K>>,
    queue: Arc<Queue>,
}

impl<K> Default for Kind<K> {
    fn default() -> Self {
        Self {
            store: Arc::new(Store::default()),
            queue: Arc::new(Queue::default()),
        }
    }
}

impl<K: FluxObject> Kind<K> {
    /// Follows the objects and makes passes over them until the process ends.
    async fn run<R: Reconciler<Object = K>>(
        self,
        process: &Process,
        reconciler: R,
        also: impl Fn(&Change<K>) + Send + Sync + 'static,
    ) {
        let concurrency = process.args.concurrent.unwrap_or(2);
        let (store, queue, tools) = (self.store, self.queue, process.tools.clone());
        let shell = Shell::new(reconciler, store.clone(), queue, tools);
        let (on_change, unreadable) = (shell.clone(), shell.clone());
        let (config, scope) = (process.own_objects(), process.scope());
        let watch = watch::run::<K>(
            process.tools.clients.of(&Identity::Controller),
            scope.as_deref(),
            config,
            store,
            move |change| {
                also(&change);
                on_change.changed(&change);
            },
            move |invalid| unreadable.undecodable(invalid),
        );
        tokio::select! {
            () = watch => {}
            () = shell.run(concurrency, process.stopped()) => {}
        }
    }
}

impl<K: FluxObject + Source> Kind<K> {
    /// Asks for a pass over the object whose status names a file that is not there.
    fn healer(&self) -> (&'static str, Healer) {
        let (store, queue) = (self.store.clone(), self.queue.clone());
        let healer = move |key: Key, path: &str| {
            // What no status names is not looked for: strangers cannot ask for work.
            let named = |o: &K| o.artifact().is_some_and(|a| a.path == path);
            if store.get(&key).is_some_and(|o| named(&o)) {
                queue.add(key);
            }
        };
        (K::KIND, Box::new(healer))
    }
}

type Healer = Box<dyn Fn(Key, &str) + Send + Sync>;

/// A file that a status names and that somebody looks for in vain is made anew at once, not at the interval.
fn heal(healers: Vec<(&'static str, Healer)>) -> storage::OnMissing {
    Arc::new(move |path| {
        let parts: Vec<&str> = path.split('/').collect();
        let [kind, namespace, name, _] = parts[..] else {
            return;
        };
        let healer = healers.iter().find(|(k, _)| k.eq_ignore_ascii_case(kind));
        if let Some((_, healer)) = healer {
            healer(Key::new(namespace, name), path);
        }
    })
}

/// As above, for what generators made.
fn heal_made(triggers: Arc<Triggers>) -> (&'static str, Healer) {
    (
        artifact_generator::MADE,
        Box::new(move |key, _| triggers.heal(&key)),
    )
}

/// The sources of generators are followed once it is known that there is such a kind.
async fn follow_sources(
    triggers: Arc<Triggers>,
    context: Arc<artifact_generator::Context>,
    scope: Option<String>,
) {
    context.generators.synced().await;
    triggers.follow(&context, scope);
}

async fn prune_mirrors(context: Arc<Context>) {
    loop {
        tokio::time::sleep(MIRROR_IDLE / 6).await;
        let context = context.clone();
        let _ = tokio::task::spawn_blocking(move || context.mirrors.prune(MIRROR_IDLE)).await;
    }
}
