//! What others need is found in the store, and what takes its time there is not late.

use super::{BUCKET, GIT, OCI, kept_at, key};
use anyhow::{Context as _, Result, ensure};
use e2e::{
    app, expect,
    flux::{SOURCE, git_repository, with},
    origin::{Answer, Artifact, Guard, Letter, Registry, S3Server, Sink},
    world::World,
};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_needs_an_artifact_of_others_finds_it_in_the_store() -> Result<()> {
    let store = S3Server::start(None).await?;
    store.create(BUCKET).await?;
    let world = World::start(&kept_at(&store.endpoint())).await?;
    let space = world.space("store-others").await?;
    let chart = "apiVersion: v2\nname: web\nversion: 0.1.0\n";
    space
        .repo
        .commit(&[("a.yaml", &app::config_map("a", "1")), ("web/Chart.yaml", chart)])?;
    space.git_repository(json!({})).await?;
    let including = json!({"spec": {"include": [{"repository": {"name": "app"}, "toPath": "app"}]}});
    let including = with(git_repository("all", &space.url()), &including);
    space.apply(including.clone()).await?;
    space
        .apply(json!({
            "apiVersion": SOURCE, "kind": "HelmChart", "metadata": {"name": "web"},
            "spec": {"interval": "1h", "chart": "web", "sourceRef": {"kind": GIT, "name": "app"}},
        }))
        .await?;
    let ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    let kinds = [(GIT, "app"), (GIT, "all"), ("HelmChart", "web")];
    for (kind, name) in kinds {
        space.holds("ready", SOURCE, kind, name, ready).await?;
    }
    // Its source does not take its file back: it is suspended.
    space.git_repository(json!({"spec": {"suspend": true}})).await?;
    world.suite.source.stop();
    std::fs::remove_dir_all(world.suite.storage())?;
    std::fs::create_dir_all(world.suite.storage())?;
    world.suite.source.start()?;
    world.suite.source.ready().await?;
    let since = |o: &Value| expect::verdict(o).map(|v| v.since);
    for (kind, name) in &kinds[1..] {
        let before = space.get(SOURCE, kind, name).await?.context("it is there")?;
        let after = space.handled(SOURCE, kind, name).await?;
        ensure!(
            ready(&after) && since(&before) == since(&after),
            "{name} was not ready: {after}"
        );
    }
    // Made anew, it has all of the other's files.
    let other = json!({"spec": {"ignore": "*.txt"}});
    space.apply(with(including, &other)).await?;
    let is_new = |o: &Value| o["status"]["observedGeneration"] == 2 && ready(o);
    let all = space.holds("it is made anew", SOURCE, GIT, "all", is_new).await?;
    let url = all["status"]["artifact"]["url"].as_str().context("a url")?;
    let archive = reqwest::get(url).await?.error_for_status()?.bytes().await?;
    let tree = artifact::unpack(&archive[..], &artifact::Limits::default())?;
    ensure!(tree.files().any(|(path, _)| path == "app/a.yaml"), "{all}");
    Ok(())
}

/// Neither here nor in the store: its owner, which nobody asks and whose interval is long, makes it anew for whoever needs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_nowhere_is_made_anew_for_whoever_needs_it() -> Result<()> {
    let store = S3Server::start(None).await?;
    store.create(BUCKET).await?;
    let world = World::start(&kept_at(&store.endpoint())).await?;
    let space = world.space("store-nowhere").await?;
    let chart = "apiVersion: v2\nname: web\nversion: 0.1.0\n";
    space.repo.commit(&[("web/Chart.yaml", chart)])?;
    space.git_repository(json!({})).await?;
    let ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    let source = space.holds("ready", SOURCE, GIT, "app", ready).await?;
    let artifact = &source["status"]["artifact"];
    let path = artifact["path"].as_str().context("a path")?;
    std::fs::remove_file(world.suite.storage().join(path))?;
    store.delete(BUCKET, &key(artifact)?).await?;

    space
        .apply(json!({
            "apiVersion": SOURCE, "kind": "HelmChart", "metadata": {"name": "web"},
            "spec": {"interval": "1h", "chart": "web", "sourceRef": {"kind": GIT, "name": "app"}},
        }))
        .await?;
    space.holds("ready", SOURCE, "HelmChart", "web", ready).await?;
    let after = space.get(SOURCE, GIT, "app").await?.context("it is there")?;
    ensure!(
        after["status"]["artifact"]["digest"] == artifact["digest"]
            && world.suite.storage().join(path).exists(),
        "its owner has it again: {after}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_long_to_archive_is_not_late() -> Result<()> {
    const TIMEOUT: &str = "2s";
    // A store that answers everything, and nothing within the timeout.
    let store = Sink::start().await?;
    store.always(Some(Answer {
        status: 200,
        retry_after: None,
        delay: Duration::from_secs(3),
    }));
    let endpoint = store.url("");
    let endpoint = endpoint.trim_start_matches("http://");
    let world = World::start(&kept_at(endpoint)).await?;
    let space = world.space("store-slow").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let files = Artifact::of_files(&[("b.yaml", &app::config_map("b", "1"))])?;
    registry.push("apps/b", "latest", &files).await?;
    space
        .apply(json!({
            "apiVersion": SOURCE, "kind": OCI, "metadata": {"name": "app"},
            "spec": {"interval": "1h", "timeout": TIMEOUT, "url": registry.url("apps/b"), "insecure": true},
        }))
        .await?;
    let ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    space.holds("ready", SOURCE, OCI, "app", ready).await?;
    let written =
        |letter: &Letter| letter.method == "PUT" && letter.path.contains("ocirepository/store-slow/app");
    ensure!(store.letters().iter().any(written), "{:#?}", store.letters());
    Ok(())
}
