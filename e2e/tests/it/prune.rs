//! What leaves Git leaves the cluster, unless its owner said to keep it.

use anyhow::{Result, ensure};
use e2e::{app, flux::KUSTOMIZE, world::World};
use serde_json::json;

fn kept(name: &str) -> String {
    app::config_map(name, "1").replace(
        "\ndata:",
        "\n  annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}\ndata:",
    )
}

#[tokio::test]
async fn what_leaves_git_leaves_the_cluster() -> Result<()> {
    let space = World::shared().await?.space("prune").await?;
    let first = space.repo.commit(&[
        ("stays.yaml", &app::config_map("stays", "1")),
        ("goes.yaml", &app::config_map("goes", "1")),
        ("kept.yaml", &kept("kept")),
    ])?;
    space.git_repository(json!({})).await?;
    space.kustomization("app", "./", json!({})).await?;
    space.synced("app", &first).await?;

    space.repo.remove(&["goes.yaml"])?;
    let second = space
        .push(&[("kept.yaml", &app::config_map("other", "1"))])
        .await?;
    let synced = space.synced("app", &second).await?;
    space.gone("v1", "ConfigMap", "goes").await?;
    ensure!(
        space.get("v1", "ConfigMap", "kept").await?.is_some(),
        "prune: disabled keeps it"
    );
    ensure!(
        space.get("v1", "ConfigMap", "stays").await?.is_some(),
        "what is in Git stays"
    );
    let inventory = synced["status"]["inventory"]["entries"]
        .as_array()
        .map_or(0, Vec::len);
    ensure!(
        inventory == 2,
        "the inventory has what is in Git: {}",
        synced["status"]
    );
    space.at_rest().await
}

#[tokio::test]
async fn a_deleted_kustomization_takes_its_objects_along() -> Result<()> {
    let space = World::shared().await?.space("prune-all").await?;
    let files = [
        ("a.yaml", app::deployment("web", "nginx:1.27", 1)),
        ("b.yaml", kept("kept")),
    ];
    let commit = space
        .repo
        .commit(&files.each_ref().map(|(p, t)| (*p, t.as_str())))?;
    space.git_repository(json!({})).await?;
    space.kustomization("app", "./", json!({})).await?;
    space
        .kustomization(
            "orphaning",
            "./",
            json!({"spec": {"nameSuffix": "-orphan", "deletionPolicy": "Orphan"}}),
        )
        .await?;
    for name in ["app", "orphaning"] {
        space.synced(name, &commit).await?;
    }
    for name in ["app", "orphaning"] {
        space.delete(KUSTOMIZE, "Kustomization", name).await?;
        space.gone(KUSTOMIZE, "Kustomization", name).await?;
    }
    space.gone("apps/v1", "Deployment", "web").await?;
    ensure!(
        space.get("v1", "ConfigMap", "kept").await?.is_some(),
        "prune: disabled outlives the Kustomization"
    );
    ensure!(
        space.get("apps/v1", "Deployment", "web-orphan").await?.is_some(),
        "deletionPolicy: Orphan leaves all"
    );
    Ok(())
}

/// Two Kustomizations that list the same object: whoever applied it last owns it, and the other may not delete it.
#[tokio::test]
async fn an_object_that_moved_to_another_kustomization_stays() -> Result<()> {
    let space = World::shared().await?.space("prune-moved").await?;
    let first = space.repo.commit(&[
        ("one/a.yaml", &app::config_map("moved", "1")),
        ("two/b.yaml", &app::config_map("b", "1")),
    ])?;
    space.git_repository(json!({})).await?;
    for name in ["one", "two"] {
        space.kustomization(name, &format!("./{name}"), json!({})).await?;
        space.synced(name, &first).await?;
    }
    space
        .repo
        .commit(&[("two/a.yaml", &app::config_map("moved", "1"))])?;
    space.repo.remove(&["one/a.yaml"])?;
    let second = space.push(&[("one/c.yaml", &app::config_map("c", "1"))]).await?;
    for name in ["one", "two"] {
        space.synced(name, &second).await?;
    }
    let owned = |o: &serde_json::Value| o["metadata"]["labels"][crds::meta::KUSTOMIZE_NAME] == "two";
    space
        .holds("the other owns it", "v1", "ConfigMap", "moved", owned)
        .await?;
    space.at_rest().await
}
