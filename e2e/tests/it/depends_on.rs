//! A dependent waits for what it depends on, and starts when that is ready, without polling.

use anyhow::{Context as _, Result, ensure};
use e2e::{app, expect, flux::KUSTOMIZE, world::World};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_dependent_starts_when_its_dependency_is_ready() -> Result<()> {
    let space = World::shared().await?.space("depends-on").await?;
    space
        .repo
        .commit(&[("app/a.yaml", &app::config_map("app", "1"))])?;
    space.git_repository(json!({})).await?;
    space
        .kustomization("app", "./app", json!({"spec": {"dependsOn": [{"name": "base"}]}}))
        .await?;
    let waits = space
        .verdict(KUSTOMIZE, "Kustomization", "app", "DependencyNotReady")
        .await?;
    space.contains(&waits.message, "dependency 'depends-on/base' not found")?;
    space.kustomization("base", "./base", json!({})).await?;
    space
        .verdict(KUSTOMIZE, "Kustomization", "base", "ArtifactFailed")
        .await?;
    ensure!(
        space.get("v1", "ConfigMap", "app").await?.is_none(),
        "the dependent was applied too early"
    );

    let commit = space
        .push(&[("base/a.yaml", &app::config_map("base", "1"))])
        .await?;
    space.synced("base", &commit).await?;
    let begin = Instant::now();
    space.synced("app", &commit).await?;
    let waited = begin.elapsed();
    e2e::note!(
        "dependsOn: the dependent is ready {} ms after its dependency",
        waited.as_millis()
    );
    ensure!(
        waited < Duration::from_secs(25),
        "Flux would look every 30 s; this was asked after {waited:?}"
    );
    space.at_rest().await
}

/// Three in a row come up in order, whatever the order in which they are created.
#[tokio::test]
async fn a_chain_comes_up_in_order() -> Result<()> {
    let space = World::shared().await?.space("depends-chain").await?;
    let files: Vec<(String, String)> = ["one", "two", "three"]
        .iter()
        .map(|n| (format!("{n}/a.yaml"), app::deployment(n, "nginx:1.27", 1)))
        .collect();
    let commit = space.repo.commit(
        &files
            .iter()
            .map(|(p, t)| (p.as_str(), t.as_str()))
            .collect::<Vec<_>>(),
    )?;
    for (name, on) in [
        ("three", json!([{"name": "two"}])),
        ("two", json!([{"name": "one"}])),
        ("one", json!([])),
    ] {
        space
            .kustomization(
                name,
                &format!("./{name}"),
                json!({"spec": {"wait": true, "dependsOn": on}}),
            )
            .await?;
    }
    let begin = Instant::now();
    space.git_repository(json!({})).await?;
    let (mut ready, mut created) = (Vec::new(), Vec::new());
    for name in ["one", "two", "three"] {
        let synced = space.synced(name, &commit).await?;
        ready.push(
            expect::verdict(&synced)
                .context("a verdict that was just there")?
                .since,
        );
        let live = space
            .holds("it is there", "apps/v1", "Deployment", name, |_| true)
            .await?;
        created.push(
            live["metadata"]["creationTimestamp"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        );
    }
    // Times of the API server have whole seconds, and are compared as text.
    for before in 0..2 {
        ensure!(
            created[before + 1] >= ready[before],
            "each is created when the one before is ready, not earlier: created {created:?}, ready {ready:?}"
        );
    }
    e2e::note!(
        "dependsOn: three in a row are up after {} ms",
        begin.elapsed().as_millis()
    );
    space.at_rest().await
}
