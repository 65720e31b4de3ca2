//! What a fleet of releases of one chart costs, beside a bare apply of the same objects and as many Secrets of their size.

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use super::{CONCURRENCY, LIMIT, OBJECTS, REST, manifests, name, round};
use crate::{
    charts::Charts,
    cluster::{Cluster, documents},
    expect::{eventually, verdict},
    flux::{HELM, SOURCE, helm_release, with},
    space::Space,
    suite::Options,
    world::World,
};

/// Measures everything for `count` releases of four objects and gives one JSON object.
///
/// # Errors
/// When anything does not come about within ten minutes.
pub async fn measure(count: usize) -> Result<Value> {
    let world = World::start(&Options::default()).await?;
    let cluster = world.cluster().await?;
    let space = world.space("releases").await?;
    let template = manifests("NAME", "TAG")
        .replace("NAME", "{{ .Release.Name }}")
        .replace("TAG", "{{ .Values.tag }}");
    let _charts = Charts::offer(
        &space,
        &[("templates/all.yaml", &template), ("values.yaml", "tag: 1.0.0\n")],
    )
    .await?;
    let there = |o: &Value| o["status"]["artifact"].is_object();
    space
        .holds("the chart is there", SOURCE, "OCIRepository", "chart", there)
        .await?;

    eprintln!("measuring: install of {count} releases …");
    let begin = Instant::now();
    install(&space, count, "1.0.0").await?;
    let install_took = ready(&space, count, 1, begin).await?;
    eprintln!("measuring: upgrade of all …");
    let begin = Instant::now();
    install(&space, count, "1.1.0").await?;
    let upgrade_took = ready(&space, count, 2, begin).await?;

    // A record as it was really made.
    let secret = space
        .get("v1", "Secret", &format!("sh.helm.release.v1.{}.v1", name(0)))
        .await?;
    let secret = secret.context("a record")?;
    eprintln!("measuring: a bare server-side apply of the same …");
    let bare_install = bare(&cluster, count, "1.0.0", &secret).await?;
    let bare_upgrade = bare(&cluster, count, "1.1.0", &secret).await?;

    eprintln!("measuring: rest, {} s at an interval of 1m …", REST.as_secs());
    let requests = async || world.suite.helm.metric("rest_client_requests_total", "").await;
    let (before, cpu) = (requests().await?, world.suite.helm.cpu().unwrap_or_default());
    tokio::time::sleep(REST).await;
    let seconds = REST.as_secs_f64();
    let cores = world
        .suite
        .helm
        .cpu()
        .unwrap_or_default()
        .saturating_sub(cpu)
        .as_secs_f64()
        / seconds;
    let rest =
        json!({"requestsPerSecond": round((requests().await? - before) / seconds), "cores": round(cores)});

    let ratio = |a: Duration, b: Duration| round(a.as_secs_f64() / b.as_secs_f64());
    let mebibytes = |bytes: Option<u64>| bytes.map(|bytes| round(bytes as f64 / f64::from(1 << 20)));
    Ok(json!({
        "releases": count,
        "objects": count * OBJECTS,
        "profile": if cfg!(debug_assertions) { "dev" } else { "release" },
        "installSeconds": round(install_took.as_secs_f64()),
        "upgradeSeconds": round(upgrade_took.as_secs_f64()),
        "bareInstallSeconds": round(bare_install.as_secs_f64()),
        "bareUpgradeSeconds": round(bare_upgrade.as_secs_f64()),
        "installRatio": ratio(install_took, bare_install),
        "upgradeRatio": ratio(upgrade_took, bare_upgrade),
        "atRest": rest,
        "peakMiB": mebibytes(world.suite.helm.peak_memory()),
        "residentMiB": mebibytes(world.suite.helm.resident_memory()),
    }))
}

async fn install(space: &Space<'_>, count: usize, tag: &str) -> Result<()> {
    let objects = (0..count).map(|n| {
        let change = json!({"spec": {"interval": "1m", "timeout": "5m", "values": {"tag": tag}}});
        with(helm_release(&name(n)), &change)
    });
    let applied = stream::iter(objects)
        .map(|o| space.apply(o))
        .buffer_unordered(CONCURRENCY);
    applied.try_collect::<Vec<()>>().await.map(drop)
}

async fn ready(space: &Space<'_>, count: usize, revision: i64, begin: Instant) -> Result<Duration> {
    let api = space.api(HELM, "HelmRelease").await?;
    let all = async || {
        let mut done = 0;
        for object in api.list(&ListParams::default()).await? {
            let object = serde_json::to_value(object)?;
            let at = object["status"]["history"][0]["version"] == revision;
            done += usize::from(at && verdict(&object).is_some_and(|v| v.status == "True"));
        }
        Ok((done == count).then_some(()))
    };
    eventually(&format!("all releases are at revision {revision}"), LIMIT, all).await?;
    Ok(begin.elapsed())
}

/// Writes the objects of all, and a record for each, to a namespace of their own.
async fn bare(cluster: &Cluster, count: usize, tag: &str, record: &Value) -> Result<Duration> {
    cluster.namespace("bare").await?;
    let mut objects: Vec<Value> = Vec::new();
    for n in 0..count {
        objects.extend(documents(&manifests(&name(n), tag))?);
        let metadata = json!({"name": format!("record-{}-{tag}", name(n))});
        objects.push(json!({"apiVersion": "v1", "kind": "Secret", "type": record["type"], "metadata": metadata, "data": record["data"]}));
    }
    for object in &mut objects {
        object["metadata"]["namespace"] = json!("bare");
        cluster.api_of(object).await?;
    }
    let params = PatchParams::apply("bare").force();
    let begin = Instant::now();
    let writes = stream::iter(&objects).map(|object| {
        let params = &params;
        async move {
            let name = object["metadata"]["name"].as_str().context("no name")?;
            let api = cluster.api_of(object).await?;
            api.patch(name, params, &Patch::Apply(object))
                .await
                .map(drop)
                .context("bare apply")
        }
    });
    writes
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(begin.elapsed())
}
