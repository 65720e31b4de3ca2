//! HelmRelease: what an action waits for, by status (the default) and as Helm 3 did.

use anyhow::{Result, ensure};
use e2e::{charts::Charts, flux::HELM, world::World};
use serde_json::{Value, json};

/// A definition whose objects say themselves how they are.
const CRD: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: moods.wait.dev}
spec:
  group: wait.dev
  names: {kind: Mood, plural: moods, singular: mood}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
";
const FILES: [(&str, &str); 2] = [
    ("crds/moods.yaml", CRD),
    (
        "templates/all.yaml",
        "apiVersion: wait.dev/v1
kind: Mood
metadata: {name: {{ .Release.Name }}}
status: {conditions: [{type: Ready, status: \"False\", message: not today}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: 2
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      containers: [{name: main, image: nginx}]
      {{- with .Values.nowhere }}
      nodeSelector: {nowhere: \"yes\"}
      {{- end }}
",
    ),
];

#[tokio::test]
async fn helm_3_waited_for_what_it_knew() -> Result<()> {
    let space = World::shared().await?.space("hr-wait").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let spec = |more: Value| e2e::flux::with(json!({"spec": {"timeout": "8s"}}), &json!({"spec": more}));
    let legacy = json!({"name": "legacy"});

    // By its status the object is not ready; Helm 3 did not know its kind, but it knew Deployments.
    space.helm_release("new", spec(json!({}))).await?;
    let part = "Mood/hr-wait/new status: 'InProgress'";
    space
        .says(HELM, "HelmRelease", "new", "InstallFailed", part)
        .await?;
    space
        .helm_release("old", spec(json!({"timeout": "2m", "waitStrategy": legacy})))
        .await?;
    space.released("old", 1).await?;
    let deployment = space
        .get("apps/v1", "Deployment", "old")
        .await?
        .unwrap_or_default();
    ensure!(
        deployment["status"]["readyReplicas"] == 2,
        "it was waited for: {deployment}"
    );
    space
        .helm_release(
            "stuck",
            spec(json!({"waitStrategy": legacy, "values": {"nowhere": true}})),
        )
        .await?;
    let part = "timeout waiting for: [Deployment/hr-wait/stuck status: 'InProgress']";
    space
        .says(HELM, "HelmRelease", "stuck", "InstallFailed", part)
        .await?;
    Ok(())
}
