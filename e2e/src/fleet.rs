//! What a fleet of apps of one repository costs: time, API requests, processor, memory; beside a bare apply of the same.

mod apiserver;
mod bare;
pub mod notifications;
pub mod releases;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::{
    app,
    cluster::Cluster,
    expect::{eventually, verdict},
    flux::{KUSTOMIZE, kustomization, with},
    space::Space,
    suite::{Controller, Options},
    world::World,
};

/// How long a whole fleet may take.
const LIMIT: Duration = Duration::from_secs(600);
/// How long rest is observed: more than the interval, so that each object is due once.
const REST: Duration = Duration::from_secs(75);
/// Without a request for so long, what the last change set off is over.
const SETTLED: Duration = Duration::from_secs(2);
/// How many deletions are healed.
const HEALS: usize = 20;
/// How many objects are written at once, by the suite (workers times objects of each) and by the bare apply.
const CONCURRENCY: usize = 16;
/// Each app's objects.
const OBJECTS: usize = 4;

/// Measures everything for `count` apps and gives one JSON object.
///
/// # Errors
/// When anything does not come about within ten minutes.
pub async fn measure(count: usize) -> Result<Value> {
    let world = World::start(&Options::default()).await?;
    let cluster = world.cluster().await?;
    let told = |what: &str| eprintln!("measuring: {what} …");

    told("a bare server-side apply of the same objects");
    let bare = bare::measure(&world, count, CONCURRENCY).await?;

    told(&format!("install of {count} apps"));
    let space = world.space("fleet").await?;
    let first = commit(&space, count, "1.0.0")?;
    let begin = Instant::now();
    space.git_repository(json!({})).await?;
    install(&space, count).await?;
    let install = ready(&space, count, &first, begin).await?;

    told("upgrade of all");
    let begin = Instant::now();
    let second = commit(&space, count, "1.1.0")?;
    look(&space).await?;
    let upgrade = ready(&space, count, &second, begin).await?;

    told("a commit that touches one app");
    let one = touch_one(&space, count).await?;

    told(&format!("rest, {} s at an interval of 1m", REST.as_secs()));
    let rest = rest(&world, &cluster).await?;

    told("healing");
    let heals = heals(&space, count).await?;
    let of = |n: usize| {
        heals
            .get((heals.len() * n).div_ceil(100).saturating_sub(1))
            .map(Duration::as_millis)
    };
    let memory = |c: &Controller| {
        c.peak_memory()
            .map(|bytes| round(bytes as f64 / f64::from(1 << 20)))
    };
    Ok(json!({
        "apps": count,
        "objects": count * OBJECTS,
        "profile": if cfg!(debug_assertions) { "dev" } else { "release" },
        "installSeconds": round(install.as_secs_f64()),
        "upgradeSeconds": round(upgrade.as_secs_f64()),
        "bareInstallSeconds": round(bare.install.as_secs_f64()),
        "bareUpgradeSeconds": round(bare.upgrade.as_secs_f64()),
        "installRatio": round(install.as_secs_f64() / bare.install.as_secs_f64()),
        "upgradeRatio": round(upgrade.as_secs_f64() / bare.upgrade.as_secs_f64()),
        "touchOne": one,
        "atRest": rest,
        "healMilliseconds": {"p50": of(50), "p99": of(99)},
        "peakMiB": {
            "source-controller": memory(&world.suite.source),
            "kustomize-controller": memory(&world.suite.kustomize),
        },
    }))
}

/// An app's manifests: a Deployment scaled to zero, a ServiceAccount, a Service, an Ingress.
fn manifests(name: &str, version: &str) -> String {
    app::all(&[
        app::deployment(name, &format!("nginx:{version}"), 0),
        app::service_account(name),
        app::service(name),
        app::ingress(name),
    ])
}

fn name(n: usize) -> String {
    format!("app-{n:04}")
}

fn commit(space: &Space<'_>, count: usize, version: &str) -> Result<String> {
    let files: Vec<(String, String)> = (0..count)
        .map(|n| (format!("apps/{}/all.yaml", name(n)), manifests(&name(n), version)))
        .collect();
    space.repo.commit(
        &files
            .iter()
            .map(|(p, t)| (p.as_str(), t.as_str()))
            .collect::<Vec<_>>(),
    )
}

/// The Kustomizations, at an interval of a minute, as the published figures of others have it.
async fn install(space: &Space<'_>, count: usize) -> Result<()> {
    let objects = (0..count).map(|n| {
        let change = json!({"spec": {"interval": "1m", "targetNamespace": space.name()}});
        with(
            kustomization(&name(n), "app", &format!("./apps/{}", name(n))),
            &change,
        )
    });
    let applied = stream::iter(objects)
        .map(|object| space.apply(object))
        .buffer_unordered(CONCURRENCY);
    applied.try_collect::<Vec<()>>().await.map(drop)
}

/// Waits until all are ready at a commit; gives how long that took since `begin`.
async fn ready(space: &Space<'_>, count: usize, commit: &str, begin: Instant) -> Result<Duration> {
    let revision = format!("main@sha1:{commit}");
    let api = space.api(KUSTOMIZE, "Kustomization").await?;
    space
        .until(
            &format!("all {count} are ready at {revision}"),
            LIMIT,
            async || {
                let listed = api.list(&ListParams::default()).await?;
                let ready = listed.iter().filter(|o| {
                    o.data["status"]["lastAppliedRevision"] == revision.as_str()
                        && serde_json::to_value(o)
                            .is_ok_and(|o| verdict(&o).is_some_and(|v| v.status == "True"))
                });
                Ok((ready.count() == count).then_some(begin.elapsed()))
            },
        )
        .await
}

async fn look(space: &Space<'_>) -> Result<()> {
    space.request(crate::flux::SOURCE, "GitRepository", "app").await
}

/// One file of one app changes: what is built, what is written, and how long until all have the revision.
async fn touch_one(space: &Space<'_>, count: usize) -> Result<Value> {
    let suite = &space.world.suite;
    let counters = async || {
        let metric = async |name: &str, label: &str| suite.kustomize.metric(name, label).await;
        anyhow::Ok([
            metric("sluice_kustomization_builds_total", "").await?,
            metric("rest_client_requests_total", "method=\"PATCH\"").await?,
        ])
    };
    let versions = async || {
        let api = space.api("apps/v1", "Deployment").await?;
        let listed = api.list(&ListParams::default()).await?;
        anyhow::Ok(
            listed
                .into_iter()
                .map(|o| o.metadata.generation)
                .collect::<Vec<_>>(),
        )
    };
    let (before, old) = (counters().await?, versions().await?);
    let begin = Instant::now();
    let commit = space.repo.commit(&[(
        &format!("apps/{}/all.yaml", name(0)),
        &manifests(&name(0), "1.2.0"),
    )])?;
    look(space).await?;
    let took = ready(space, count, &commit, begin).await?;
    let (after, new) = (counters().await?, versions().await?);
    let changed = old.iter().zip(&new).filter(|(old, new)| old != new).count();
    Ok(json!({
        "milliseconds": took.as_millis(),
        "builds": after[0] - before[0],
        // A status of each Kustomization is a PATCH too: all beyond those are applies.
        "patches": after[1] - before[1],
        "deploymentsWritten": changed,
    }))
}

/// What goes on when nothing does, over more than an interval.
async fn rest(world: &World, cluster: &Cluster) -> Result<Value> {
    // What the last change set off has its time to end.
    let mut before = f64::NAN;
    eventually(
        "no pass is due and the last events are written",
        LIMIT,
        async || {
            let depth = world.suite.kustomize.metric("workqueue_depth", "").await?;
            tokio::time::sleep(SETTLED).await;
            let requests = world
                .suite
                .kustomize
                .metric("rest_client_requests_total", "")
                .await?;
            let settled = depth == 0.0 && requests == before;
            before = requests;
            Ok(settled.then_some(()))
        },
    )
    .await?;
    let cpu = || world.suite.controllers().map(|c| c.cpu().unwrap_or_default());
    let (begin, cpu_before, before) = (Instant::now(), cpu(), apiserver::requests(cluster).await?);
    let own = async || {
        let mut sums = Vec::new();
        for controller in world.suite.controllers() {
            let all = controller.metric("rest_client_requests_total", "").await?;
            let reads = controller
                .metric("rest_client_requests_total", "method=\"GET\"")
                .await?;
            sums.push([all, all - reads]);
        }
        anyhow::Ok(sums)
    };
    let own_before = own().await?;
    tokio::time::sleep(REST).await;
    let (seconds, cpu_after, after, own_after) = (
        begin.elapsed().as_secs_f64(),
        cpu(),
        apiserver::requests(cluster).await?,
        own().await?,
    );
    let mut controllers = serde_json::Map::new();
    for (n, controller) in world.suite.controllers().into_iter().enumerate() {
        let used = cpu_after[n].saturating_sub(cpu_before[n]).as_secs_f64();
        let [requests, writes] = [0, 1].map(|i| own_after[n][i] - own_before[n][i]);
        let figures = json!({
            "cores": round(used / seconds), "requestsPerSecond": round(requests / seconds), "writes": writes,
        });
        controllers.insert(controller.name().to_owned(), figures);
    }
    // Of everybody in the cluster: its own controllers renew leases and endpoints too.
    let all = json!({"requestsPerSecond": round((after.all - before.all) / seconds), "kustomizationWrites": after.flux_writes - before.flux_writes});
    Ok(json!({"seconds": round(seconds), "apiserver": all, "controllers": controllers}))
}

/// Deletes Services one after the other; gives how long each took to be back, sorted.
async fn heals(space: &Space<'_>, count: usize) -> Result<Vec<Duration>> {
    let api = space.api("v1", "Service").await?;
    let mut times = Vec::new();
    for n in 0..HEALS.min(count) {
        let name = name(n * count / HEALS.min(count));
        let old = api.get(&name).await?.metadata.uid;
        let begin = Instant::now();
        api.delete(&name, &DeleteParams::default())
            .await
            .with_context(|| format!("delete Service {name}"))?;
        let back = async || {
            Ok(api
                .get_opt(&name)
                .await?
                .filter(|o| o.metadata.uid != old)
                .map(|_| begin.elapsed()))
        };
        times.push(
            space
                .until(&format!("Service {name} is back"), LIMIT, back)
                .await?,
        );
    }
    times.sort_unstable();
    Ok(times)
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
