//! Flags of source-controller that change what others see: the algorithm of digests, whose objects are worked on, and where
//! artifacts are said to be.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app, expect,
    flux::{SOURCE, git_repository, with},
    process::free_port,
    suite::Options,
    world::World,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

const KIND: &str = "GitRepository";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn flags_change_what_they_say() -> Result<()> {
    let port = free_port()?;
    let flags = [
        "--artifact-digest-algo=sha512".to_owned(),
        "--watch-label-selector=tier!=theirs".to_owned(),
        format!("--storage-addr=127.0.0.1:{port}"),
        format!("--storage-adv-addr=127.0.0.1:{port}"),
    ];
    let world = World::start(&Options {
        source: flags.into(),
        ..Options::default()
    })
    .await?;
    let space = world.space("source-flags").await?;
    space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    let theirs = json!({"metadata": {"name": "theirs", "labels": {"tier": "theirs"}}});
    space
        .apply(with(git_repository("theirs", &space.url()), &theirs))
        .await?;
    space.git_repository(json!({})).await?;
    let at = async |prefix: String| {
        let is_there = |o: &Value| {
            let url = o["status"]["artifact"]["url"].as_str();
            url.is_some_and(|url| url.starts_with(&prefix))
                && expect::verdict(o).is_some_and(|v| v.status == "True")
        };
        let what = format!("its artifact is at {prefix}");
        let object = space.holds(&what, SOURCE, KIND, "app", is_there).await?;
        let artifact = object["status"]["artifact"].clone();
        let url = artifact["url"].as_str().context("an address")?;
        let served = reqwest::get(url).await?.error_for_status()?.bytes().await?;
        let digest = format!("sha512:{}", hex::encode(Sha512::digest(&served)));
        ensure!(artifact["digest"] == digest.as_str(), "{artifact}: {digest}");
        Ok::<_, anyhow::Error>(artifact)
    };
    let before = at(format!("http://127.0.0.1:{port}/")).await?;

    // What another controller is for was applied first, and is as it was.
    let object = space.get(SOURCE, KIND, "theirs").await?.context("it is there")?;
    ensure!(object["metadata"]["finalizers"].is_null(), "{object}");
    ensure!(object["status"]["conditions"].is_null(), "{object}");

    // Another address, and the same artifact: nobody has to be told of it.
    let told = space.events().await?.len();
    world.suite.source.kill();
    let elsewhere = format!("--storage-adv-addr=localhost:{port}");
    let moved = world.suite.source.replica("moved", &[&elsewhere])?;
    moved.start()?;
    let after = at(format!("http://localhost:{port}/")).await?;
    for field in ["path", "revision", "digest", "size", "lastUpdateTime"] {
        ensure!(before[field] == after[field], "{field}: {before} {after}");
    }
    ensure!(space.events().await?.len() == told, "{}", space.dump().await?);
    Ok(())
}
