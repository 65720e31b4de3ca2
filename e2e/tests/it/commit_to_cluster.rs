//! A commit becomes running objects, and then nothing more is written.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app,
    flux::{KUSTOMIZE, SOURCE},
    suite::Options,
    world::World,
};
use serde_json::json;
use std::time::Instant;

#[tokio::test]
async fn a_commit_becomes_running_objects() -> Result<()> {
    let space = World::shared().await?.space("commit-to-cluster").await?;
    let manifests = [
        app::deployment("web", "nginx:1.27", 2),
        app::service("web"),
        app::config_map("settings", "a"),
    ];
    let commit = space.repo.commit(&[
        ("apps/web/all.yaml", &app::all(&manifests)),
        ("README.md", "not for the cluster\n"),
    ])?;
    let begin = Instant::now();
    space.git_repository(json!({})).await?;
    space
        .kustomization("app", "./apps/web", json!({"spec": {"wait": true}}))
        .await?;
    let synced = space.synced("app", &commit).await?;
    e2e::note!(
        "commit to cluster, from a new GitRepository to running pods: {} ms",
        begin.elapsed().as_millis()
    );

    let web = space
        .get("apps/v1", "Deployment", "web")
        .await?
        .context("no Deployment")?;
    ensure!(
        web["status"]["availableReplicas"] == 2,
        "it runs: {}",
        web["status"]
    );
    let labels = &web["metadata"]["labels"];
    ensure!(
        labels[crds::meta::KUSTOMIZE_NAME] == "app"
            && labels[crds::meta::KUSTOMIZE_NAMESPACE] == space.name(),
        "{labels}"
    );
    let ids: Vec<_> = synced["status"]["inventory"]["entries"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|e| &e["id"])
        .collect();
    let expected = ["_settings__ConfigMap", "_web__Service", "_web_apps_Deployment"]
        .map(|id| format!("{}{id}", space.name()));
    ensure!(ids == expected.iter().collect::<Vec<_>>(), "{ids:?}");
    ensure!(
        synced["status"]["history"][0]["lastReconciledStatus"] == "ReconciliationSucceeded",
        "{}",
        synced["status"]
    );
    space.at_rest().await
}

/// Two clusters that read the same commit speak of the same bytes: commits in scenarios have fixed dates, so this
/// digest is the same on every machine.
#[tokio::test]
async fn the_same_commit_is_the_same_artifact_everywhere() -> Result<()> {
    let space = World::shared().await?.space("same-digest").await?;
    space
        .repo
        .commit(&[("a.yaml", &app::config_map("a", "1")), ("dir/b.txt", "two\n")])?;
    space.git_repository(json!({})).await?;
    let ready = space.verdict(SOURCE, "GitRepository", "app", "Succeeded").await?;
    let source = space
        .get(SOURCE, "GitRepository", "app")
        .await?
        .context("no GitRepository")?;
    let artifact = &source["status"]["artifact"];
    ensure!(artifact["digest"] == DIGEST, "{artifact}");
    space.contains(&ready.message, "stored artifact for revision 'main@sha1:")?;

    // Asked again, nothing moves but the answer to the question.
    let again = space.handled(SOURCE, "GitRepository", "app").await?;
    ensure!(
        &again["status"]["artifact"] == artifact,
        "{}",
        again["status"]["artifact"]
    );
    space.at_rest().await
}

const DIGEST: &str = "sha256:734fd68c27d26b2548526284ed8f728c386cea62b55137b028c571f272d29ad8";

/// One change in a repository of many apps is the work of one.
#[tokio::test]
async fn an_app_that_a_commit_does_not_touch_is_not_touched() -> Result<()> {
    let space = World::shared().await?.space("untouched").await?;
    space.repo.commit(&[
        ("one/a.yaml", &app::config_map("one", "1")),
        ("two/a.yaml", &app::config_map("two", "1")),
    ])?;
    space.git_repository(json!({})).await?;
    for name in ["one", "two"] {
        space.kustomization(name, &format!("./{name}"), json!({})).await?;
        space
            .verdict(KUSTOMIZE, "Kustomization", name, "ReconciliationSucceeded")
            .await?;
    }
    let version = async || {
        let two = space
            .get("v1", "ConfigMap", "two")
            .await?
            .context("no ConfigMap")?;
        anyhow::Ok(two["metadata"]["resourceVersion"].clone())
    };
    let before = version().await?;
    let commit = space
        .push(&[("one/a.yaml", &app::config_map("one", "2"))])
        .await?;
    for name in ["one", "two"] {
        space.synced(name, &commit).await?;
    }
    let one = space
        .get("v1", "ConfigMap", "one")
        .await?
        .context("no ConfigMap")?;
    ensure!(one["data"]["value"] == "2", "{one}");
    ensure!(version().await? == before, "the other app was written to");
    space.at_rest().await
}

/// A look at a branch that has not moved is one listing, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_unmoved_branch_costs_one_request() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("unmoved").await?;
    space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    space.verdict(SOURCE, "GitRepository", "app", "Succeeded").await?;
    let before = world.git.counts();
    for _ in 0..3 {
        space.handled(SOURCE, "GitRepository", "app").await?;
    }
    let after = world.git.counts();
    ensure!(
        after.ls_refs - before.ls_refs == 3
            && (after.info_refs, after.fetch, after.other) == (before.info_refs, before.fetch, before.other),
        "{before:?} {after:?}"
    );
    Ok(())
}
