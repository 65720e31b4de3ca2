//! HelmRelease: the options of its actions, one by one.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    charts::{Charts, WEB, helm_json},
    expect::condition,
    flux::{HELM, with},
    space::Space,
    world::World,
};
use serde_json::{Value, json};

const MORE: &str = "{{ if .Values.stuck }}
apiVersion: v1
kind: ConfigMap
metadata: {name: new}
{{ end }}
---
{{ if .Values.job }}
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec:
  template:
    metadata: {annotations: {e2e/ends: never}}
    spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}
{{ end }}
";
const SCHEMA: &str = r#"{"type": "object", "properties": {"count": {"type": "integer"}}}"#;
const FILES: [(&str, &str); 4] = [
    ("values.yaml", "value: one\nstuck: false\njob: false\ncount: 1\n"),
    ("values.schema.json", SCHEMA),
    ("templates/web.yaml", WEB),
    ("templates/more.yaml", MORE),
];

async fn asks(space: &Space<'_>, spec: &Value, values: Value) -> Result<()> {
    space
        .helm_release(
            "web",
            with(json!({ "spec": spec }), &json!({"spec": {"values": values}})),
        )
        .await
}

async fn revisions(space: &Space<'_>) -> Result<Vec<(i64, String)>> {
    let history = helm_json(space, &["history", "web"]).await?;
    let all = history.as_array().into_iter().flatten();
    let one = |r: &Value| {
        (
            r["revision"].as_i64().unwrap_or_default(),
            r["status"].as_str().unwrap_or_default().to_owned(),
        )
    };
    Ok(all.map(one).collect())
}

#[tokio::test]
async fn history_is_as_long_as_asked_for_and_stays_where_it_shall() -> Result<()> {
    let space = World::shared().await?.space("hr-history").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let spec = json!({"maxHistory": 2, "uninstall": {"keepHistory": true, "deletionPropagation": "orphan"}});
    for n in 1..=4 {
        asks(&space, &spec, json!({"value": format!("n{n}")})).await?;
        space.released("web", n).await?;
    }
    let word = |n, status: &str| (n, status.to_owned());
    ensure!(revisions(&space).await? == [word(3, "superseded"), word(4, "deployed")]);
    let sets = space.api("apps/v1", "ReplicaSet").await?;
    let of_web = async || {
        let list = sets
            .list(&kube::api::ListParams::default().labels("app=web"))
            .await?;
        anyhow::Ok(list.items)
    };
    ensure!(of_web().await?.len() == 1);
    space.delete(HELM, "HelmRelease", "web").await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    ensure!(revisions(&space).await? == [word(3, "superseded"), word(4, "uninstalled")]);
    space.gone("apps/v1", "Deployment", "web").await?;
    let left = of_web().await?;
    ensure!(
        left.len() == 1
            && left[0]
                .metadata
                .owner_references
                .as_ref()
                .is_none_or(Vec::is_empty),
        "what the Deployment made stays: {left:?}"
    );

    // A name that was used before is used again.
    asks(
        &space,
        &json!({"install": {"replace": true}}),
        json!({"value": "again"}),
    )
    .await?;
    space.released("web", 5).await?;
    space
        .holds("installed anew", "v1", "ConfigMap", "web", |o| {
            o["data"]["value"] == "again"
        })
        .await?;
    let last = revisions(&space).await?.pop().context("a revision")?;
    ensure!(last.1 == "deployed", "{last:?}");
    Ok(())
}

#[tokio::test]
async fn values_are_kept_and_checked_as_asked_for() -> Result<()> {
    let space = World::shared().await?.space("hr-knob-values").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    asks(&space, &json!({}), json!({"count": "many"})).await?;
    space
        .says(
            HELM,
            "HelmRelease",
            "web",
            "InstallFailed",
            "got string, want integer",
        )
        .await?;
    let spec = json!({"install": {"disableSchemaValidation": true}, "upgrade": {"disableSchemaValidation": true, "preserveValues": true}});
    asks(&space, &spec, json!({"count": "many"})).await?;
    space.released("web", 1).await?;
    asks(&space, &spec, json!({"value": "two"})).await?;
    space.released("web", 2).await?;
    let kept = helm_json(&space, &["get", "values", "web"]).await?;
    ensure!(kept == json!({"count": "many", "value": "two"}), "{kept}");
    Ok(())
}

#[tokio::test]
async fn what_a_failed_upgrade_made_goes_where_asked_for() -> Result<()> {
    let space = World::shared().await?.space("hr-cleanup").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let spec = |cleanup: bool| json!({"timeout": "2s", "upgrade": {"cleanupOnFail": cleanup, "remediation": {"retries": 0}}});
    let failed = async |revision: i64| {
        let is = move |o: &Value| {
            condition(o, "Stalled").is_some() && o["status"]["history"][0]["version"] == revision
        };
        space.holds("it failed", HELM, "HelmRelease", "web", is).await
    };
    asks(&space, &spec(true), json!({})).await?;
    space.released("web", 1).await?;
    asks(&space, &spec(true), json!({"stuck": true})).await?;
    failed(2).await?;
    space.gone("v1", "ConfigMap", "new").await?;
    asks(&space, &spec(false), json!({"stuck": true, "value": "two"})).await?;
    failed(3).await?;
    ensure!(space.get("v1", "ConfigMap", "new").await?.is_some());
    // What only failed revisions had goes with the next that is well.
    asks(&space, &spec(false), json!({"value": "three"})).await?;
    space.released("web", 4).await?;
    space.gone("v1", "ConfigMap", "new").await
}

#[tokio::test]
async fn jobs_are_waited_for_unless_asked_otherwise() -> Result<()> {
    let space = World::shared().await?.space("hr-jobs").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    asks(&space, &json!({"timeout": "2s"}), json!({"job": true})).await?;
    space
        .says(HELM, "HelmRelease", "web", "InstallFailed", "Job/hr-jobs/job")
        .await?;
    let spec = json!({"timeout": "1m", "upgrade": {"disableWaitForJobs": true}});
    asks(&space, &spec, json!({"job": true, "value": "two"})).await?;
    space.released("web", 2).await?;
    Ok(())
}

#[tokio::test]
async fn a_forced_upgrade_replaces_objects() -> Result<()> {
    let space = World::shared().await?.space("hr-force").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let spec = |force: bool| json!({"install": {"serverSideApply": false}, "upgrade": {"serverSideApply": "disabled", "force": force}});
    asks(&space, &spec(false), json!({})).await?;
    space.released("web", 1).await?;
    let theirs = json!({"data": {"theirs": "x"}});
    space.patch("v1", "ConfigMap", "web", theirs).await?;
    asks(&space, &spec(false), json!({"value": "two"})).await?;
    space.released("web", 2).await?;
    let both = json!({"value": "two", "theirs": "x"});
    let found = space
        .get("v1", "ConfigMap", "web")
        .await?
        .context("it is there")?;
    ensure!(found["data"] == both, "{found}");
    asks(&space, &spec(true), json!({"value": "three"})).await?;
    space.released("web", 3).await?;
    let found = space
        .get("v1", "ConfigMap", "web")
        .await?
        .context("it is there")?;
    ensure!(found["data"] == json!({"value": "three"}), "{found}");
    Ok(())
}

#[tokio::test]
async fn a_dependency_is_ready_when_an_expression_says_so() -> Result<()> {
    let space = World::shared().await?.space("hr-ready-expr").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let depends = |expr: &str| json!({"spec": {"dependsOn": [{"name": "web", "readyExpr": expr}]}});
    asks(&space, &json!({}), json!({})).await?;
    space.released("web", 1).await?;
    let expr = "dep.metadata.labels['stage'] == self.metadata.labels['stage']";
    let labelled = with(
        depends(expr),
        &json!({"metadata": {"labels": {"stage": "green"}}}),
    );
    space.helm_release("second", labelled).await?;
    // There is no such label yet: the expression cannot be evaluated.
    let waits = |o: &Value| condition(o, "Ready").is_some_and(|c| c.reason == "DependencyNotReady");
    space
        .holds("it waits", HELM, "HelmRelease", "second", waits)
        .await?;
    let stage = |stage: &str| json!({"metadata": {"labels": {"stage": stage}}});
    space.patch(HELM, "HelmRelease", "web", stage("blue")).await?;
    space
        .holds("it waits", HELM, "HelmRelease", "second", waits)
        .await?;
    space.patch(HELM, "HelmRelease", "web", stage("green")).await?;
    space.released("second", 1).await?;
    Ok(())
}
