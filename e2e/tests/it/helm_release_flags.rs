//! helm-controller's flags and features that change what a HelmRelease means.

use anyhow::{Result, ensure};
use e2e::{
    charts::{Charts, WEB, helm_json},
    expect::condition,
    flux::{HELM, with},
    suite::Options,
    world::World,
};
use serde_json::{Value, json};

const FILES: [(&str, &str); 2] = [
    ("values.yaml", "value: one\nstuck: false\n"),
    ("templates/web.yaml", WEB),
];

fn written(operation: &'static str) -> impl Fn(&Value) -> bool + use<> {
    move |o| {
        let entries = o["metadata"]["managedFields"].as_array();
        let ours = |e: &Value| e["manager"] == "helm-controller" && e["operation"] == operation;
        entries.into_iter().flatten().any(ours)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn flags_change_the_defaults() -> Result<()> {
    let gates = [
        "UseHelm3Defaults",
        "DefaultToRetryOnFailure",
        "DisableChartDigestTracking",
        "AdditiveCELDependencyCheck",
    ];
    let gates: Vec<String> = gates.iter().map(|gate| format!("{gate}=true")).collect();
    let world = World::start(&Options {
        helm: vec![
            format!("--feature-gates={}", gates.join(",")),
            "--snapshot-digest-algo=sha512".to_owned(),
            "--override-manager=kubectl-edit".to_owned(),
        ],
        ..Options::default()
    })
    .await?;
    let space = world.space("hr-flags").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let asks = async |name: &str, spec: Value, values: Value| {
        let spec = with(json!({ "spec": spec }), &json!({"spec": {"values": values}}));
        space.helm_release(name, spec).await
    };

    // The version is the chart's own, digests are of the algorithm, and Helm 3 applied from the client's side.
    asks("web", json!({}), json!({})).await?;
    let object = space.released("web", 1).await?;
    let first = &object["status"]["history"][0];
    ensure!(
        first["chartVersion"] == "0.1.0"
            && first["digest"].as_str().is_some_and(|d| d.starts_with("sha512:"))
            && first["configDigest"]
                .as_str()
                .is_some_and(|d| d.starts_with("sha512:")),
        "{object}"
    );
    space
        .holds("by update", "v1", "ConfigMap", "web", written("Update"))
        .await?;

    // A failed upgrade is tried again on top, after a pause, without a word about it in the spec.
    asks("web", json!({"timeout": "2s"}), json!({"stuck": true})).await?;
    let pauses = |o: &Value| {
        condition(o, "Reconciling").is_some_and(|c| c.message == "retrying after 5m0s")
            && condition(o, "Stalled").is_none()
    };
    space
        .holds("it pauses", HELM, "HelmRelease", "web", pauses)
        .await?;
    let history = helm_json(&space, &["history", "web"]).await?;
    ensure!(history[1]["status"] == "failed", "{history}");

    // An expression adds to the check of a dependency: that one is not ready.
    let depends = json!({"dependsOn": [{"name": "web", "readyExpr": "true"}]});
    asks("second", depends, json!({})).await?;
    space
        .says(HELM, "HelmRelease", "second", "DependencyNotReady", "web")
        .await?;
    asks("web", json!({}), json!({"value": "two"})).await?;
    space.released("second", 1).await?;

    // What a named manager set is taken over before drift is looked for: nothing that we do not say stays of it.
    let spec = json!({"upgrade": {"serverSideApply": "enabled"}, "driftDetection": {"mode": "enabled"}});
    asks("web", spec, json!({"value": "three"})).await?;
    space
        .holds("applied", "v1", "ConfigMap", "web", |o| {
            o["data"]["value"] == "three" && written("Apply")(o)
        })
        .await?;
    let edit = json!({"data": {"value": "edited", "more": "x"}});
    space.patch("v1", "ConfigMap", "web", edit).await?;
    space
        .holds("put right", "v1", "ConfigMap", "web", |o| {
            o["data"] == json!({"value": "three"})
        })
        .await?;
    Ok(())
}
