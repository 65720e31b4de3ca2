//! An artifact that is deleted or damaged under the file server's feet is stored again, the same bytes.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app,
    flux::{KUSTOMIZE, SOURCE},
    origin::{HelmServer, Page, helm::index},
    world::World,
};
use serde_json::json;
use std::path::PathBuf;

#[tokio::test]
async fn a_lost_artifact_is_stored_again() -> Result<()> {
    let world = World::shared().await?;
    let space = world.space("artifact-lost").await?;
    let commit = space.repo.commit(&[
        ("a.yaml", &app::config_map("a", "1")),
        ("late/b.yaml", &app::config_map("b", "1")),
    ])?;
    space.git_repository(json!({})).await?;
    space.verdict(SOURCE, "GitRepository", "app", "Succeeded").await?;
    let artifact = async || {
        let source = space
            .get(SOURCE, "GitRepository", "app")
            .await?
            .context("no GitRepository")?;
        // When it was stored may be told anew; what it is may not change.
        let same = ["digest", "path", "revision", "size", "url"]
            .map(|key| source["status"]["artifact"][key].clone());
        anyhow::Ok(same)
    };
    let before = artifact().await?;
    let file: PathBuf = world.suite.storage().join(before[1].as_str().context("no path")?);
    let bytes = std::fs::read(&file)?;

    std::fs::remove_file(&file)?;
    space.request(SOURCE, "GitRepository", "app").await?;
    space
        .until("the file is back", e2e::space::LIMIT, async || {
            Ok(file.exists().then_some(()))
        })
        .await?;
    ensure!(std::fs::read(&file)? == bytes, "the same bytes");

    std::fs::write(&file, b"not an archive")?;
    space.request(SOURCE, "GitRepository", "app").await?;
    let healed = async || Ok((std::fs::read(&file)? == bytes).then_some(()));
    space
        .until("the damaged file is whole again", e2e::space::LIMIT, healed)
        .await?;
    let told = async || {
        let events = space.events().await?;
        let mut reasons = events.iter().filter_map(|event| event.reason.as_deref());
        Ok(reasons
            .any(|reason| reason == "ArtifactVerificationFailed")
            .then_some(()))
    };
    space.until("the damage is told", e2e::space::LIMIT, told).await?;

    // Nobody asks the source: whoever looks for the file in vain makes it come back.
    std::fs::remove_file(&file)?;
    let url = before[4].as_str().context("no URL")?;
    let served = async || Ok(reqwest::get(url).await?.status().is_success().then_some(()));
    space
        .until("the file is served again", e2e::space::LIMIT, served)
        .await?;
    ensure!(std::fs::read(&file)? == bytes, "the same bytes");
    space.kustomization("late", "./late", json!({})).await?;
    let ready = space.synced("late", &commit).await?;
    ensure!(
        ready["status"]["inventory"]["entries"][0]["id"] == "artifact-lost_b__ConfigMap",
        "{}",
        ready["status"]
    );
    ensure!(
        artifact().await? == before,
        "the status did not move: it is the same artifact"
    );
    space
        .verdict(KUSTOMIZE, "Kustomization", "late", "ReconciliationSucceeded")
        .await?;
    space.at_rest().await
}

/// An artifact that is lost while its upstream is away is taken back, so that nobody is sent to what is not there.
#[tokio::test]
async fn what_cannot_be_made_anew_is_taken_back() -> Result<()> {
    let world = World::shared().await?;
    let space = world.space("artifact-gone").await?;
    let server = HelmServer::start().await?;
    let good = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put("/index.yaml", Page::Known(good.clone()));
    let object = json!({
        "apiVersion": SOURCE, "kind": "HelmRepository", "metadata": {"name": "repo"},
        "spec": {"interval": "1h", "url": server.url("")},
    });
    space.apply(object).await?;
    let ready = space
        .verdict(SOURCE, "HelmRepository", "repo", "Succeeded")
        .await?;
    ensure!(ready.status == "True", "{ready:?}");
    let status = async || {
        let object = space.get(SOURCE, "HelmRepository", "repo").await?;
        anyhow::Ok(object.context("no HelmRepository")?["status"].clone())
    };
    let before = status().await?;
    let path = before["artifact"]["path"].as_str().context("no path")?;
    let url = before["artifact"]["url"].as_str().context("no URL")?;
    std::fs::remove_file(world.suite.storage().join(path))?;
    let refuses = Page::Status(429, vec![("Retry-After", "3600".to_owned())]);
    server.put("/index.yaml", refuses);
    space.request(SOURCE, "HelmRepository", "repo").await?;
    space.verdict(SOURCE, "HelmRepository", "repo", "Failed").await?;
    let after = status().await?;
    let stored = after["conditions"].as_array().into_iter().flatten();
    ensure!(
        after["artifact"].is_null()
            && after["url"].is_null()
            && stored.into_iter().all(|c| c["type"] != "ArtifactInStorage"),
        "{after}"
    );

    // Who looks for it in vain does not make us ask a server that wants to be left alone.
    let asked = server.seen("/index.yaml").len();
    for _ in 0..50 {
        ensure!(reqwest::get(url).await?.status() == 404, "it is not there");
    }
    space.at_rest().await?;
    ensure!(server.seen("/index.yaml").len() == asked, "nobody asked again");

    server.put("/index.yaml", Page::Known(good));
    space.request(SOURCE, "HelmRepository", "repo").await?;
    let back =
        async || Ok((status().await?["artifact"]["digest"] == before["artifact"]["digest"]).then_some(()));
    space.until("the artifact is back", e2e::space::LIMIT, back).await
}
