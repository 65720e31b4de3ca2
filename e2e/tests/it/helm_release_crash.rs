//! HelmRelease: a controller that is killed at any step leaves nothing pending; the next one carries on.

mod undo;

use anyhow::{Result, ensure};
use e2e::{
    charts::{Charts, WEB, helm_json},
    expect::{condition, eventually},
    flux::{HELM, SOURCE, with},
    space::{LIMIT, Space},
    suite::Options,
    world::World,
};
use serde_json::{Value, json};
use std::time::Duration;

const HOOK: &str = "{{ if .Values.hook }}
apiVersion: batch/v1
kind: Job
metadata: {name: hook, annotations: {helm.sh/hook: pre-upgrade}}
spec:
  template:
    metadata: {annotations: {e2e/ends: never}}
    spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}
{{ end }}
";
const FILES: [(&str, &str); 3] = [
    ("values.yaml", "value: one\nstuck: false\nhook: false\n"),
    ("templates/web.yaml", WEB),
    ("templates/hook.yaml", HOOK),
];

fn values(values: Value) -> Value {
    let rules = json!({"spec": {"timeout": "5m", "upgrade": {"remediation": {"retries": 3}}}});
    with(rules, &json!({"spec": {"values": values}}))
}

async fn last_status(space: &Space<'_>) -> Result<String> {
    let history = helm_json(space, &["history", "web"]).await.unwrap_or_default();
    let last = history
        .as_array()
        .and_then(|h| h.last())
        .cloned()
        .unwrap_or_default();
    Ok(last["status"].as_str().unwrap_or_default().to_owned())
}

async fn reaches(space: &Space<'_>, status: &str) -> Result<()> {
    let is = async || Ok((last_status(space).await? == status).then_some(()));
    space
        .until(&format!("the last record is {status}"), LIMIT, is)
        .await
}

async fn reborn(world: &World) -> Result<()> {
    world.suite.helm.kill();
    world.suite.helm.start()?;
    world.suite.helm.ready().await
}

async fn well(space: &Space<'_>, value: &str) -> Result<Value> {
    let right = |o: &Value| {
        condition(o, "Ready").is_some_and(|c| c.status == "True")
            && o["status"]["observedGeneration"] == o["metadata"]["generation"]
    };
    let object = space
        .holds("it is ready", HELM, "HelmRelease", "web", right)
        .await?;
    let value = value.to_owned();
    space
        .holds("as asked for", "v1", "ConfigMap", "web", move |o| {
            o["data"]["value"] == value.as_str()
        })
        .await?;
    ensure!(last_status(space).await? == "deployed");
    Ok(object)
}

/// Where the feature is on, the artifact of a third party's controller is as good as any.
async fn external(world: &World) -> Result<()> {
    let space = world.space("hr-external").await?;
    let charts = Charts::start().await?;
    let object =
        json!({"apiVersion": SOURCE, "kind": "ExternalArtifact", "metadata": {"name": "chart"}, "spec": {}});
    space.apply(object).await?;
    space
        .helm_release("web", json!({"spec": {"chartRef": {"kind": "ExternalArtifact"}}}))
        .await?;
    space
        .says(
            HELM,
            "HelmRelease",
            "web",
            "SourceNotReady",
            "does not have an artifact",
        )
        .await?;
    let offer = async |version: &str| {
        let artifact = charts.artifact(version, &FILES).await?;
        let status = json!({"status": {"artifact": artifact}});
        let api = space.api(SOURCE, "ExternalArtifact").await?;
        let params = kube::api::PatchParams::default();
        api.patch_status("chart", &params, &kube::api::Patch::Merge(status))
            .await?;
        anyhow::Ok(())
    };
    offer("0.1.0").await?;
    space.released("web", 1).await?;
    offer("0.2.0").await?;
    let object = space.released("web", 2).await?;
    let version = object["status"]["history"][0]["chartVersion"]
        .as_str()
        .unwrap_or_default();
    ensure!(version.starts_with("0.2.0+"), "{object}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_at_any_step_leaves_nothing_pending() -> Result<()> {
    let world = World::start(&Options {
        helm: vec!["--feature-gates=ExternalArtifact=true".to_owned()],
        ..Options::default()
    })
    .await?;
    external(&world).await?;
    undo::uninstall(&world).await?;
    undo::rollback(&world).await?;
    undo::test(&world).await?;
    let space = world.space("hr-crash").await?;
    let _charts = Charts::offer(&space, &FILES).await?;

    // While an install waits, of an object that goes before anybody has recorded it.
    space.helm_release("web", values(json!({"stuck": true}))).await?;
    reaches(&space, "pending-install").await?;
    world.suite.helm.kill();
    space.delete(HELM, "HelmRelease", "web").await?;
    world.suite.helm.start()?;
    world.suite.helm.ready().await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    space.gone("apps/v1", "Deployment", "web").await?;
    ensure!(helm_json(&space, &["list"]).await? == json!([]));

    // While an install waits.
    space.helm_release("web", values(json!({"stuck": true}))).await?;
    reaches(&space, "pending-install").await?;
    reborn(&world).await?;
    reaches(&space, "pending-upgrade").await?;
    space.helm_release("web", values(json!({}))).await?;
    well(&space, "one").await?;

    // While a hook of an upgrade runs.
    space
        .helm_release("web", values(json!({"hook": true, "value": "two"})))
        .await?;
    space
        .holds("the hook runs", "batch/v1", "Job", "hook", |o| {
            o["status"]["active"] == 1
        })
        .await?;
    world.suite.helm.kill();
    ensure!(last_status(&space).await? == "pending-upgrade");
    space.helm_release("web", values(json!({"value": "two"}))).await?;
    world.suite.helm.start()?;
    well(&space, "two").await?;

    // While an upgrade waits, with nothing else changed: it is taken up again.
    space
        .helm_release("web", values(json!({"stuck": true, "value": "three"})))
        .await?;
    reaches(&space, "pending-upgrade").await?;
    reborn(&world).await?;
    let again =
        |o: &Value| condition(o, "Reconciling").is_some_and(|c| c.message.starts_with("Running 'upgrade'"));
    space
        .holds("it is tried again", HELM, "HelmRelease", "web", again)
        .await?;
    reaches(&space, "pending-upgrade").await?;
    space
        .helm_release("web", values(json!({"value": "three"})))
        .await?;
    well(&space, "three").await?;
    space.at_rest().await?;

    // At whatever step it is at, some milliseconds after a change.
    for n in 0..8_u64 {
        let value = format!("n{n}");
        space.helm_release("web", values(json!({"value": value}))).await?;
        tokio::time::sleep(Duration::from_millis(7 * n * n)).await;
        reborn(&world).await?;
        well(&space, &value).await?;
    }
    // One that starts with nothing to do does nothing.
    let before = helm_json(&space, &["history", "web"]).await?;
    reborn(&world).await?;
    space.handled(HELM, "HelmRelease", "web").await?;
    space.at_rest().await?;
    ensure!(
        helm_json(&space, &["history", "web"]).await? == before,
        "no revision is made"
    );

    // While it uninstalls, held up by somebody's finalizer.
    space
        .patch(
            "v1",
            "ConfigMap",
            "web",
            json!({"metadata": {"finalizers": ["e2e/held"]}}),
        )
        .await?;
    space.delete(HELM, "HelmRelease", "web").await?;
    reaches(&space, "uninstalling").await?;
    reborn(&world).await?;
    space
        .holds("it is going", "v1", "ConfigMap", "web", |o| {
            !o["metadata"]["deletionTimestamp"].is_null()
        })
        .await?;
    space
        .patch(
            "v1",
            "ConfigMap",
            "web",
            json!({"metadata": {"finalizers": null}}),
        )
        .await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    eventually("nothing is left", LIMIT, async || {
        Ok((helm_json(&space, &["list"]).await? == json!([])).then_some(()))
    })
    .await?;
    space.gone("apps/v1", "Deployment", "web").await
}
