//! What telling costs: from a status that changes to a sink that has the message, many at once, and the memory of it.

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use std::{collections::HashMap, time::Instant};

use super::{CONCURRENCY, LIMIT, round};
use crate::{
    expect::eventually,
    flux::{KUSTOMIZE, alert, kustomization, provider, with},
    origin::Sink,
    space::Space,
    suite::Options,
    webhook::{Pushes, TOKEN, http, ready, receiver, secret},
    world::World,
};

/// So many alerts look at all objects; one of them wants what is told.
const ALERTS: usize = 50;
/// So many transitions are timed one by one.
const TIMED: usize = 300;
/// So many requests come to a webhook.
const REQUESTS: usize = 2000;
/// So many pushes are followed into the cluster.
const PUSHES: usize = 20;

/// Measures everything with `count` objects and gives one JSON object.
///
/// # Errors
/// When anything does not come about within ten minutes.
pub async fn measure(count: usize) -> Result<Value> {
    let world = World::start(&Options::default()).await?;
    let (space, sink) = (world.space("people").await?, Sink::start().await?);
    eprintln!("measuring: {count} objects and {ALERTS} alerts …");
    install(&space, &sink, count).await?;
    let controller = &world.suite.notification;
    let objects = space.api(KUSTOMIZE, "Kustomization").await?;

    eprintln!("measuring: {TIMED} transitions, one after the other …");
    let mut latencies = Vec::new();
    for n in 0..TIMED {
        let text = format!("single {n}");
        // From when the status is sent to the API server: nobody outside knows when it has changed.
        let begin = Instant::now();
        tell(&objects, n % count, &text).await?;
        let at = arrival(&sink, &text).await?;
        latencies.push(at.saturating_duration_since(begin).as_secs_f64() * 1e3);
    }
    eprintln!("measuring: a transition of all {count} at once …");
    let begin = Instant::now();
    let writes = stream::iter(0..count)
        .map(|n| {
            let objects = objects.clone();
            async move { tell(&objects, n, &format!("storm {n}")).await }
        })
        .buffer_unordered(CONCURRENCY);
    writes.try_collect::<Vec<()>>().await?;
    let written = begin.elapsed();
    let all = async || {
        let told = sink
            .letters()
            .iter()
            .filter(|l| text_of(&l.body).starts_with("storm"))
            .count();
        Ok((told >= count).then_some(()))
    };
    eventually("all are told", LIMIT, all).await?;
    let told = begin.elapsed();

    eprintln!("measuring: {REQUESTS} requests to a webhook …");
    let webhooks = webhooks(&space).await?;
    let memory = controller.peak_memory();

    eprintln!("measuring: {PUSHES} pushes, one after the other …");
    let pushes = pushes(&world).await?;
    Ok(json!({
        "objects": count,
        "alerts": ALERTS,
        "profile": if cfg!(debug_assertions) { "dev" } else { "release" },
        "statusToSinkMilliseconds": spread(latencies),
        "atOnce": {
            "writtenSeconds": round(written.as_secs_f64()),
            "toldSeconds": round(told.as_secs_f64()),
            "toldPerSecond": round(count as f64 / told.as_secs_f64()),
            "ratioToWrites": round(told.as_secs_f64() / written.as_secs_f64()),
        },
        "webhooksPerSecond": round(webhooks),
        "pushToClusterMilliseconds": spread(pushes),
        "peakMiB": memory.map(|bytes| round(bytes as f64 / f64::from(1 << 20))),
    }))
}

/// PURE: the middle, the ninety-ninth of a hundred and the most of some figures.
fn spread(mut figures: Vec<f64>) -> Value {
    figures.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = ((figures.len() as f64 - 1.0) * share).round();
        round(figures.get(index as usize).copied().unwrap_or_default())
    };
    json!({"p50": at(0.5), "p99": at(0.99), "max": at(1.0)})
}

/// Suspended objects: their statuses are written by the benchmark alone.
async fn install(space: &Space<'_>, sink: &Sink, count: usize) -> Result<()> {
    for n in 0..ALERTS {
        let name = format!("alert-{n}");
        space
            .apply(provider(&name, &sink.url(&format!("/{name}"))))
            .await?;
        let mut spec = with(alert(&name, &name, &["Kustomization"]), &json!({}));
        if n > 0 {
            spec["spec"]["inclusionList"] = json!([format!("^nothing like this {n}$")]);
        }
        space.apply(spec).await?;
    }
    let objects = (0..count).map(|n| {
        let object = kustomization(&format!("app-{n}"), "app", "./");
        with(object, &json!({"spec": {"suspend": true}}))
    });
    let applied = stream::iter(objects)
        .map(|object| space.apply(object))
        .buffer_unordered(CONCURRENCY);
    applied.try_collect::<Vec<()>>().await?;
    // The alerts are known when one of them has told something.
    let objects = space.api(KUSTOMIZE, "Kustomization").await?;
    tell(&objects, 0, "begin").await?;
    arrival(sink, "begin").await.map(drop)
}

/// What a controller does at the end of a pass: one patch of the status, with what is to be told.
async fn tell(objects: &Api<DynamicObject>, n: usize, text: &str) -> Result<()> {
    static SEQUENCES: std::sync::Mutex<Option<HashMap<usize, i64>>> = std::sync::Mutex::new(None);
    let sequence = {
        let mut all = SEQUENCES
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let next = all.get_or_insert_default().entry(n).or_default();
        *next += 1;
        *next
    };
    let message = json!({
        "message": text, "reason": "Benchmark", "severity": "info", "sequence": sequence, "time": "2026-01-01T00:00:00Z",
        "metadata": {"kustomize.toolkit.fluxcd.io/revision": "main@sha1:0000000000000000000000000000000000000000"},
    });
    let body = json!({"status": {"messages": [message]}});
    let name = format!("app-{n}");
    objects
        .patch_status(&name, &PatchParams::default(), &Patch::Merge(body))
        .await
        .with_context(|| format!("tell of {name}"))?;
    Ok(())
}

/// When the sink had the message.
async fn arrival(sink: &Sink, text: &str) -> Result<Instant> {
    let arrived = async || {
        Ok(sink
            .letters()
            .iter()
            .rev()
            .find(|l| text_of(&l.body) == text)
            .map(|l| l.at))
    };
    eventually(&format!("'{text}' is told"), LIMIT, arrived).await
}

fn text_of(body: &Value) -> &str {
    body["message"].as_str().unwrap_or_default()
}

/// Requests per second that a signed webhook answers. The object that it names is not there to be annotated by a filter that
/// is never true: what is measured is the port, the proof and the filter.
async fn webhooks(space: &Space<'_>) -> Result<f64> {
    space.apply(secret(TOKEN)).await?;
    let never = json!({"spec": {
        "resourceFilter": "req.never == true",
        "resources": [{"apiVersion": KUSTOMIZE, "kind": "Kustomization", "name": "app-0"}],
    }});
    space.apply(receiver("hook", "generic", &never)).await?;
    let (url, http) = (ready(space, "hook").await?, http()?);
    let ask = || http.post(&url).json(&json!({"never": false})).send();
    let begin = Instant::now();
    let answers = stream::iter(0..REQUESTS)
        .map(|_| ask())
        .buffer_unordered(CONCURRENCY);
    let answers = answers.try_collect::<Vec<_>>().await?;
    anyhow::ensure!(answers.iter().all(|answer| answer.status().is_success()));
    Ok(REQUESTS as f64 / begin.elapsed().as_secs_f64())
}

/// From signed pushes to what they change in the cluster, in milliseconds.
async fn pushes(world: &World) -> Result<Vec<f64>> {
    let space = world.space("pushes").await?;
    let mut pushes = Pushes::start(&space).await?;
    let mut took = Vec::new();
    for _ in 0..PUSHES {
        took.push(pushes.push().await?.applied.as_secs_f64() * 1e3);
    }
    Ok(took)
}
