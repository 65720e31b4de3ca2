//! source-controller: the outside world in, verified artifacts out.

mod args;
mod context;
pub mod git;
mod git_repository;
mod helm_chart;
mod helm_remote;
mod helm_repository;
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

use context::Context;
use crds::{
    meta::FluxObject,
    source::{Bucket, GitRepository, HelmChart, HelmRepository, OCIRepository, Source},
};
use git_repository::{GitRepositories, Includes};
use helm_chart::{HelmCharts, Triggers};
use helm_repository::HelmRepositories;
use oci_repository::OciRepositories;
use runtime::{
    Key,
    client::Identity,
    process::{Names, Process, ProcessError},
    queue::Queue,
    reconciler::{Reconciler, Shell},
    watch::{self, Change, Store, Undecodable},
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

/// Mirrors and indexes that nobody used for so long are removed.
const IDLE: Duration = Duration::from_secs(6 * 3600);

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
    let indexes = storage.root().join(storage::INDEXES);
    let indexes = helm_remote::Indexes::new(indexes, args.index_limits(), storage.algorithm())?;
    indexes.register(&process.tools.metrics);
    let (git, oci) = (Kind::<GitRepository>::default(), Kind::<OCIRepository>::default());
    let (repositories, charts) = (Kind::<HelmRepository>::default(), Kind::<HelmChart>::default());
    let buckets = Kind::<Bucket>::default();
    let healers = vec![git.healer(), oci.healer(), repositories.healer(), charts.healer()];
    let missing = heal(healers);
    storage::serve(args.storage_addr, storage.clone(), missing.clone()).await?;
    let context = Arc::new(Context {
        client: own,
        storage,
        mirrors,
        registries: oci::Registries::default(),
        remotes: helm_remote::Remotes::default(),
        indexes,
        charts: args.chart_limits(),
        repositories: git.store.clone(),
        helm_repositories: repositories.store.clone(),
        buckets: buckets.store.clone(),
        missing,
        requeue_dependency: process.args.requeue_dependency,
    });
    tokio::spawn(prune(context.clone()));
    tokio::spawn(purge(context.clone(), args.helm_cache_purge_interval));
    let includes = Includes::new(git.queue.clone());
    let triggers = Arc::new(Triggers::new(charts.queue.clone()));
    let told = || triggers.clone();
    let (of_git, of_helm, of_buckets, of_charts) = (told(), told(), told(), told());
    tokio::join!(
        git.run(&process, GitRepositories(context.clone()), move |change| {
            includes.changed(change);
            of_git.source(change);
        }),
        oci.run(&process, OciRepositories(context.clone()), |_| {}),
        repositories.run(&process, HelmRepositories(context.clone()), move |change| of_helm
            .source(change)),
        // No controller acts on Buckets here; charts are made of those of others.
        async {
            tokio::select! {
                () = buckets.follow(&process, move |change| of_buckets.source(change), |_| {}) => {}
                () = process.stopped() => {}
            }
        },
        charts.run(&process, HelmCharts::new(context), move |change| of_charts
            .chart(change)),
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

impl<K: FluxObject + Source> Kind<K> {
    /// Follows the objects and makes passes over them until the process ends.
    async fn run<R: Reconciler<Object = K>>(
        self,
        process: &Process,
        reconciler: R,
        also: impl Fn(&Change<K>) + Send + Sync + 'static,
    ) {
        let concurrency = process.args.concurrent.unwrap_or(2);
        let shell = Shell::new(
            reconciler,
            self.store.clone(),
            self.queue.clone(),
            process.tools.clone(),
        );
        let (on_change, unreadable) = (shell.clone(), shell.clone());
        let watch = self.follow(
            process,
            move |change| {
                also(change);
                on_change.changed(change);
            },
            move |invalid| unreadable.undecodable(invalid),
        );
        tokio::select! {
            () = watch => {}
            () = shell.run(concurrency, process.stopped()) => {}
        }
    }

    /// Follows the objects for ever, and says what changed of them.
    async fn follow(
        self,
        process: &Process,
        changed: impl Fn(&Change<K>) + Send + Sync + 'static,
        undecodable: impl Fn(Undecodable) + Send + Sync + 'static,
    ) {
        let (config, scope) = (process.own_objects(), process.scope());
        let client = process.tools.clients.of(&Identity::Controller);
        let changed = move |change| changed(&change);
        watch::run::<K>(client, scope.as_deref(), config, self.store, changed, undecodable).await;
    }

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
        let [kind, namespace, name, _, ..] = parts[..] else {
            return;
        };
        let healer = healers.iter().find(|(k, _)| k.eq_ignore_ascii_case(kind));
        if let Some((_, healer)) = healer {
            healer(Key::new(namespace, name), path);
        }
    })
}

async fn prune(context: Arc<Context>) {
    loop {
        tokio::time::sleep(IDLE / 6).await;
        let context = context.clone();
        let work = move || {
            context.mirrors.prune(IDLE);
            context.indexes.prune(IDLE);
        };
        let _ = tokio::task::spawn_blocking(work).await;
    }
}

async fn purge(context: Arc<Context>, interval: Duration) {
    loop {
        tokio::time::sleep(interval.max(Duration::from_secs(1))).await;
        context.indexes.purge();
    }
}
