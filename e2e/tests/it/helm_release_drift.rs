//! HelmRelease: what others change of a release is undone at once, told of, or left, as the spec says.

use anyhow::{Result, ensure};
use e2e::{charts::Charts, expect::condition, flux::HELM, world::World};
use serde_json::{Value, json};
use std::time::Instant;

const FILES: [(&str, &str); 1] = [(
    "templates/all.yaml",
    "apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {mine: \"yes\"}}
data: {value: \"1\"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: off, annotations: {helm.toolkit.fluxcd.io/driftDetection: disabled}}
data: {value: \"1\"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: nginx}]}
",
)];

fn drift(mode: &str) -> Value {
    json!({"spec": {"driftDetection": {"mode": mode, "ignore": [{"paths": ["/spec/replicas"], "target": {"kind": "Deployment"}}]}}})
}

#[tokio::test]
async fn drift_is_undone_the_moment_it_happens() -> Result<()> {
    let space = World::shared().await?.space("hr-drift").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    space.helm_release("web", drift("enabled")).await?;
    let object = space.released("web", 1).await?;
    ensure!(
        condition(&object, "Drifted").is_some_and(|c| c.status == "False"),
        "{object}"
    );
    space.at_rest().await?;
    let begin = Instant::now();
    space.delete("apps/v1", "Deployment", "web").await?;
    space
        .holds("it is back", "apps/v1", "Deployment", "web", |o| {
            o["metadata"]["deletionTimestamp"].is_null()
        })
        .await?;
    space
        .patch(
            "v1",
            "ConfigMap",
            "a",
            json!({"data": {"value": "hand"}, "metadata": {"labels": {"mine": null}}}),
        )
        .await?;
    let right = |o: &Value| o["data"]["value"] == "1" && o["metadata"]["labels"]["mine"] == "yes";
    space
        .holds("it is right again", "v1", "ConfigMap", "a", right)
        .await?;
    e2e::note!(
        "helm drift: two corrections took {} ms",
        begin.elapsed().as_millis()
    );
    space.at_rest().await?;
    // What may differ does; what was added beside is nobody's business; no revision is made of it all.
    space
        .patch("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 2}}))
        .await?;
    space
        .patch("v1", "ConfigMap", "off", json!({"data": {"value": "hand"}}))
        .await?;
    space
        .patch(
            "v1",
            "ConfigMap",
            "a",
            json!({"metadata": {"labels": {"other": "label"}}}),
        )
        .await?;
    space.handled(HELM, "HelmRelease", "web").await?;
    space.at_rest().await?;
    let object = space.released("web", 1).await?;
    ensure!(
        condition(&object, "Drifted").is_some_and(|c| c.status == "False"),
        "{object}"
    );
    let found = space
        .get("apps/v1", "Deployment", "web")
        .await?
        .unwrap_or_default();
    ensure!(found["spec"]["replicas"] == 2, "{found}");
    ensure!(space.get("v1", "ConfigMap", "off").await?.unwrap_or_default()["data"]["value"] == "hand");
    Ok(())
}

#[tokio::test]
async fn drift_can_be_told_of_only_or_not_at_all() -> Result<()> {
    let space = World::shared().await?.space("hr-drift-warn").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    space.helm_release("web", drift("warn")).await?;
    space.released("web", 1).await?;
    space.at_rest().await?;
    space
        .patch("v1", "ConfigMap", "a", json!({"data": {"value": "hand"}}))
        .await?;
    let told = |o: &Value| {
        condition(o, "Drifted").is_some_and(|c| {
            c.status == "True"
                && c.message
                    .contains("ConfigMap/hr-drift-warn/a changed (0 additions, 1 changes, 0 removals)")
        })
    };
    let object = space
        .holds("it is told of", HELM, "HelmRelease", "web", told)
        .await?;
    ensure!(
        condition(&object, "Ready").is_some_and(|c| c.status == "True"),
        "{object}"
    );
    space.at_rest().await?;
    let live = space.get("v1", "ConfigMap", "a").await?.unwrap_or_default();
    ensure!(live["data"]["value"] == "hand", "{live}");
    Ok(())
}

/// Who put a value back by hand holds the field from then on, and what they do to it next is not in our own entry.
#[tokio::test]
async fn edits_after_a_repair_by_hand_are_found() -> Result<()> {
    let space = World::shared().await?.space("hr-drift-again").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    space.helm_release("web", drift("warn")).await?;
    space.released("web", 1).await?;
    let live = space.get("v1", "ConfigMap", "a").await?.unwrap_or_default();
    let good = live["data"]["value"].as_str().unwrap_or_default();
    for (value, drifted) in [("hand", true), (good, false), ("again", true)] {
        space
            .patch("v1", "ConfigMap", "a", json!({"data": {"value": value}}))
            .await?;
        space.request(HELM, "HelmRelease", "web").await?;
        let seen = |o: &Value| condition(o, "Drifted").is_some_and(|c| c.status == "True") == drifted;
        let what = format!("{value}: drifted is {drifted}");
        space.holds(&what, HELM, "HelmRelease", "web", seen).await?;
    }
    Ok(())
}
