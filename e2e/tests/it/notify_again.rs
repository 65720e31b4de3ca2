//! A failure that comes back is told again, and each time its end: of all kinds, and where all else is summed up.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app,
    charts::Charts,
    flux::{ALERTING, EXTENSIONS, HELM, SOURCE, alert, provider, with},
    origin::Sink,
    space::{LIMIT, Space},
    world::World,
};
use serde_json::{Value, json};

/// A room, and a service that is told of these kinds, with all but failures and their ends gathered for a day.
async fn space(name: &str, kinds: &[&str]) -> Result<(Space<'static>, Sink)> {
    let (space, sink) = (World::shared().await?.space(name).await?, Sink::start().await?);
    space.apply(provider("sink", &sink.url("/"))).await?;
    let change = json!({"spec": {"grouping": {"digest": "24h"}}});
    space.apply(with(alert("all", "sink", kinds), &change)).await?;
    Ok((space, sink))
}

/// What was told of the severity.
fn told(sink: &Sink, severity: &str) -> Vec<Value> {
    let mut events = sink.events("/");
    events.retain(|event| event["severity"] == severity);
    events
}

/// Waits until so many messages of the severity were told; the last one.
async fn hears(space: &Space<'_>, sink: &Sink, severity: &str, count: usize) -> Result<Value> {
    let heard = async || {
        let told = told(sink, severity);
        Ok((told.len() >= count).then(|| told[count - 1].clone()))
    };
    let what = format!("message {count} of severity {severity}");
    let heard = space.until(&what, LIMIT, heard).await;
    heard.with_context(|| format!("the sink has {:#?}", sink.events("/")))
}

async fn fetched(space: &Space<'_>) -> Result<()> {
    let stored = |o: &Value| o["status"]["artifact"].is_object();
    space
        .holds("it is fetched", SOURCE, "GitRepository", "app", stored)
        .await
        .map(drop)
}

#[tokio::test]
async fn values_that_go_and_come_are_told_each_time() -> Result<()> {
    let (space, sink) = space("again-values", &["HelmRelease"]).await?;
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: \"{{ .Values.a }}\"}\n";
    let _charts = Charts::offer(&space, &[("templates/a.yaml", map)]).await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "values"}, "stringData": {"values.yaml": "a: b\n"},
    });
    space.apply(secret.clone()).await?;
    let values = json!({"spec": {"valuesFrom": [{"kind": "Secret", "name": "values"}]}});
    space.helm_release("web", values).await?;
    space.released("web", 1).await?;
    for round in 1..=2 {
        space.delete("v1", "Secret", "values").await?;
        space.request(HELM, "HelmRelease", "web").await?;
        let failed = hears(&space, &sink, "error", round).await?;
        ensure!(failed["reason"] == "ValuesError", "{failed:#}");
        // A failure that lasts is no news.
        space.handled(HELM, "HelmRelease", "web").await?;
        space.apply(secret.clone()).await?;
        space.request(HELM, "HelmRelease", "web").await?;
        let ended = hears(&space, &sink, "info", round).await?;
        ensure!(ended["reason"] == "InstallSucceeded", "{ended:#}");
    }
    let all = sink.events("/");
    ensure!(all.len() == 4, "{all:#?}");
    ensure!(
        all[0]["message"] == all[2]["message"],
        "it is the same again: {all:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_branch_that_goes_and_comes_is_told_each_time() -> Result<()> {
    let (space, sink) = space("again-branch", &["GitRepository"]).await?;
    space.repo.commit(&[("app/a.yaml", "a: b\n")])?;
    space.git_repository(json!({})).await?;
    fetched(&space).await?;
    for round in 1..=2 {
        let branch = |name: &str| json!({"spec": {"ref": {"branch": name}}});
        space
            .patch(SOURCE, "GitRepository", "app", branch("nope"))
            .await?;
        let failed = hears(&space, &sink, "error", round).await?;
        ensure!(failed["reason"] == "GitOperationFailed", "{failed:#}");
        space
            .patch(SOURCE, "GitRepository", "app", branch("main"))
            .await?;
        let ended = hears(&space, &sink, "info", round).await?;
        ensure!(ended["reason"] == "Succeeded", "{ended:#}");
    }
    ensure!(sink.events("/").len() == 4, "{:#?}", sink.events("/"));
    Ok(())
}

#[tokio::test]
async fn a_source_that_goes_and_comes_is_told_each_time() -> Result<()> {
    let (space, sink) = space("again-source", &["ArtifactGenerator"]).await?;
    space
        .repo
        .commit(&[("deploy/all.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    fetched(&space).await?;
    let generator = json!({
        "apiVersion": EXTENSIONS, "kind": "ArtifactGenerator", "metadata": {"name": "parts"},
        "spec": {
            "sources": [{"alias": "repo", "kind": "GitRepository", "name": "app"}],
            "artifacts": [{"name": "part", "copy": [{"from": "@repo/deploy/**", "to": "@artifact/"}]}],
        },
    });
    space.apply(generator).await?;
    let ready = async || {
        let part = "reconciliation succeeded";
        space
            .says(EXTENSIONS, "ArtifactGenerator", "parts", "Succeeded", part)
            .await
    };
    ready().await?;
    let mut texts = Vec::new();
    for round in 1..=2 {
        // What is not there is not ready a moment later: that may be told, too.
        let before = told(&sink, "error").len();
        space.delete(SOURCE, "GitRepository", "app").await?;
        space.gone(SOURCE, "GitRepository", "app").await?;
        space.request(EXTENSIONS, "ArtifactGenerator", "parts").await?;
        let failed = hears(&space, &sink, "error", before + 1).await?;
        texts.push(failed["message"].to_string());
        space.git_repository(json!({})).await?;
        ready().await?;
        let ended = hears(&space, &sink, "info", round).await?;
        ensure!(ended["reason"] == "Succeeded", "{ended:#}");
    }
    ensure!(texts[0] == texts[1], "it is the same again: {texts:#?}");
    Ok(())
}

#[tokio::test]
async fn the_same_drift_is_told_each_time() -> Result<()> {
    let (space, sink) = space("again-drift", &["HelmRelease"]).await?;
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: b}\n";
    let _charts = Charts::offer(&space, &[("templates/a.yaml", map)]).await?;
    let mode = |mode: &str| json!({"spec": {"driftDetection": {"mode": mode}}});
    space.helm_release("web", mode("enabled")).await?;
    space.released("web", 1).await?;
    space.at_rest().await?;
    let edit = async || {
        let change = json!({"data": {"a": "by hand"}});
        space.patch("v1", "ConfigMap", "web", change).await
    };
    for round in 1..=3 {
        edit().await?;
        let found = hears(&space, &sink, "error", round).await?;
        ensure!(found["reason"] == "DriftDetected", "{found:#}");
        let undone = hears(&space, &sink, "info", round).await?;
        ensure!(undone["reason"] == "DriftCorrected", "{undone:#}");
    }
    ensure!(sink.events("/").len() == 6, "{:#?}", sink.events("/"));
    // Where it is only told of, it lasts until somebody undoes it.
    space.patch(HELM, "HelmRelease", "web", mode("warn")).await?;
    space.handled(HELM, "HelmRelease", "web").await?;
    let live = space.get("v1", "ConfigMap", "web").await?.unwrap_or_default();
    let right = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": live["data"],
        "metadata": {
            "name": "web", "labels": live["metadata"]["labels"], "annotations": live["metadata"]["annotations"],
        },
    });
    for round in 4..=5 {
        space.delete("v1", "ConfigMap", "web").await?;
        space.request(HELM, "HelmRelease", "web").await?;
        let found = hears(&space, &sink, "error", round).await?;
        ensure!(found["reason"] == "DriftDetected", "{found:#}");
        space.handled(HELM, "HelmRelease", "web").await?;
        space.apply(right.clone()).await?;
        space.request(HELM, "HelmRelease", "web").await?;
        let ended = hears(&space, &sink, "info", round).await?;
        ensure!(ended["reason"] == "NoDriftDetected", "{ended:#}");
    }
    ensure!(sink.events("/").len() == 10, "{:#?}", sink.events("/"));
    // Nothing is written while nothing happens.
    space.at_rest().await?;
    let alert = space.get(ALERTING, "Alert", "all").await?.unwrap_or_default();
    ensure!(alert["status"]["deadLetters"].is_null(), "{alert:#}");
    Ok(())
}
