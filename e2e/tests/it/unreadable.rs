//! An object that cannot be read is told so, and nobody else notices (CVE-2022-39272 and its kin).

use anyhow::Result;
use e2e::{app, flux::KUSTOMIZE, flux::SOURCE, world::World};
use serde_json::json;

#[tokio::test]
async fn one_unreadable_object_hurts_nobody() -> Result<()> {
    let space = World::shared().await?.space("unreadable").await?;
    // The definitions, like Flux's, do not demand a spec; our types do.
    for (api, kind) in [(KUSTOMIZE, "Kustomization"), (SOURCE, "GitRepository")] {
        space
            .apply(json!({"apiVersion": api, "kind": kind, "metadata": {"name": "empty"}}))
            .await?;
    }
    // A duration that is accepted by its pattern, and too long for any clock.
    space
        .apply(json!({"apiVersion": KUSTOMIZE, "kind": "Kustomization", "metadata": {"name": "patient"}, "spec": {
            "interval": "99999999999999999999h", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "app"},
            "targetNamespace": space.name(), "path": "./patient",
        }}))
        .await?;

    let commit = space.repo.commit(&[
        ("app/a.yaml", &app::config_map("a", "1")),
        ("patient/b.yaml", &app::config_map("b", "1")),
    ])?;
    space.git_repository(json!({})).await?;
    space.kustomization("app", "./app", json!({})).await?;
    space.synced("app", &commit).await?;
    space.synced("patient", &commit).await?;
    for (api, kind) in [(KUSTOMIZE, "Kustomization"), (SOURCE, "GitRepository")] {
        let told = |o: &serde_json::Value| {
            e2e::expect::condition(o, "Ready")
                .is_some_and(|c| c.reason == "InvalidObject" && c.message.contains("spec"))
        };
        space
            .holds("the object says what is wrong with it", api, kind, "empty", told)
            .await?;
        space.delete(api, kind, "empty").await?;
    }
    space.at_rest().await
}
