//! What a large index costs, and what a download that breaks off leaves.

use anyhow::{Result, ensure};
use e2e::{
    flux::SOURCE,
    origin::{
        HelmServer, Page,
        helm::{chart, index, large, package},
    },
    space::LIMIT,
    suite::Options,
    world::World,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use super::{INDEX, KIND, ready, repository, sha256};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_in_mid_download_leaves_nothing() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("helm-kill").await?;
    let server = HelmServer::start().await?;
    let content = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put(INDEX, Page::Slow(content.clone(), Duration::from_millis(50)));
    space
        .apply(repository("repo", &server.url(""), &json!({})))
        .await?;
    let begun = async || Ok((!server.seen(INDEX).is_empty()).then_some(()));
    space.until("the download has begun", LIMIT, begun).await?;
    world.suite.source.kill();
    server.put(INDEX, Page::Known(content.clone()));
    world.suite.source.start()?;
    world.suite.source.ready().await?;
    ready(&space, "repo", &content).await?;
    // After another start what is kept on disk is good still.
    let asked = server.seen(INDEX).len();
    world.suite.source.kill();
    world.suite.source.start()?;
    world.suite.source.ready().await?;
    space.handled(SOURCE, KIND, "repo").await?;
    let seen = server.seen(INDEX);
    ensure!(
        seen.len() > asked && seen[asked..].iter().all(|seen| seen.status == 304),
        "{seen:?}"
    );
    space.at_rest().await
}

/// `HELM_INDEX_MB` says how large an index (4).
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_large_index_costs_little() -> Result<()> {
    let megabytes = std::env::var("HELM_INDEX_MB")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(4);
    let options = Options {
        source: vec!["--helm-cache-max-size=10".to_owned()],
        ..Options::default()
    };
    let world = World::start(&options).await?;
    let space = world.space("helm-large").await?;
    let server = HelmServer::start().await?;
    server.put(
        "/small/index.yaml",
        Page::Known(index(&[("web", "1.0.0", "web-1.0.0.tgz")])),
    );
    space
        .apply(repository("small", &server.url("/small"), &json!({})))
        .await?;
    space.verdict(SOURCE, KIND, "small", "Succeeded").await?;
    let peak = || world.suite.source.peak_memory().unwrap_or_default();
    let before = peak();
    let content = large(megabytes << 20);
    server.put("/large/index.yaml", Page::Known(content.clone()));
    server.put(
        "/large/chart-7-0.2.3.tgz",
        Page::Plain(package(&chart("chart-7", "0.2.3")).await?),
    );
    let begin = Instant::now();
    let change = json!({"spec": {"timeout": "10m"}});
    space
        .apply(repository("large", &server.url("/large"), &change))
        .await?;
    let revision = sha256(&content);
    let at = |o: &Value| o["status"]["artifact"]["revision"] == revision.as_str();
    let there = async || Ok(space.get(SOURCE, KIND, "large").await?.filter(at));
    space
        .until("the large index is stored", Duration::from_secs(300), there)
        .await?;
    let (stored, after) = (begin.elapsed(), peak());
    let begin = Instant::now();
    space.apply(json!({
        "apiVersion": SOURCE, "kind": "HelmChart", "metadata": {"name": "web"},
        "spec": {"interval": "1h", "chart": "chart-7", "version": "0.2.3", "sourceRef": {"kind": KIND, "name": "large"}},
    })).await?;
    space
        .verdict(SOURCE, "HelmChart", "web", "ChartPullSucceeded")
        .await?;
    e2e::note!(
        "helm: an index of {megabytes} MiB stored in {:.1} s, peak memory {} MiB (before {}); a chart of it after {} ms, peak {} MiB",
        stored.as_secs_f64(),
        after >> 20,
        before >> 20,
        begin.elapsed().as_millis(),
        peak() >> 20
    );
    // With the flag the table stays in memory, and it is counted as Flux counts.
    space.handled(SOURCE, "HelmChart", "web").await?;
    let counted = async |event: &str| {
        let label = format!("event_type=\"{event}\",name=\"large\"");
        world.suite.source.metric("gotk_cache_events_total", &label).await
    };
    let counted = (counted("cache_miss").await?, counted("cache_hit").await?);
    ensure!(counted == (1.0, 1.0), "{counted:?}");
    let allowed = before + 3 * (megabytes << 20) as u64 + (48 << 20);
    ensure!(
        peak() < allowed,
        "peak {} MiB, allowed {} MiB",
        peak() >> 20,
        allowed >> 20
    );
    Ok(())
}
