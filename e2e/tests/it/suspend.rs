//! What is suspended is left alone, and goes on where it was when it is resumed.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app,
    flux::{KUSTOMIZE, SOURCE},
    world::World,
};
use serde_json::{Value, json};

#[tokio::test]
async fn what_is_suspended_is_left_alone() -> Result<()> {
    let space = World::shared().await?.space("suspend").await?;
    let first = space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    space.kustomization("app", "./", json!({})).await?;
    space.synced("app", &first).await?;

    space
        .patch(
            KUSTOMIZE,
            "Kustomization",
            "app",
            json!({"spec": {"suspend": true}}),
        )
        .await?;
    let second = space.push(&[("a.yaml", &app::config_map("a", "2"))]).await?;
    let fetched = |o: &Value| o["status"]["artifact"]["revision"] == format!("main@sha1:{second}");
    space
        .holds("the source moves on", SOURCE, "GitRepository", "app", fetched)
        .await?;
    space
        .patch("v1", "ConfigMap", "a", json!({"data": {"value": "hand"}}))
        .await?;
    // A request of a suspended object counts as handled, so that `flux reconcile` does not wait for ever.
    space.handled(KUSTOMIZE, "Kustomization", "app").await?;
    space.at_rest().await?;
    let a = space.get("v1", "ConfigMap", "a").await?.context("no ConfigMap")?;
    ensure!(
        a["data"]["value"] == "hand",
        "neither drift nor a commit is acted on: {a}"
    );

    space
        .patch(
            KUSTOMIZE,
            "Kustomization",
            "app",
            json!({"spec": {"suspend": false}}),
        )
        .await?;
    space.synced("app", &second).await?;
    space
        .holds("Git's value is there", "v1", "ConfigMap", "a", |o| {
            o["data"]["value"] == "2"
        })
        .await?;
    space.at_rest().await
}

#[tokio::test]
async fn a_suspended_source_keeps_its_artifact() -> Result<()> {
    let space = World::shared().await?.space("suspend-source").await?;
    let first = space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    space.kustomization("app", "./", json!({})).await?;
    space.synced("app", &first).await?;
    space
        .patch(SOURCE, "GitRepository", "app", json!({"spec": {"suspend": true}}))
        .await?;
    let second = space.push(&[("a.yaml", &app::config_map("a", "2"))]).await?;
    let handled = |o: &Value| {
        o["status"]["lastHandledReconcileAt"] == o["metadata"]["annotations"][crds::meta::REQUESTED_AT]
    };
    let source = space
        .holds("the request is handled", SOURCE, "GitRepository", "app", handled)
        .await?;
    ensure!(
        source["status"]["artifact"]["revision"] == format!("main@sha1:{first}"),
        "{}",
        source["status"]
    );
    space.at_rest().await?;
    space
        .patch(
            SOURCE,
            "GitRepository",
            "app",
            json!({"spec": {"suspend": false}}),
        )
        .await?;
    space.synced("app", &second).await?;
    space.at_rest().await
}
