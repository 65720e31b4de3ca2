//! Many OCIRepositories of one registry, at an interval of a minute, when nothing moves.

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::ListParams;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use super::{mib, round, told};
use crate::{
    expect::verdict,
    flux::SOURCE,
    origin::oci::{Artifact, Guard, Registry},
    space::Space,
    suite::Options,
    world::World,
};

/// How many objects there are, each of its own repository.
const COUNT: usize = 500;
/// How long rest is observed: more than the interval, so that each object is due once.
const REST: Duration = Duration::from_secs(75);
/// How long everything may take.
const LIMIT: Duration = Duration::from_secs(600);
/// How many objects are written at once.
const CONCURRENCY: usize = 16;

/// Measures until all are ready, and then their rest.
pub async fn measure() -> Result<Value> {
    let world = World::start(&Options::default()).await?;
    let registry = Registry::start(&Guard::default()).await?;
    let space = world.space("registry").await?;
    told(&format!("pushing {COUNT} artifacts"));
    let pushes = (0..COUNT).map(|n| {
        let registry = &registry;
        async move {
            let text = format!("kind: ConfigMap\nmetadata:\n  name: app-{n}\n");
            let artifact = Artifact::of_files(&[("app.yaml", &text)])?;
            registry.push(&name(n), "latest", &artifact).await.map(drop)
        }
    });
    stream::iter(pushes)
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<()>>()
        .await?;

    told(&format!("{COUNT} OCIRepositories until all are ready"));
    let begin = Instant::now();
    let objects = (0..COUNT).map(|n| space.apply(object(&registry, n)));
    stream::iter(objects)
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<()>>()
        .await?;
    ready(&space).await?;
    let install = begin.elapsed();

    told(&format!("rest, {} s at an interval of 1m", REST.as_secs()));
    let source = &world.suite.source;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let heads = || registry.requests("HEAD", "/v2/");
    let reads = || registry.requests("GET", "/v2/");
    let writes = async || {
        source
            .metric("rest_client_requests_total", "method=\"PATCH\"")
            .await
    };
    let (cpu, head, read, write) = (source.cpu(), heads()?, reads()?, writes().await?);
    let begin = Instant::now();
    tokio::time::sleep(REST).await;
    let seconds = begin.elapsed().as_secs_f64();
    let used = source
        .cpu()
        .unwrap_or_default()
        .saturating_sub(cpu.unwrap_or_default());
    Ok(json!({
        "objects": COUNT,
        "installSeconds": round(install.as_secs_f64()),
        "atRest": {
            "seconds": round(seconds),
            "cores": round(used.as_secs_f64() / seconds),
            "heads": heads()? - head,
            "gets": reads()? - read,
            "writes": writes().await? - write,
        },
        "restMiB": mib(source.resident_memory()),
        "peakMiB": mib(source.peak_memory()),
    }))
}

fn name(n: usize) -> String {
    format!("app-{n:04}")
}

fn object(registry: &Registry, n: usize) -> Value {
    json!({
        "apiVersion": SOURCE, "kind": "OCIRepository", "metadata": {"name": name(n)},
        "spec": {"interval": "1m", "url": registry.url(&name(n)), "insecure": true},
    })
}

async fn ready(space: &Space<'_>) -> Result<()> {
    let api = space.api(SOURCE, "OCIRepository").await?;
    space
        .until(&format!("all {COUNT} are ready"), LIMIT, async || {
            let listed = api.list(&ListParams::default()).await?;
            let ready = listed.iter().filter(|o| {
                serde_json::to_value(o).is_ok_and(|o| verdict(&o).is_some_and(|v| v.status == "True"))
            });
            Ok((ready.count() == COUNT).then_some(()))
        })
        .await
}
