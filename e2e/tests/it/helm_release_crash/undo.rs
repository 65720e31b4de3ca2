//! A kill while a failed release is undone, or tested.

use super::{reaches, reborn, well};
use anyhow::{Result, ensure};
use e2e::{
    charts::{Charts, WEB},
    flux::{HELM, with},
    space::Space,
    world::World,
};
use serde_json::{Value, json};

const HOOKS: &str = "{{ if .Values.hook }}
apiVersion: batch/v1
kind: Job
metadata: {name: hook, annotations: {helm.sh/hook: {{ .Values.hook | quote }}}}
spec:
  template:
    metadata: {annotations: {e2e/ends: never}}
    spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}
{{ end }}
";
const FILES: [(&str, &str); 3] = [
    (
        "values.yaml",
        "value: one\nheld: false\nstuck: false\nhook: \"\"\n",
    ),
    ("templates/web.yaml", WEB),
    ("templates/hooks.yaml", HOOKS),
];

async fn asks(space: &Space<'_>, spec: Value, values: Value) -> Result<()> {
    space
        .helm_release(
            "web",
            with(json!({"spec": spec}), &json!({"spec": {"values": values}})),
        )
        .await
}

/// While a first install that failed is uninstalled, held up by somebody's finalizer: first the answer to the failure
/// comes, then the process is killed.
pub async fn uninstall(world: &World) -> Result<()> {
    let space = world.space("hr-crash-undo").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let spec = json!({"timeout": "5m", "install": {"timeout": "2s", "remediation": {"retries": 3}}});
    asks(&space, spec.clone(), json!({"stuck": true, "held": true})).await?;
    reaches(&space, "uninstalling").await?;
    asks(&space, spec, json!({"value": "two"})).await?;
    space
        .holds("it is going", "v1", "ConfigMap", "web", |o| {
            !o["metadata"]["deletionTimestamp"].is_null()
        })
        .await?;
    reborn(world).await?;
    space.handled(HELM, "HelmRelease", "web").await?;
    reaches(&space, "uninstalling").await?;
    let freed = json!({"metadata": {"finalizers": null}});
    space.patch("v1", "ConfigMap", "web", freed).await?;
    well(&space, "two").await?;
    Ok(())
}

/// While a failed upgrade is rolled back, held up by a hook.
pub async fn rollback(world: &World) -> Result<()> {
    let space = world.space("hr-crash-back").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let spec = json!({"timeout": "5m", "upgrade": {"timeout": "2s", "remediation": {"retries": 2, "strategy": "rollback"}}});
    asks(&space, spec.clone(), json!({"hook": "pre-rollback"})).await?;
    space.released("web", 1).await?;
    asks(&space, spec.clone(), json!({"stuck": true, "value": "two"})).await?;
    reaches(&space, "pending-rollback").await?;
    space
        .holds("the hook runs", "batch/v1", "Job", "hook", |o| {
            o["status"]["active"] == 1
        })
        .await?;
    reborn(world).await?;
    asks(&space, json!({"timeout": "5m"}), json!({"value": "three"})).await?;
    well(&space, "three").await?;
    Ok(())
}

/// While a release is tested: the test is run again.
pub async fn test(world: &World) -> Result<()> {
    let space = world.space("hr-crash-test").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let spec = json!({"timeout": "5m", "test": {"enable": true}});
    asks(&space, spec.clone(), json!({"hook": "test"})).await?;
    let job = space
        .holds("the test runs", "batch/v1", "Job", "hook", |o| {
            o["status"]["active"] == 1
        })
        .await?;
    reborn(world).await?;
    let uid = job["metadata"]["uid"].clone();
    let again = move |o: &Value| o["metadata"]["uid"] != uid && o["status"]["active"] == 1;
    space
        .holds("the test runs again", "batch/v1", "Job", "hook", again)
        .await?;
    asks(&space, spec, json!({"value": "two"})).await?;
    let object = well(&space, "two").await?;
    ensure!(
        object["status"]["history"][0]["testHooks"].is_object(),
        "{object}"
    );
    Ok(())
}
