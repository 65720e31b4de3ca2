//! HelmRelease: definitions, namespaces, ownership, ways of applying, post-renderers.

use anyhow::{Result, ensure};
use e2e::{
    charts::{Charts, helm_json},
    expect::condition,
    flux::{HELM, with},
    world::World,
};
use serde_json::{Value, json};

fn definition(field: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: parts.e2e.dev}}
spec:
  group: e2e.dev
  names: {{kind: Part, plural: parts, singular: part}}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true, properties: {{spec: {{type: object, properties: {{{field}: {{type: integer}}}}}}}}}}}}
"
    )
}

const PART: &str = "{{ if .Capabilities.APIVersions.Has \"e2e.dev/v1/Part\" }}
apiVersion: e2e.dev/v1
kind: Part
metadata: {name: one}
{{ end }}
";

#[tokio::test]
async fn definitions_come_first_and_follow_their_policy() -> Result<()> {
    let space = World::shared().await?.space("hr-crds").await?;
    let (old, new) = (definition("size"), definition("length"));
    let charts = Charts::offer(&space, &[("crds/part.yaml", &old), ("templates/part.yaml", PART)]).await?;
    let healthy = json!({"spec": {"healthCheckExprs": [{"apiVersion": "e2e.dev/v1", "kind": "Part", "current": "has(status.done) && status.done"}], "timeout": "2m"}});
    space.helm_release("web", json!({})).await?;
    let object = space.released("web", 1).await?;
    let entries = object["status"]["inventory"]["entries"].to_string();
    ensure!(
        entries.contains("hr-crds_one_e2e.dev_Part") && entries.contains("_parts.e2e.dev_"),
        "{entries}"
    );

    // A chart that changes its definitions: they are left alone, unless asked for otherwise.
    let properties = |o: &Value| {
        o["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"].clone()
    };
    charts.push("0.2.0", &[("crds/part.yaml", &new)]).await?;
    space.apply(charts.source("0.2.0")).await?;
    space.released("web", 2).await?;
    let live = space
        .get(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "parts.e2e.dev",
        )
        .await?
        .unwrap_or_default();
    ensure!(
        properties(&live)["size"].is_object()
            && live["metadata"]["labels"]["helm.toolkit.fluxcd.io/name"] == "web",
        "{live}"
    );
    space
        .helm_release(
            "web",
            json!({"spec": {"upgrade": {"crds": "CreateReplace"}, "values": {"a": 1}}}),
        )
        .await?;
    space.released("web", 3).await?;
    space
        .holds(
            "it is the new one",
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "parts.e2e.dev",
            |o| properties(o)["length"].is_object(),
        )
        .await?;

    // Health by an expression of the spec: the release waits, and goes on when it holds.
    charts
        .push(
            "0.3.0",
            &[("crds/part.yaml", &old), ("templates/part.yaml", PART)],
        )
        .await?;
    space.apply(charts.source("0.3.0")).await?;
    space
        .helm_release(
            "web",
            with(healthy, &json!({"spec": {"upgrade": {"crds": "Skip"}}})),
        )
        .await?;
    space
        .holds("it is made", "e2e.dev/v1", "Part", "one", |_| true)
        .await?;
    space
        .patch("e2e.dev/v1", "Part", "one", json!({"status": {"done": true}}))
        .await?;
    let done = |o: &Value| {
        o["status"]["history"][0]["chartVersion"]
            .as_str()
            .is_some_and(|v| v.starts_with("0.3.0"))
    };
    space
        .holds("it is released", HELM, "HelmRelease", "web", done)
        .await?;
    space.delete(HELM, "HelmRelease", "web").await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    ensure!(
        space
            .get(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                "parts.e2e.dev"
            )
            .await?
            .is_some(),
        "definitions stay"
    );
    Ok(())
}

const MAP: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
  {{ if .Values.keep }}annotations: {helm.sh/resource-policy: keep}{{ end }}
data: {value: {{ .Values.value | quote }}, {{ .Values.key }}: x, seen: {{ (lookup \"v1\" \"ConfigMap\" .Release.Namespace \"seen\").data | default dict | toJson | quote }}}
";
const FILES: [(&str, &str); 2] = [
    ("templates/map.yaml", MAP),
    ("values.yaml", "value: one\nkey: k\nkeep: false\n"),
];

#[tokio::test]
async fn a_release_goes_to_another_namespace_and_keeps_what_asks_for_it() -> Result<()> {
    let space = World::shared().await?.space("hr-target").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let spec = json!({"spec": {"targetNamespace": "hr-target-made", "install": {"createNamespace": true}, "values": {"keep": true}}});
    space.helm_release("web", spec).await?;
    let object = space.released("web", 1).await?;
    ensure!(
        object["status"]["history"][0]["name"] == "hr-target-made-web"
            && object["status"]["storageNamespace"] == "hr-target",
        "{object}"
    );
    let made = space
        .cluster
        .api("v1", "ConfigMap", Some("hr-target-made"))
        .await?;
    ensure!(made.get_opt("hr-target-made-web").await?.is_some());
    space.delete(HELM, "HelmRelease", "web").await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    ensure!(
        made.get_opt("hr-target-made-web").await?.is_some(),
        "it asked to be kept"
    );
    Ok(())
}

#[tokio::test]
async fn what_others_own_is_taken_over_only_where_allowed() -> Result<()> {
    let space = World::shared().await?.space("hr-ownership").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"value": "theirs"}});
    space.apply(map).await?;
    space
        .helm_release(
            "web",
            json!({"spec": {"install": {"disableTakeOwnership": true}}}),
        )
        .await?;
    space
        .says(
            HELM,
            "HelmRelease",
            "web",
            "InstallFailed",
            "ConfigMap \"web\" in namespace \"hr-ownership\" exists and cannot be imported",
        )
        .await?;
    ensure!(helm_json(&space, &["list"]).await? == json!([]));
    space.helm_release("web", json!({})).await?;
    space.released("web", 1).await?;
    space
        .holds("taken over", "v1", "ConfigMap", "web", |o| {
            o["data"]["value"] == "one"
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn post_renderers_and_common_metadata_are_part_of_the_release() -> Result<()> {
    let space = World::shared().await?.space("hr-post-render").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let patch = |value: &str| {
        json!({"spec": {
            "commonMetadata": {"labels": {"team": "a", "helm.toolkit.fluxcd.io/name": "forged"}},
            "postRenderers": [{"kustomize": {"patches": [{"patch": format!("- op: add\n  path: /data/patched\n  value: {value}\n"), "target": {"kind": "ConfigMap"}}]}}],
        }})
    };
    space.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "seen"}, "data": {"a": "b"}})).await?;
    space.helm_release("web", patch("one")).await?;
    space.released("web", 1).await?;
    let right = |o: &Value| {
        let labels = &o["metadata"]["labels"];
        o["data"]["patched"] == "one"
            && o["data"]["seen"] == "{\"a\":\"b\"}"
            && labels["team"] == "a"
            && labels["helm.toolkit.fluxcd.io/name"] == "web"
    };
    space
        .holds("patched, labelled, looked up", "v1", "ConfigMap", "web", right)
        .await?;
    space.helm_release("web", patch("two")).await?;
    let object = space.released("web", 2).await?;
    ensure!(
        object["status"]["observedPostRenderersDigest"].is_string(),
        "{object}"
    );
    // A change that has nothing to do with the release makes no revision.
    space
        .helm_release("web", with(patch("two"), &json!({"spec": {"interval": "2h"}})))
        .await?;
    let seen = |o: &Value| o["status"]["observedGeneration"] == o["metadata"]["generation"];
    let object = space.holds("observed", HELM, "HelmRelease", "web", seen).await?;
    ensure!(
        object["status"]["history"][0]["version"] == 2
            && condition(&object, "Ready").is_some_and(|c| c.status == "True"),
        "{object}"
    );
    space.at_rest().await
}

#[tokio::test]
async fn a_suspended_release_is_left_alone() -> Result<()> {
    let space = World::shared().await?.space("hr-suspended").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    space.helm_release("web", json!({})).await?;
    space.released("web", 1).await?;
    space
        .helm_release(
            "web",
            json!({"spec": {"suspend": true, "values": {"value": "two"}}}),
        )
        .await?;
    space.handled(HELM, "HelmRelease", "web").await?;
    space
        .holds("as it was", "v1", "ConfigMap", "web", |o| {
            o["data"]["value"] == "one"
        })
        .await?;
    space.delete(HELM, "HelmRelease", "web").await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    ensure!(
        space.get("v1", "ConfigMap", "web").await?.is_some(),
        "and its release is left behind"
    );
    // A new object of the name takes it up by one upgrade.
    space.helm_release("web", json!({})).await?;
    space.released("web", 2).await?;
    Ok(())
}
