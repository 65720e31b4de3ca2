//! Health by the spec's own rules, and a rule that is no rule.

use anyhow::Result;
use e2e::{app, flux::KUSTOMIZE, world::World};
use kube::api::{Patch, PatchParams};
use serde_json::json;

#[tokio::test]
async fn health_is_what_the_spec_says() -> Result<()> {
    let space = World::shared().await?.space("custom-health").await?;
    let commit = space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    let rule = |current: &str| json!({"spec": {"wait": true, "healthCheckExprs": [{"apiVersion": "v1", "kind": "ConfigMap", "current": current}]}});
    space
        .kustomization("app", "./", rule("has(data.good) && data.good == 'yes'"))
        .await?;
    let waits = |o: &serde_json::Value| {
        e2e::expect::condition(o, "Ready")
            .is_some_and(|c| c.status == "Unknown" && c.message.contains("in progress"))
    };
    space
        .holds("it waits for the rule", KUSTOMIZE, "Kustomization", "app", waits)
        .await?;
    // Another's field, so no drift: only the rule cares.
    let other = PatchParams {
        field_manager: Some("another".into()),
        ..Default::default()
    };
    let good = Patch::Merge(json!({"data": {"good": "yes"}}));
    space
        .api("v1", "ConfigMap")
        .await?
        .patch("a", &other, &good)
        .await?;
    space.synced("app", &commit).await?;

    space.kustomization("broken", "./", rule("has(data.good")).await?;
    space
        .says(
            KUSTOMIZE,
            "Kustomization",
            "broken",
            "InvalidCELExpression",
            "configuration error",
        )
        .await?;
    space.at_rest().await
}
