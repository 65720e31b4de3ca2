//! Health is what the objects say: failing is told with the object's name, recovering is noticed without polling.

use anyhow::{Result, ensure};
use e2e::{app, expect, flux::KUSTOMIZE, world::World};
use serde_json::json;
use std::time::Instant;

/// A Deployment whose pods fit on no node, and which gives up soon.
fn stuck() -> String {
    app::deployment("web", "nginx:1.27", 1)
        .replace("  replicas: 1\n", "  replicas: 1\n  progressDeadlineSeconds: 2\n")
        .replace(
            "      containers:",
            "      nodeSelector: {no: where}\n      containers:",
        )
}

#[tokio::test]
async fn failing_and_recovering_are_told() -> Result<()> {
    let space = World::shared().await?.space("health").await?;
    space.repo.commit(&[("web.yaml", &stuck())])?;
    space.git_repository(json!({})).await?;
    space
        .kustomization("app", "./", json!({"spec": {"wait": true, "timeout": "60s"}}))
        .await?;
    let failed = space
        .verdict(KUSTOMIZE, "Kustomization", "app", "HealthCheckFailed")
        .await?;
    space.contains(&failed.message, "Deployment/health/web status: 'Failed'")?;
    let object = space
        .holds("it is there", KUSTOMIZE, "Kustomization", "app", |_| true)
        .await?;
    let healthy = expect::condition(&object, "Healthy");
    ensure!(
        healthy.as_ref().is_some_and(|h| h.status == "False"),
        "{healthy:?}"
    );
    ensure!(
        object["status"]["lastAppliedRevision"].is_null(),
        "a failed revision is not the last applied one"
    );
    space.at_rest().await?;

    let begin = Instant::now();
    let commit = space
        .push(&[("web.yaml", &app::deployment("web", "nginx:1.28", 1))])
        .await?;
    let object = space.synced("app", &commit).await?;
    e2e::note!(
        "health: a fix is ready {} ms after its commit",
        begin.elapsed().as_millis()
    );
    let healthy = expect::condition(&object, "Healthy");
    ensure!(
        healthy.as_ref().is_some_and(|h| h.status == "True"),
        "{healthy:?}"
    );
    space.at_rest().await
}

/// A wait that lasts holds nobody up: others are reconciled meanwhile, and a fix supersedes it.
#[tokio::test]
async fn waiting_holds_no_worker_and_a_new_revision_supersedes() -> Result<()> {
    let space = World::shared().await?.space("health-waits").await?;
    let pending = stuck().replace("  progressDeadlineSeconds: 2\n", "");
    space.repo.commit(&[
        ("wait/web.yaml", &pending),
        ("other/a.yaml", &app::config_map("a", "1")),
    ])?;
    space.git_repository(json!({})).await?;
    // More than there are workers.
    for n in 0..8 {
        let options = json!({"spec": {"wait": true, "timeout": "10m", "nameSuffix": format!("-{n}")}});
        space
            .kustomization(&format!("waits-{n}"), "./wait", options)
            .await?;
    }
    for n in 0..8 {
        let what = format!("number {n} waits");
        let waits =
            |o: &serde_json::Value| expect::condition(o, "Ready").is_some_and(|r| r.status == "Unknown");
        space
            .holds(&what, KUSTOMIZE, "Kustomization", &format!("waits-{n}"), waits)
            .await?;
    }
    let begin = Instant::now();
    space.kustomization("other", "./other", json!({})).await?;
    space
        .verdict(KUSTOMIZE, "Kustomization", "other", "ReconciliationSucceeded")
        .await?;
    e2e::note!(
        "health: beside eight that wait, another is ready after {} ms",
        begin.elapsed().as_millis()
    );
    let commit = space
        .push(&[("wait/web.yaml", &app::deployment("web", "nginx:1.27", 1))])
        .await?;
    for n in 0..8 {
        space.synced(&format!("waits-{n}"), &commit).await?;
    }
    space.at_rest().await
}
