//! A new commit changes what it changes, and nothing else.

use anyhow::{Context as _, Result, ensure};
use e2e::{app, world::World};
use serde_json::json;
use std::time::Instant;

#[tokio::test]
async fn a_new_image_rolls_out_and_the_rest_stays() -> Result<()> {
    let space = World::shared().await?.space("upgrade").await?;
    let first = space.repo.commit(&[
        ("web.yaml", &app::deployment("web", "nginx:1.27", 2)),
        ("settings.yaml", &app::config_map("settings", "a")),
    ])?;
    space.git_repository(json!({})).await?;
    space
        .kustomization("app", "./", json!({"spec": {"wait": true}}))
        .await?;
    space.synced("app", &first).await?;
    let settings = space
        .get("v1", "ConfigMap", "settings")
        .await?
        .context("no ConfigMap")?;

    let begin = Instant::now();
    let second = space
        .push(&[("web.yaml", &app::deployment("web", "nginx:1.28", 3))])
        .await?;
    space.synced("app", &second).await?;
    e2e::note!(
        "upgrade, from the commit to the new pods: {} ms",
        begin.elapsed().as_millis()
    );

    let web = space
        .get("apps/v1", "Deployment", "web")
        .await?
        .context("no Deployment")?;
    ensure!(
        web["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.28",
        "{web}"
    );
    ensure!(
        web["status"]["updatedReplicas"] == 3 && web["status"]["availableReplicas"] == 3,
        "{}",
        web["status"]
    );
    let after = space
        .get("v1", "ConfigMap", "settings")
        .await?
        .context("no ConfigMap")?;
    ensure!(after == settings, "what did not change was written to: {after}");
    space.at_rest().await
}

/// A value that somebody added by hand goes with the next change of the object, and fields of others stay.
#[tokio::test]
async fn fields_of_other_managers_stay() -> Result<()> {
    let space = World::shared().await?.space("upgrade-shared").await?;
    // No replicas in Git: an autoscaler owns them.
    let without = |image: &str| app::deployment("web", image, 1).replace("  replicas: 1\n", "");
    let first = space.repo.commit(&[("web.yaml", &without("nginx:1.27"))])?;
    space.git_repository(json!({})).await?;
    space.kustomization("app", "./", json!({})).await?;
    space.synced("app", &first).await?;
    let scale = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 4},
    });
    space.apply(scale).await?;
    let second = space.push(&[("web.yaml", &without("nginx:1.28"))]).await?;
    space.synced("app", &second).await?;
    let web = space
        .get("apps/v1", "Deployment", "web")
        .await?
        .context("no Deployment")?;
    ensure!(
        web["spec"]["replicas"] == 4,
        "the autoscaler's replicas stay: {}",
        web["spec"]
    );
    ensure!(
        web["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.28",
        "{web}"
    );
    space.at_rest().await
}
