//! HelmRelease: a chart is installed, upgraded and uninstalled, and real Helm reads and changes what was made.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    charts::{self, Charts, helm, helm_json},
    flux::{HELM, SOURCE},
    world::World,
};
use serde_json::{Value, json};

const WEB: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  value: {{ .Values.value | quote }}
  revision: {{ .Release.Revision | quote }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: nginx}]}
{{ if .Values.extra }}
---
apiVersion: v1
kind: Service
metadata:
  name: extra
spec: {ports: [{port: 80}]}
{{ end }}
";
const FILES: [(&str, &str); 3] = [
    ("values.yaml", "value: default\nextra: true\n"),
    ("templates/web.yaml", WEB),
    ("templates/NOTES.txt", "Hello {{ .Release.Name }}\n"),
];

fn values(value: &str) -> Value {
    json!({"spec": {"values": {"value": value}}})
}

#[tokio::test]
async fn a_chart_is_installed_upgraded_and_uninstalled() -> Result<()> {
    let space = World::shared().await?.space("hr-life").await?;
    let charts = Charts::offer(&space, &FILES).await?;
    space.helm_release("web", values("1")).await?;
    let object = space.released("web", 1).await?;
    ensure!(
        object["status"]["inventory"]["entries"]
            .as_array()
            .is_some_and(|e| e.len() == 3),
        "{object}"
    );
    space.at_rest().await?;

    // Real Helm reads what was made.
    let listed = helm_json(&space, &["list"]).await?;
    ensure!(
        listed[0]["name"] == "web" && listed[0]["status"] == "deployed",
        "{listed}"
    );
    ensure!(helm_json(&space, &["get", "values", "web"]).await? == json!({"value": "1"}));
    ensure!(
        helm(&space, &["get", "notes", "web"])
            .await?
            .contains("Hello web")
    );

    // New values, a new chart: each is one revision; what the chart no longer has goes.
    space.helm_release("web", values("2")).await?;
    space.released("web", 2).await?;
    let lean = [FILES[1], ("values.yaml", "value: default\nextra: false\n")];
    charts.push("0.2.0", &lean).await?;
    space.apply(charts.source("0.2.0")).await?;
    space.released("web", 3).await?;
    space.gone("v1", "Service", "extra").await?;
    space
        .holds("written", "v1", "ConfigMap", "web", |o| {
            o["data"] == json!({"value": "2", "revision": "3"})
        })
        .await?;
    let history = helm_json(&space, &["history", "web"]).await?;
    let states: Vec<&Value> = history
        .as_array()
        .into_iter()
        .flatten()
        .map(|r| &r["status"])
        .collect();
    ensure!(states == ["superseded", "superseded", "deployed"], "{history}");
    space.at_rest().await?;

    space.delete(HELM, "HelmRelease", "web").await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    space.gone("apps/v1", "Deployment", "web").await?;
    ensure!(
        helm_json(&space, &["list"]).await? == json!([]),
        "nothing is left in storage"
    );
    Ok(())
}

#[tokio::test]
async fn what_real_helm_does_to_a_release_is_put_right() -> Result<()> {
    let space = World::shared().await?.space("hr-by-hand").await?;
    let charts = Charts::offer(&space, &FILES).await?;
    // A release that real Helm made is taken over by one upgrade.
    let file = space.world.dir().join("hr-by-hand.tgz");
    std::fs::write(&file, charts::archive(&charts::chart("0.1.0", &FILES))?)?;
    let file = file.display().to_string();
    helm(&space, &["install", "web", &file, "--set", "value=1", "--wait"]).await?;
    let before = space
        .get("apps/v1", "Deployment", "web")
        .await?
        .context("installed")?;
    space
        .helm_release("web", json!({"spec": {"values": {"value": "1"}}}))
        .await?;
    space.released("web", 2).await?;
    let after = space
        .get("apps/v1", "Deployment", "web")
        .await?
        .context("still there")?;
    ensure!(
        before["metadata"]["uid"] == after["metadata"]["uid"],
        "nothing was made anew"
    );
    space.at_rest().await?;

    // A rollback by hand is undone at once by one upgrade; an uninstall by hand by an install.
    helm(&space, &["rollback", "web", "1", "--force-conflicts"]).await?;
    space.released("web", 4).await?;
    // While Helm was at work, it was not disturbed.
    let history = helm_json(&space, &["history", "web"]).await?;
    ensure!(history[2]["description"] == "Rollback to 1", "{history}");
    helm(&space, &["uninstall", "web", "--wait"]).await?;
    space.released("web", 1).await?;
    space
        .holds("it is back", "v1", "Service", "extra", |_| true)
        .await?;
    space.at_rest().await?;
    drop(charts);
    Ok(())
}

#[tokio::test]
async fn values_come_from_everywhere_and_their_change_is_acted_on_at_once() -> Result<()> {
    let space = World::shared().await?.space("hr-values").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let watched = json!({"reconcile.fluxcd.io/watch": "Enabled"});
    let config = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "v", "labels": watched}, "data": {"values.yaml": format!("value: {value}\nextra: false\n")}});
    space.apply(config("from-map")).await?;
    let references = json!([{"kind": "ConfigMap", "name": "v"}, {"kind": "Secret", "name": "s", "valuesKey": "k", "targetPath": "value", "optional": true}]);
    space
        .helm_release("web", json!({"spec": {"valuesFrom": references}}))
        .await?;
    space.released("web", 1).await?;
    let value = |value: &'static str| move |o: &Value| o["data"]["value"] == value;
    space
        .holds("from the map", "v1", "ConfigMap", "web", value("from-map"))
        .await?;
    space.apply(config("changed")).await?;
    space.released("web", 2).await?;
    space
        .holds("changed", "v1", "ConfigMap", "web", value("changed"))
        .await?;
    space.apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "labels": watched}, "stringData": {"k": "secret"}})).await?;
    space.released("web", 3).await?;
    space
        .holds("from the Secret", "v1", "ConfigMap", "web", value("secret"))
        .await?;
    space.at_rest().await
}

#[tokio::test]
async fn a_release_that_moves_is_uninstalled_where_it_was() -> Result<()> {
    let space = World::shared().await?.space("hr-moves").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    space.helm_release("web", json!({})).await?;
    space.released("web", 1).await?;
    space
        .helm_release("web", json!({"spec": {"releaseName": "other"}}))
        .await?;
    space
        .holds("the new one", "v1", "ConfigMap", "other", |_| true)
        .await?;
    space.gone("v1", "ConfigMap", "web").await?;
    let object = space.released("web", 1).await?;
    ensure!(object["status"]["history"][0]["name"] == "other", "{object}");
    let listed = helm_json(&space, &["list"]).await?;
    ensure!(listed.as_array().is_some_and(|l| l.len() == 1), "{listed}");
    space.at_rest().await
}

#[tokio::test]
async fn a_dependent_starts_when_what_it_depends_on_is_ready() -> Result<()> {
    let space = World::shared().await?.space("hr-depends").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    space
        .helm_release(
            "app",
            json!({"spec": {"dependsOn": [{"name": "base"}], "values": {"extra": false}}}),
        )
        .await?;
    space
        .says(HELM, "HelmRelease", "app", "DependencyNotReady", "base")
        .await?;
    let begin = std::time::Instant::now();
    space.helm_release("base", json!({})).await?;
    space.released("base", 1).await?;
    space.released("app", 1).await?;
    ensure!(
        begin.elapsed().as_secs() < 20,
        "nothing was polled for: {:?}",
        begin.elapsed()
    );
    space.helm_release("app", json!({"spec": {"dependsOn": [{"name": "base", "readyExpr": "dep.status.history[0].version >"}], "values": {"extra": false}}})).await?;
    space
        .verdict(HELM, "HelmRelease", "app", "InvalidCELExpression")
        .await?;
    Ok(())
}

#[tokio::test]
async fn what_is_missing_or_wrong_says_why() -> Result<()> {
    let space = World::shared().await?.space("hr-wrong").await?;
    let charts = Charts::offer(&space, &FILES).await?;
    for (name, change, reason, part) in [
        (
            "no-source",
            json!({"spec": {"chartRef": {"name": "nope"}}}),
            "ArtifactFailed",
            "could not get Source object: OCIRepository.source.toolkit.fluxcd.io \"nope\" not found",
        ),
        (
            "no-values",
            json!({"spec": {"valuesFrom": [{"kind": "Secret", "name": "nope"}]}}),
            "ValuesError",
            "secrets \"nope\" not found",
        ),
        (
            "no-account",
            json!({"spec": {"serviceAccountName": "nope"}}),
            "StateError",
            "nope",
        ),
        (
            "remote",
            json!({"spec": {"kubeConfig": {"secretRef": {"name": "nope"}}}}),
            "RESTClientError",
            "unable to read KubeConfig secret",
        ),
        (
            "bad-name",
            json!({"spec": {"releaseName": "UPPER"}}),
            "InstallFailed",
            "invalid release name",
        ),
    ] {
        space.helm_release(name, change).await?;
        space.says(HELM, "HelmRelease", name, reason, part).await?;
    }
    // A tag that says one version of a chart that is another.
    charts
        .push(
            "0.3.0",
            &[("Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.4.0\n")],
        )
        .await?;
    let mut source = charts.source("0.3.0");
    source["metadata"]["name"] = json!("other");
    space.apply(source).await?;
    space
        .holds("it is there", SOURCE, "OCIRepository", "other", |o| {
            o["status"]["artifact"].is_object()
        })
        .await?;
    space
        .helm_release("mismatch", json!({"spec": {"chartRef": {"name": "other"}}}))
        .await?;
    space
        .says(
            HELM,
            "HelmRelease",
            "mismatch",
            "ChartMutateError",
            "does not match",
        )
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_chart_template_makes_a_helm_chart_and_takes_it_away() -> Result<()> {
    let space = World::shared().await?.space("hr-template").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let template = |version: &str| {
        json!({"spec": {"chartRef": null, "chart": {
            "metadata": {"labels": {"team": "a"}},
            "spec": {"chart": "web", "version": version, "sourceRef": {"kind": "HelmRepository", "name": "nope"}, "valuesFiles": ["a.yaml"]},
        }}})
    };
    space.helm_release("web", template("1.x")).await?;
    let asked = |version: &'static str| {
        move |o: &Value| {
            let labels = &o["metadata"]["labels"];
            o["spec"]["version"] == version
                && o["spec"]["interval"] == "1h0m0s"
                && o["spec"]["valuesFiles"] == json!(["a.yaml"])
                && labels["team"] == "a"
                && labels["helm.toolkit.fluxcd.io/name"] == "web"
                && labels["helm.toolkit.fluxcd.io/namespace"] == "hr-template"
        }
    };
    space
        .holds("it is made", SOURCE, "HelmChart", "hr-template-web", asked("1.x"))
        .await?;
    let told = space
        .verdict(HELM, "HelmRelease", "web", "SourceNotReady")
        .await?;
    ensure!(
        told.message
            .starts_with("HelmChart 'hr-template/hr-template-web' is not ready: "),
        "{told:?}"
    );
    space.helm_release("web", template("2.x")).await?;
    space
        .holds(
            "it is changed",
            SOURCE,
            "HelmChart",
            "hr-template-web",
            asked("2.x"),
        )
        .await?;
    let object = space.get(HELM, "HelmRelease", "web").await?.unwrap_or_default();
    ensure!(
        object["status"]["helmChart"] == "hr-template/hr-template-web",
        "{object}"
    );
    // Changed by hand, it is put right with the next pass.
    space
        .patch(
            SOURCE,
            "HelmChart",
            "hr-template-web",
            json!({"spec": {"version": "9.x"}}),
        )
        .await?;
    space.request(HELM, "HelmRelease", "web").await?;
    space
        .holds(
            "it is put right",
            SOURCE,
            "HelmChart",
            "hr-template-web",
            asked("2.x"),
        )
        .await?;
    // With a reference it is no longer needed; with the object it goes.
    space.helm_release("web", json!({})).await?;
    space.released("web", 1).await?;
    space.gone(SOURCE, "HelmChart", "hr-template-web").await?;
    space.helm_release("other", template("1.x")).await?;
    space
        .holds(
            "it is made",
            SOURCE,
            "HelmChart",
            "hr-template-other",
            asked_of_other,
        )
        .await?;
    space.delete(HELM, "HelmRelease", "other").await?;
    space.gone(HELM, "HelmRelease", "other").await?;
    space.gone(SOURCE, "HelmChart", "hr-template-other").await
}

fn asked_of_other(object: &Value) -> bool {
    object["metadata"]["labels"]["helm.toolkit.fluxcd.io/name"] == "other"
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_and_counts_for_no_retry() -> Result<()> {
    let space = World::shared().await?.space("hr-large").await?;
    let mut state = 1_u32;
    let noise: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("{state:08x}")
    })
    .take(300_000)
    .collect();
    let _charts = Charts::offer(&space, &[FILES[0], FILES[1], ("noise.txt", &noise)]).await?;
    space.helm_release("web", json!({})).await?;
    space
        .says(
            HELM,
            "HelmRelease",
            "web",
            "InstallFailed",
            "and a Secret holds 1048576",
        )
        .await?;
    let object = space.get(HELM, "HelmRelease", "web").await?.unwrap_or_default();
    ensure!(object["status"]["installFailures"].is_null(), "{object}");
    ensure!(
        space.get("v1", "ConfigMap", "web").await?.is_none(),
        "nothing was written"
    );
    ensure!(helm_json(&space, &["list"]).await? == json!([]));
    Ok(())
}
