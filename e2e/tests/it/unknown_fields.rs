//! Fields that Kubernetes' own kinds do not have are left out, as Flux leaves them out; wrong types are still told.

use anyhow::Result;
use e2e::{app, flux::KUSTOMIZE, world::World};
use serde_json::json;

#[tokio::test]
async fn unknown_fields_of_built_in_kinds_are_left_out() -> Result<()> {
    let space = World::shared().await?.space("unknown-fields").await?;
    let odd = app::deployment("web", "nginx:1.27", 1)
        .replace("spec:\n  replicas", "spec:\n  surprise: {a: [1]}\n  replicas")
        .replace("image: ", "imagination: wild\n          image: ");
    let commit = space
        .repo
        .commit(&[("web.yaml", &odd), ("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    space.kustomization("app", "./", json!({})).await?;
    space.synced("app", &commit).await?;
    space
        .holds("it is there", "apps/v1", "Deployment", "web", |o| {
            o["spec"]["replicas"] == 1
        })
        .await?;
    space.at_rest().await?;

    space
        .push(&[("web.yaml", &odd.replace("replicas: 1", "replicas: many"))])
        .await?;
    let told = space
        .says(
            KUSTOMIZE,
            "Kustomization",
            "app",
            "ReconciliationFailed",
            ".spec.replicas: expected numeric",
        )
        .await?;
    anyhow::ensure!(!told.message.contains("surprise"), "{}", told.message);
    Ok(())
}
