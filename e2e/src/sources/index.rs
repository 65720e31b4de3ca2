//! A Helm index of 50 MB: from its HelmRepository to Ready, the next one, one that has not changed, and a chart of it.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::{Duration, Instant};

use super::{mib, round, told};
use crate::{
    flux::SOURCE,
    origin::{
        HelmServer, Page,
        helm::{chart, large, package},
    },
    space::Space,
    suite::{Controller, Options},
    world::World,
};

const KIND: &str = "HelmRepository";
/// So large is the index, in bytes: a little less than the largest that is let in.
const SIZE: usize = 50_000_000;
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(300);
/// What is measured at rest is measured so long after the work.
const REST: Duration = Duration::from_secs(15);

/// Measures each step in a process that has done nothing else before the first.
pub async fn measure() -> Result<Value> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("index").await?;
    let server = HelmServer::start().await?;
    let source = &world.suite.source;
    told(&format!("an index of {SIZE} bytes"));
    let first = large(SIZE);
    server.put("/index.yaml", Page::Known(first.clone()));
    let archive = package(&chart("chart-7", "0.2.3")).await?;
    server.put("/chart-7-0.2.3.tgz", Page::Plain(archive));
    let before = source.peak_memory();
    let object = json!({
        "apiVersion": SOURCE, "kind": KIND, "metadata": {"name": "large"},
        "spec": {"interval": "1h", "timeout": "5m", "url": server.url("")},
    });
    let stored = timed(source, space.apply(object), ready(&space, &first)).await?;
    let rest = async || {
        tokio::time::sleep(REST).await;
        source.resident_memory()
    };
    let at_rest = rest().await;

    told("the next index");
    let text = String::from_utf8(first)?;
    let next = text.replace("described in some words", "described in other words");
    let next = next.into_bytes();
    server.put("/index.yaml", Page::Known(next.clone()));
    let again = space.request(SOURCE, KIND, "large");
    let changed = timed(source, again, ready(&space, &next)).await?;

    told("nothing changed, and a chart");
    let handled = async { space.handled(SOURCE, KIND, "large").await.map(drop) };
    let unchanged = timed(source, async { Ok(()) }, handled).await?;
    let chart = json!({
        "apiVersion": SOURCE, "kind": "HelmChart", "metadata": {"name": "web"},
        "spec": {"interval": "1h", "chart": "chart-7", "version": "0.2.3", "sourceRef": {"kind": KIND, "name": "large"}},
    });
    let pulled = async {
        let verdict = space.verdict(SOURCE, "HelmChart", "web", "ChartPullSucceeded");
        verdict.await.map(drop)
    };
    let charted = timed(source, space.apply(chart), pulled).await?;
    Ok(json!({
        "bytes": text.len(),
        "versions": text.matches("\n    version: ").count(),
        "beforeMiB": mib(before),
        "first": stored,
        "restMiB": mib(at_rest),
        "next": changed,
        "unchanged": unchanged,
        "chart": charted,
        "restAtLastMiB": mib(rest().await),
    }))
}

/// Does something, and waits for what comes of it.
async fn timed<T>(
    source: &Controller,
    act: impl Future<Output = Result<T>>,
    wait: impl Future<Output = Result<()>>,
) -> Result<Value> {
    let cpu = source.cpu().context("the controller runs")?;
    let begin = Instant::now();
    act.await?;
    wait.await?;
    let used = source.cpu().unwrap_or_default().saturating_sub(cpu);
    Ok(json!({
        "seconds": round(begin.elapsed().as_secs_f64()),
        "cpuSeconds": round(used.as_secs_f64()),
        "peakMiB": mib(source.peak_memory()),
    }))
}

async fn ready(space: &Space<'_>, index: &[u8]) -> Result<()> {
    let revision = format!("sha256:{}", hex::encode(Sha256::digest(index)));
    let what = format!("the index of revision {revision} is stored");
    let there = async || {
        let object = space.get(SOURCE, KIND, "large").await?;
        let found = object.filter(|o| o["status"]["artifact"]["revision"] == revision.as_str());
        Ok(found.map(drop))
    };
    space.until(&what, LIMIT, there).await
}
