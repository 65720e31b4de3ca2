//! source-controller: the outside world in, verified artifacts out.

mod args;
mod artifact_generator;
mod at_most;
mod bucket;
mod context;
mod downloads;
mod files;
pub mod git;
mod git_repository;
mod helm_chart;
mod helm_remote;
mod helm_repository;
pub mod ignore;
mod kind;
mod kube_secret;
mod lock;
mod memory;
mod objects;
mod oci;
mod oci_repository;
mod openpgp;
mod progress;
mod record;
mod shared;
mod shelf;
pub mod spool;
mod storage;
mod tag;
mod verify;

pub use args::Args;

use artifact_generator::ArtifactGenerators;
use bucket::Buckets;
use context::Context;
use crds::{
    extensions::ArtifactGenerator,
    source::{Bucket, GitRepository, HelmChart, HelmRepository, OCIRepository},
};
use git_repository::{GitRepositories, Includes};
use helm_chart::{HelmCharts, Triggers};
use helm_repository::HelmRepositories;
use kind::{Healer, Kind};
use oci_repository::OciRepositories;
use peer::pem;
use runtime::{
    Key,
    client::Identity,
    fetch::Artifacts,
    process::{Failure, Names, Process, ProcessError},
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use storage::Storage;

/// The features of Flux's source-controller that `--feature-gates` may name.
const FEATURES: &[&str] = &["CacheSecretsAndConfigMaps", "ObjectLevelWorkloadIdentity"];

const NAMES: Names = Names {
    controller: "source-controller",
    manager: "source-controller",
    features: FEATURES,
    takes_events: false,
};

/// Mirrors and indexes that nobody used for so long are removed.
const IDLE: Duration = Duration::from_secs(6 * 3600);

/// Files that were fetched from the object store so long ago are removed; who wants them has them fetched again.
const FETCHED_STAYS: Duration = Duration::from_secs(3600);

/// How often the download of an artifact is tried again within a pass of a generator.
const FETCH_RETRIES: u32 = 3;

/// Runs the controller until it is told to end.
///
/// # Errors
/// When it cannot start, or loses its leadership.
pub async fn run(args: Args) -> Result<(), ProcessError> {
    let accounts = [("--default-service-account", args.default_service_account.as_str())];
    args.common
        .check_accounts(&accounts)
        .map_err(ProcessError::Flag)?;
    let flags = args.clone();
    let prepare = async |process: &Process| Shelves::open(process, &flags).await;
    Process::run_beside(NAMES, args.common.clone(), prepare, |process, shelves| {
        work(process, args, shelves)
    })
    .await
}

/// The artifacts, and who is told of a file that is not among them.
struct Shelves {
    storage: Storage,
    /// Empty on a standby, which can make nothing anew.
    missing: Arc<OnceLock<storage::OnMissing>>,
}

impl Shelves {
    /// Opens the storage. With an object store behind it every replica serves it from the start; else only the leader has
    /// what is to be served.
    async fn open(process: &Process, args: &Args) -> Result<Self, Failure> {
        let behind = args.storage_url.clone().map(|place| {
            let own = process.tools.clients.of(&Identity::Controller);
            (place, cloud::Cloud::new(own, args.identities()))
        });
        let shared = behind.is_some();
        let storage = Storage::open(
            &args.storage_path,
            args.advertised(),
            args.artifact_digest_algo,
            args.retention(),
            behind,
        )?;
        let missing = Arc::new(OnceLock::<storage::OnMissing>::new());
        if shared {
            tokio::spawn(forget(storage.clone()));
            let told = missing.clone();
            let tell: storage::OnMissing = Arc::new(move |path| {
                if let Some(heal) = told.get() {
                    heal(path);
                }
            });
            storage::serve(process, args.storage_addr, storage.clone(), tell).await?;
        }
        Ok(Self { storage, missing })
    }

    /// From now on what is missing is made anew.
    async fn lead(
        self,
        process: &Process,
        args: &Args,
        heal: storage::OnMissing,
    ) -> Result<Storage, Failure> {
        self.storage.lead();
        let _ = self.missing.set(heal.clone());
        if args.storage_url.is_none() {
            storage::serve(process, args.storage_addr, self.storage.clone(), heal).await?;
        }
        Ok(self.storage)
    }
}

async fn work(process: Process, args: Args, shelves: Shelves) -> Result<(), Failure> {
    let storage = shelves.storage.clone();
    let limits = git::Limits {
        memory: memory::limit(),
        ..args.git_limits()
    };
    let mirrors = git::Mirrors::new(args.storage_path.join(storage::MIRRORS), limits)?;
    let own = process.tools.clients.of(&Identity::Controller);
    let indexes = storage.root().join(storage::INDEXES);
    let indexes = helm_remote::Indexes::new(indexes, args.index_limits(), storage.algorithm())?;
    indexes.register(&process.tools.metrics);
    let (git, oci) = (Kind::<GitRepository>::default(), Kind::<OCIRepository>::default());
    let (repositories, charts) = (Kind::<HelmRepository>::default(), Kind::<HelmChart>::default());
    let (buckets, generators) = (Kind::<Bucket>::default(), Kind::<ArtifactGenerator>::default());
    let making = artifact_generator::Triggers::new(generators.queue.clone());
    let missing = heal(vec![
        git.healer(),
        oci.healer(),
        repositories.healer(),
        charts.healer(),
        buckets.healer(),
        making.healer(generators.store.clone()),
    ]);
    let includes = Arc::new(Includes::new(git.queue.clone()));
    let including = includes.clone();
    let storage = shelves.lead(&process, &args, missing.clone()).await?;
    let downloads = downloads::Downloads::default();
    let context = Arc::new(Context {
        client: own.clone(),
        storage: storage.clone(),
        mirrors,
        registries: oci::Registries::new(downloads.clone()),
        downloads,
        remotes: helm_remote::Remotes::default(),
        indexes,
        charts: args.chart_limits(),
        cloud: cloud::Cloud::new(own.clone(), args.identities()),
        public_root: verify::PublicRoot::new(args.sigstore()),
        known_buckets: bucket::KnownBuckets::default(),
        includes,
        repositories: git.store.clone(),
        helm_repositories: repositories.store.clone(),
        buckets: buckets.store.clone(),
        missing,
        progress: progress::Progress::default(),
        requeue_dependency: process.args.requeue_dependency,
    });
    let generator = Arc::new(artifact_generator::Context {
        client: own,
        storage: storage.clone(),
        spools: artifact_generator::Spools::new(Artifacts::new(FETCH_RETRIES)?, storage),
        sources: artifact_generator::Sources::default(),
        turn: std::sync::Arc::default(),
        generators: generators.store.clone(),
        access: process.args.access(),
        requeue_dependency: process.args.requeue_dependency,
    });
    tokio::spawn(prune(context.clone()));
    tokio::spawn(purge(
        context.clone(),
        generator.clone(),
        args.helm_cache_purge_interval,
    ));
    tokio::spawn(making.clone().follow(generator.clone(), process.scope()));
    let triggers = Arc::new(Triggers::new(charts.queue.clone()));
    let told = || triggers.clone();
    let (of_git, of_helm, of_buckets, of_charts) = (told(), told(), told(), told());
    tokio::join!(
        git.run(&process, GitRepositories(context.clone()), move |change| {
            including.changed(change);
            of_git.source(change);
        }),
        oci.run(&process, OciRepositories(context.clone()), |_| {}),
        repositories.run(&process, HelmRepositories(context.clone()), move |change| of_helm
            .source(change)),
        buckets.run(&process, Buckets(context.clone()), move |change| of_buckets
            .source(change)),
        charts.run(&process, HelmCharts::new(context), move |change| of_charts
            .chart(change)),
        generators.run(&process, ArtifactGenerators(generator), move |change| making
            .changed(change)),
    );
    Ok(())
}

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

async fn forget(storage: Storage) {
    loop {
        tokio::time::sleep(FETCHED_STAYS / 6).await;
        let storage = storage.clone();
        let _ = tokio::task::spawn_blocking(move || storage.forget(FETCHED_STAYS)).await;
    }
}

async fn purge(context: Arc<Context>, generator: Arc<artifact_generator::Context>, interval: Duration) {
    loop {
        tokio::time::sleep(interval.max(Duration::from_secs(1))).await;
        context.indexes.purge();
        context.downloads.purge();
        generator.spools.purge();
    }
}
