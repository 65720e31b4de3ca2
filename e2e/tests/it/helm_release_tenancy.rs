//! HelmRelease: a tenant's chart reaches no further than the ServiceAccount that its release names, by whatever door.

use anyhow::{Result, ensure};
use e2e::{
    charts::{Charts, helm_json},
    flux::{HELM, with},
    suite::Options,
    world::World,
};
use serde_json::{Value, json};

const HOOK: &str = "{{ if .Values.hook }}
apiVersion: v1
kind: ConfigMap
metadata: {name: hook, namespace: {{ .Values.hook }}, annotations: {helm.sh/hook: pre-install}}
{{ end }}
";
const TEMPLATE: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: own}
data: {seen: {{ if .Values.lookup }}{{ (lookup \"v1\" \"Secret\" .Values.lookup \"secret\") | toJson | quote }}{{ else }}\"\"{{ end }}}
{{ if .Values.foreign }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: foreign, namespace: {{ .Values.foreign }}}
{{ end }}
{{ if .Values.cluster }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: helm-tenant-made}
rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]
{{ end }}
";
const CRD: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: evils.tenant.dev}
spec:
  group: tenant.dev
  names: {kind: Evil, plural: evils, singular: evil}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_tenants_chart_is_kept_to_what_is_its_own() -> Result<()> {
    let world = World::start(&Options {
        helm: [
            "--no-cross-namespace-refs=true",
            "--default-service-account=default",
        ]
        .map(Into::into)
        .to_vec(),
        ..Options::default()
    })
    .await?;
    let (good, evil) = (world.space("hr-good").await?, world.space("hr-evil").await?);
    good.apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret"}, "stringData": {"a": "CANARY"}})).await?;
    for space in [&good, &evil] {
        space.cluster.tenant(space.name(), "deployer", "admin").await?;
    }
    let files = [("templates/all.yaml", TEMPLATE), ("templates/hook.yaml", HOOK)];
    let charts = Charts::offer(&evil, &files).await?;
    charts.push("0.2.0", &[("crds/evil.yaml", CRD), files[0]]).await?;
    let mut with_crd = charts.source("0.2.0");
    with_crd["metadata"]["name"] = json!("with-crd");
    evil.apply(with_crd).await?;
    good.apply(charts.source("0.1.0")).await?;

    // What a tenant may do, it has done for it.
    let named = |more: Value| with(json!({"spec": {"serviceAccountName": "deployer"}}), &more);
    evil.helm_release("own", named(json!({}))).await?;
    evil.released("own", 1).await?;

    let values = |values: Value| named(json!({"spec": {"values": values}}));
    let neighbour = "hr-good";
    let patch = format!("- op: add\n  path: /metadata/namespace\n  value: {neighbour}\n");
    let by = "system:serviceaccount:hr-evil:deployer";
    for (name, change, reason, part) in [
        (
            "template",
            values(json!({"foreign": neighbour})),
            "InstallFailed",
            by,
        ),
        ("hook", values(json!({"hook": neighbour})), "InstallFailed", by),
        ("cluster", values(json!({"cluster": true})), "InstallFailed", by),
        (
            "lookup",
            values(json!({"lookup": neighbour})),
            "InstallFailed",
            by,
        ),
        (
            "definition",
            named(json!({"spec": {"chartRef": {"name": "with-crd"}}})),
            "InstallFailed",
            by,
        ),
        (
            "post-renderer",
            named(
                json!({"spec": {"postRenderers": [{"kustomize": {"patches": [{"patch": patch, "target": {"kind": "ConfigMap", "name": "own"}}]}}]}}),
            ),
            "InstallFailed",
            by,
        ),
        (
            "target",
            named(json!({"spec": {"targetNamespace": neighbour}})),
            "InstallFailed",
            by,
        ),
        (
            "storage",
            named(json!({"spec": {"storageNamespace": neighbour}})),
            "StateError",
            by,
        ),
        (
            "made",
            named(json!({"spec": {"targetNamespace": "hr-evil-made", "install": {"createNamespace": true}}})),
            "InstallFailed",
            by,
        ),
        // Who names none acts as the default one, which may do nothing.
        (
            "nobody",
            json!({}),
            "StateError",
            "system:serviceaccount:hr-evil:default",
        ),
        (
            "account",
            json!({"spec": {"serviceAccountName": "hr-good:deployer"}}),
            "RESTClientError",
            "ServiceAccount",
        ),
        (
            "source",
            named(json!({"spec": {"chartRef": {"namespace": neighbour}}})),
            "AccessDenied",
            "can't access 'OCIRepository/hr-good/chart'",
        ),
    ] {
        evil.helm_release(name, change).await?;
        evil.says(HELM, "HelmRelease", name, reason, part).await?;
    }
    for (kind, name) in [
        ("ConfigMap", "foreign"),
        ("ConfigMap", "hook"),
        ("ConfigMap", "own"),
        ("ConfigMap", "target-own"),
    ] {
        ensure!(
            good.get("v1", kind, name).await?.is_none(),
            "{kind} {name} was written to the neighbour"
        );
    }
    ensure!(
        helm_json(&good, &["list"]).await? == json!([]),
        "no record was written to the neighbour"
    );
    ensure!(
        evil.get("rbac.authorization.k8s.io/v1", "ClusterRole", "helm-tenant-made")
            .await?
            .is_none()
    );
    ensure!(
        evil.get(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "evils.tenant.dev"
        )
        .await?
        .is_none()
    );
    ensure!(evil.get("v1", "Namespace", "hr-evil-made").await?.is_none());
    // Nothing of the neighbour's Secret is told anywhere.
    for name in ["lookup", "own"] {
        let object = evil.get(HELM, "HelmRelease", name).await?.unwrap_or_default();
        ensure!(
            !object.to_string().contains("CANARY") && !object.to_string().contains("Q0FOQVJZ"),
            "{object}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_account_that_is_gone_keeps_no_object_for_ever() -> Result<()> {
    let space = World::shared().await?.space("hr-account-gone").await?;
    space.cluster.tenant(space.name(), "deployer", "admin").await?;
    let _charts = Charts::offer(&space, &[("templates/all.yaml", TEMPLATE)]).await?;
    space
        .helm_release("web", json!({"spec": {"serviceAccountName": "deployer"}}))
        .await?;
    space.released("web", 1).await?;
    space.delete("v1", "ServiceAccount", "deployer").await?;
    space.delete(HELM, "HelmRelease", "web").await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    ensure!(
        space.get("v1", "ConfigMap", "own").await?.is_some(),
        "nobody could delete it"
    );
    Ok(())
}
