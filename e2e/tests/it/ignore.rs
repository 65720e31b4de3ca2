//! `spec.ignore`: a field that may differ is left to whoever sets it; all else of the object is still kept.

use anyhow::Result;
use e2e::{app, flux::KUSTOMIZE, space::Space, world::World};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");

#[tokio::test]
async fn a_scaler_and_git_get_along() -> Result<()> {
    let space = World::shared().await?.space("ignore").await?;
    let first = space
        .repo
        .commit(&[("web.yaml", &app::deployment("web", "nginx:1.27", 2))])?;
    space.git_repository(json!({})).await?;
    let rule = json!([{"paths": ["/spec/replicas"], "target": {"kind": "Deployment"}}]);
    space
        .kustomization("app", "./", json!({"spec": {"ignore": rule}}))
        .await?;
    space.synced("app", &first).await?;
    is(&space, "what Git says at first", "nginx:1.27", 2).await?;

    // As a HorizontalPodAutoscaler does it, again and again.
    for replicas in [5, 4, 6, 5] {
        scale(&space, replicas).await?;
        space.handled(KUSTOMIZE, "Kustomization", "app").await?;
        is(&space, "the scaler's number stays", "nginx:1.27", replicas).await?;
    }
    space
        .patch(
            DEPLOYMENT.0,
            DEPLOYMENT.1,
            "web",
            json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}, "paused": true}}),
        )
        .await?;
    let undone = |o: &Value| o["spec"]["paused"] != true && o["spec"]["replicas"] == 5;
    space
        .holds(
            "another field is undone",
            DEPLOYMENT.0,
            DEPLOYMENT.1,
            "web",
            undone,
        )
        .await?;

    let second = space
        .push(&[("web.yaml", &app::deployment("web", "nginx:1.28", 3))])
        .await?;
    space.synced("app", &second).await?;
    is(&space, "Git changes the image only", "nginx:1.28", 5).await?;
    space.delete(DEPLOYMENT.0, DEPLOYMENT.1, "web").await?;
    is(&space, "a new object begins as Git says", "nginx:1.28", 3).await?;
    space.at_rest().await
}

#[tokio::test]
async fn a_rule_that_cannot_be_followed_is_told() -> Result<()> {
    let space = World::shared().await?.space("ignore-bad").await?;
    space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    for (rule, part) in [
        (
            json!({"paths": ["/data"], "target": {"name": "("}}),
            "spec.ignore[0].target.name",
        ),
        (json!({"paths": ["data"]}), "spec.ignore[0].paths[0]"),
    ] {
        space
            .kustomization("app", "./", json!({"spec": {"ignore": [rule]}}))
            .await?;
        space
            .says(KUSTOMIZE, "Kustomization", "app", "ReconciliationFailed", part)
            .await?;
    }
    Ok(())
}

async fn is(space: &Space<'_>, what: &str, image: &str, replicas: u32) -> Result<()> {
    let holds = |o: &Value| {
        o["spec"]["template"]["spec"]["containers"][0]["image"] == image && o["spec"]["replicas"] == replicas
    };
    space
        .holds(what, DEPLOYMENT.0, DEPLOYMENT.1, "web", holds)
        .await
        .map(drop)
}

async fn scale(space: &Space<'_>, replicas: u32) -> Result<()> {
    let params = PatchParams {
        field_manager: Some("autoscaler".to_owned()),
        ..PatchParams::default()
    };
    let change = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    let api = space.api(DEPLOYMENT.0, DEPLOYMENT.1).await?;
    api.patch_scale("web", &params, &change).await?;
    Ok(())
}
