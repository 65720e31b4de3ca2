//! HelmRelease: what fails is tried again, undone, or left, as its remediation says; the counters and words are Flux's.

use anyhow::{Result, ensure};
use e2e::{
    charts::{Charts, helm_json},
    expect::condition,
    flux::{HELM, with},
    space::{LIMIT, Space},
    world::World,
};
use serde_json::{Value, json};

/// A pod that nobody runs where `values.stuck` says so.
const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      {{ if .Values.stuck }}nodeSelector: {no: where}{{ end }}
      containers: [{name: main, image: nginx}]
";
const EXTRA: &str = "{{ if .Values.stuck }}
apiVersion: v1
kind: ConfigMap
metadata: {name: new}
{{ end }}
";
const FILES: [(&str, &str); 3] = [
    ("values.yaml", "stuck: false\n"),
    ("templates/web.yaml", WEB),
    ("templates/extra.yaml", EXTRA),
];

fn release(stuck: bool, more: &Value) -> Value {
    with(
        json!({"spec": {"timeout": "3s", "values": {"stuck": stuck}}}),
        more,
    )
}

async fn statuses(space: &Space<'_>) -> Result<Vec<String>> {
    let history = helm_json(space, &["history", "web"]).await?;
    let all = history.as_array().into_iter().flatten();
    Ok(all
        .map(|r| r["status"].as_str().unwrap_or_default().to_owned())
        .collect())
}

async fn stalled(space: &Space<'_>, message: &str) -> Result<Value> {
    let says = |o: &Value| {
        condition(o, "Stalled").is_some_and(|c| c.reason == "RetriesExceeded" && c.message == message)
    };
    space
        .holds(
            &format!("it has stalled: {message}"),
            HELM,
            "HelmRelease",
            "web",
            says,
        )
        .await
}

#[tokio::test]
async fn a_failed_install_is_undone_as_often_as_asked_for() -> Result<()> {
    let space = World::shared().await?.space("hr-install-fails").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    // Without retries it is left as it is.
    space.helm_release("web", release(true, &json!({}))).await?;
    let object = stalled(&space, "Failed to install after 1 attempt(s)").await?;
    ensure!(
        object["status"]["installFailures"] == 1 && object["status"]["failures"] == 1,
        "{object}"
    );
    ensure!(statuses(&space).await? == ["failed"]);
    space
        .says(
            HELM,
            "HelmRelease",
            "web",
            "InstallFailed",
            "timeout waiting for: [Deployment/hr-install-fails/web status: 'InProgress']",
        )
        .await?;
    space.at_rest().await?;

    // A new spec counts anew, and is an upgrade of what was left.
    space.helm_release("web", release(false, &json!({}))).await?;
    let object = space.released("web", 2).await?;
    ensure!(
        object["status"]["installFailures"].is_null() && condition(&object, "Stalled").is_none(),
        "{object}"
    );
    ensure!(statuses(&space).await? == ["superseded", "deployed"]);

    // With retries it is uninstalled and installed again; with the last undone, too, nothing is left.
    space.delete(HELM, "HelmRelease", "web").await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    let retries = json!({"spec": {"install": {"remediation": {"retries": 1, "remediateLastFailure": true}}}});
    space.helm_release("web", release(true, &retries)).await?;
    let object = stalled(&space, "Failed to install after 2 attempt(s)").await?;
    ensure!(object["status"]["installFailures"] == 2, "{object}");
    space.gone("apps/v1", "Deployment", "web").await?;
    ensure!(helm_json(&space, &["list"]).await? == json!([]));
    ensure!(
        condition(&object, "Remediated").is_some_and(|c| c.reason == "UninstallSucceeded"),
        "{object}"
    );
    space.at_rest().await
}

#[tokio::test]
async fn a_failed_upgrade_is_rolled_back() -> Result<()> {
    let space = World::shared().await?.space("hr-upgrade-fails").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let rules = json!({"spec": {"upgrade": {"remediation": {"retries": 1}}}});
    space.helm_release("web", release(false, &rules)).await?;
    space.released("web", 1).await?;
    space.helm_release("web", release(true, &rules)).await?;
    let object = stalled(&space, "Failed to upgrade after 2 attempt(s)").await?;
    ensure!(object["status"]["upgradeFailures"] == 2, "{object}");
    ensure!(
        condition(&object, "Remediated").is_some_and(|c| c.reason == "RollbackSucceeded"),
        "{object}"
    );
    ensure!(
        condition(&object, "Ready").is_some_and(|c| c.status == "False" && c.reason == "RollbackSucceeded"),
        "{object}"
    );
    ensure!(
        statuses(&space).await? == ["superseded", "failed", "superseded", "failed", "deployed"],
        "{:?}",
        statuses(&space).await?
    );
    // What the failed upgrade brought is gone with it.
    space.gone("v1", "ConfigMap", "new").await?;
    space.at_rest().await?;

    // What is asked for is what was rolled back to: that is no remediation any more.
    space.helm_release("web", release(false, &rules)).await?;
    let object = space.released("web", 5).await?;
    ensure!(condition(&object, "Remediated").is_none(), "{object}");
    space.at_rest().await
}

#[tokio::test]
async fn a_failed_upgrade_is_uninstalled_where_asked_for() -> Result<()> {
    let space = World::shared().await?.space("hr-upgrade-uninstalls").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let rules = json!({"spec": {"install": {"remediation": {"retries": 0}}, "upgrade": {"remediation": {"retries": 0, "remediateLastFailure": true, "strategy": "uninstall"}}}});
    space.helm_release("web", release(false, &rules)).await?;
    space.released("web", 1).await?;
    space.helm_release("web", release(true, &rules)).await?;
    // After the uninstall it is installed again, and that fails as well.
    let object = stalled(&space, "Failed to install after 1 attempt(s)").await?;
    ensure!(
        object["status"]["upgradeFailures"] == 1 && object["status"]["installFailures"] == 1,
        "{object}"
    );
    ensure!(statuses(&space).await? == ["failed"]);
    Ok(())
}

#[tokio::test]
async fn without_a_release_to_go_back_to_it_stalls() -> Result<()> {
    let space = World::shared().await?.space("hr-no-target").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    space.helm_release("web", release(true, &json!({}))).await?;
    stalled(&space, "Failed to install after 1 attempt(s)").await?;
    let rules = json!({"spec": {"timeout": "2s", "upgrade": {"remediation": {"retries": 3}}}});
    space.helm_release("web", release(true, &rules)).await?;
    let says = |o: &Value| condition(o, "Stalled").is_some_and(|c| c.reason == "MissingRollbackTarget");
    space
        .holds("there is nothing to go back to", HELM, "HelmRelease", "web", says)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_failure_is_tried_again_on_top_where_asked_for() -> Result<()> {
    let space = World::shared().await?.space("hr-retry").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let rules = json!({"spec": {"timeout": "2s", "install": {"strategy": {"name": "RetryOnFailure", "retryInterval": "2s"}}, "upgrade": {"strategy": {"name": "RetryOnFailure", "retryInterval": "2s"}}}});
    space.helm_release("web", release(true, &rules)).await?;
    let third = |o: &Value| o["status"]["history"][0]["version"].as_i64() >= Some(3);
    let object = space
        .holds("it is tried again", HELM, "HelmRelease", "web", third)
        .await?;
    ensure!(object["status"]["history"][0]["action"] == "upgrade", "{object}");
    ensure!(condition(&object, "Remediated").is_none(), "{object}");
    space.helm_release("web", release(false, &rules)).await?;
    let ready = |o: &Value| {
        condition(o, "Ready").is_some_and(|c| c.status == "True") && o["status"]["failures"].is_null()
    };
    space
        .holds(
            "it is well, and the counters are clear",
            HELM,
            "HelmRelease",
            "web",
            ready,
        )
        .await?;
    space.at_rest().await
}

#[tokio::test]
async fn something_newer_ends_a_wait() -> Result<()> {
    let space = World::shared().await?.space("hr-newer").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    let patient = json!({"spec": {"timeout": "10m"}});
    space.helm_release("web", release(true, &patient)).await?;
    space
        .holds("it waits", "apps/v1", "Deployment", "web", |_| true)
        .await?;
    let pending =
        async || Ok((statuses(&space).await.unwrap_or_default() == ["pending-install"]).then_some(()));
    space.until("the record is pending", LIMIT, pending).await?;
    space.helm_release("web", release(false, &patient)).await?;
    space.released("web", 2).await?;
    ensure!(statuses(&space).await? == ["superseded", "deployed"]);

    // So does the end of the object: nothing is left of what was under way.
    space.helm_release("web", release(true, &patient)).await?;
    let pending = async || {
        Ok(statuses(&space)
            .await?
            .contains(&"pending-upgrade".to_owned())
            .then_some(()))
    };
    space.until("the record is pending", LIMIT, pending).await?;
    space.delete(HELM, "HelmRelease", "web").await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    space.gone("apps/v1", "Deployment", "web").await?;
    ensure!(helm_json(&space, &["list"]).await? == json!([]));
    Ok(())
}

#[tokio::test]
async fn an_object_that_ends_during_its_first_install_leaves_nothing() -> Result<()> {
    let space = World::shared().await?.space("hr-ends-early").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    space
        .helm_release("web", release(true, &json!({"spec": {"timeout": "10m"}})))
        .await?;
    space
        .holds("it waits", "apps/v1", "Deployment", "web", |_| true)
        .await?;
    space.delete(HELM, "HelmRelease", "web").await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    space.gone("apps/v1", "Deployment", "web").await?;
    ensure!(helm_json(&space, &["list"]).await? == json!([]));
    Ok(())
}

#[tokio::test]
async fn what_fails_before_it_is_stored_counts_for_no_retry() -> Result<()> {
    let space = World::shared().await?.space("hr-no-count").await?;
    let _charts = Charts::offer(
        &space,
        &[
            ("templates/a.yaml", "{{ fail .Values.why }}\n"),
            ("values.yaml", "why: because\n"),
        ],
    )
    .await?;
    space.helm_release("web", json!({})).await?;
    space
        .says(HELM, "HelmRelease", "web", "InstallFailed", "because")
        .await?;
    let again = |o: &Value| o["status"]["failures"].as_i64() >= Some(2);
    let object = space
        .holds("it is tried again", HELM, "HelmRelease", "web", again)
        .await?;
    ensure!(
        object["status"]["installFailures"].is_null() && condition(&object, "Stalled").is_none(),
        "{object}"
    );
    Ok(())
}

#[tokio::test]
async fn a_release_can_be_forced_and_its_counters_reset() -> Result<()> {
    let space = World::shared().await?.space("hr-forced").await?;
    let _charts = Charts::offer(&space, &FILES).await?;
    space.helm_release("web", release(false, &json!({}))).await?;
    space.released("web", 1).await?;
    let ask = |key: &str, token: &str| json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token, format!("reconcile.fluxcd.io/{key}"): token}}});
    space
        .patch(HELM, "HelmRelease", "web", ask("forceAt", "one"))
        .await?;
    let object = space.released("web", 2).await?;
    ensure!(object["status"]["lastHandledForceAt"] == "one", "{object}");
    space.at_rest().await?;
    space.helm_release("web", release(true, &json!({}))).await?;
    stalled(&space, "Failed to upgrade after 1 attempt(s)").await?;
    space
        .patch(HELM, "HelmRelease", "web", ask("resetAt", "two"))
        .await?;
    let again =
        |o: &Value| o["status"]["lastHandledResetAt"] == "two" && o["status"]["history"][0]["version"] == 4;
    space
        .holds("it was tried again", HELM, "HelmRelease", "web", again)
        .await?;
    stalled(&space, "Failed to upgrade after 1 attempt(s)").await?;
    Ok(())
}
