//! The measure of all: the same objects, written straight to the API server, as many at once.

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use super::{manifests, name};
use crate::{
    cluster::{Cluster, documents},
    world::World,
};

/// How long a bare apply of everything took.
#[derive(Debug, Clone, Copy)]
pub struct Bare {
    /// The first time.
    pub install: Duration,
    /// With another image in each Deployment; the other objects are written as they are.
    pub upgrade: Duration,
}

/// Applies the objects of `count` apps, `concurrency` at once, to a namespace of their own, and removes it again.
pub async fn measure(world: &World, count: usize, concurrency: usize) -> Result<Bare> {
    let cluster = world.cluster().await?;
    cluster.namespace("bare").await?;
    let install = apply(&cluster, count, "1.0.0", concurrency).await?;
    let upgrade = apply(&cluster, count, "1.1.0", concurrency).await?;
    Ok(Bare { install, upgrade })
}

async fn apply(cluster: &Cluster, count: usize, version: &str, concurrency: usize) -> Result<Duration> {
    let mut objects: Vec<Value> = Vec::new();
    for n in 0..count {
        objects.extend(documents(&manifests(&name(n), version))?);
    }
    for object in &mut objects {
        object["metadata"]["namespace"] = json!("bare");
    }
    // Kinds are looked up before the clock runs.
    for object in &objects {
        cluster.api_of(object).await?;
    }
    let params = PatchParams::apply("bare").force();
    let begin = Instant::now();
    let writes = stream::iter(&objects).map(|object| {
        let params = &params;
        async move {
            let api = cluster.api_of(object).await?;
            let name = object["metadata"]["name"].as_str().context("no name")?;
            api.patch(name, params, &Patch::Apply(object))
                .await
                .map(drop)
                .context("bare apply")
        }
    });
    writes
        .buffer_unordered(concurrency)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(begin.elapsed())
}
