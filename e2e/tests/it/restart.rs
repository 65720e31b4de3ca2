//! A controller that is killed in mid-work loses nothing, and one that starts again writes nothing it need not.

mod download;
mod pack;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app,
    expect::eventually,
    flux::SOURCE,
    space::{LIMIT, Space},
    suite::Options,
    world::World,
};
use serde_json::json;

const APPS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_in_mid_work_loses_nothing() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("restart").await?;
    let first = space.repo.commit(
        &files("1")
            .iter()
            .map(|(p, t)| (p.as_str(), t.as_str()))
            .collect::<Vec<_>>(),
    )?;
    space.git_repository(json!({})).await?;
    for n in 0..APPS {
        space
            .kustomization(&name(n), &format!("./{}", name(n)), json!({}))
            .await?;
    }
    all_synced(&space, &first).await?;

    // kustomize-controller, while a commit that changes every app is being applied.
    let second = space
        .push(
            &files("2")
                .iter()
                .map(|(p, t)| (p.as_str(), t.as_str()))
                .collect::<Vec<_>>(),
        )
        .await?;
    let some = async || {
        let done = at(&space, "2").await?;
        Ok((done > 0).then_some(done))
    };
    let done = eventually("some are applied", LIMIT, some).await?;
    world.suite.kustomize.kill();
    e2e::note!("restart: kustomize-controller was killed when {done} of {APPS} were applied");
    // What happens while it is away is not lost either.
    space.delete("v1", "ConfigMap", &name(0)).await?;
    space
        .patch("v1", "ConfigMap", &name(1), json!({"data": {"value": "hand"}}))
        .await?;
    world.suite.kustomize.start()?;
    world.suite.kustomize.ready().await?;
    all_synced(&space, &second).await?;
    let all = async || Ok((at(&space, "2").await? == APPS).then_some(()));
    space.until("all have the new value", LIMIT, all).await?;
    space.at_rest().await?;

    // source-controller, in the middle of a fetch; the greeting is known by now.
    world.git.hang();
    let asked = || {
        let counts = world.git.counts();
        counts.info_refs + counts.ls_refs
    };
    let before = asked();
    let third = space
        .push(
            &files("3")
                .iter()
                .map(|(p, t)| (p.as_str(), t.as_str()))
                .collect::<Vec<_>>(),
        )
        .await?;
    eventually("it is fetching", LIMIT, async || {
        Ok((asked() > before).then_some(()))
    })
    .await?;
    world.suite.source.kill();
    world.git.release();
    world.suite.source.start()?;
    world.suite.source.ready().await?;
    all_synced(&space, &third).await?;
    space.at_rest().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_restart_at_rest_writes_nothing() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("restart-idle").await?;
    let first = space.repo.commit(
        &files("1")
            .iter()
            .map(|(p, t)| (p.as_str(), t.as_str()))
            .collect::<Vec<_>>(),
    )?;
    space.git_repository(json!({})).await?;
    for n in 0..APPS {
        space
            .kustomization(&name(n), &format!("./{}", name(n)), json!({}))
            .await?;
    }
    all_synced(&space, &first).await?;
    space.at_rest().await?;
    let before = versions(&space).await?;
    let artifact = artifact(&space).await?;
    for controller in world.suite.controllers() {
        let took = controller.stop();
        e2e::note!(
            "restart: {} ends within {} ms",
            controller.name(),
            took.as_millis()
        );
        ensure!(took.as_secs() < 30, "{} took {took:?} to end", controller.name());
        controller.start()?;
        controller.ready().await?;
    }
    space.at_rest().await?;
    ensure!(
        versions(&space).await? == before,
        "applied objects were written to"
    );
    ensure!(self::artifact(&space).await? == artifact, "the artifact changed");
    let answer = reqwest::get(artifact["url"].as_str().context("no url")?).await?;
    ensure!(
        answer.status().is_success(),
        "the artifact is served again: {}",
        answer.status()
    );
    // And it works on.
    let second = space
        .push(
            &files("2")
                .iter()
                .map(|(p, t)| (p.as_str(), t.as_str()))
                .collect::<Vec<_>>(),
        )
        .await?;
    all_synced(&space, &second).await?;
    space.at_rest().await
}

fn name(n: usize) -> String {
    format!("app-{n:02}")
}

fn files(value: &str) -> Vec<(String, String)> {
    (0..APPS)
        .map(|n| (format!("{}/a.yaml", name(n)), app::config_map(&name(n), value)))
        .collect()
}

async fn all_synced(space: &Space<'_>, commit: &str) -> Result<()> {
    for n in 0..APPS {
        space.synced(&name(n), commit).await?;
    }
    Ok(())
}

/// How many of the apps have a value.
async fn at(space: &Space<'_>, value: &str) -> Result<usize> {
    let maps = space
        .api("v1", "ConfigMap")
        .await?
        .list(&Default::default())
        .await?;
    Ok(maps.iter().filter(|m| m.data["data"]["value"] == value).count())
}

async fn versions(space: &Space<'_>) -> Result<Vec<Option<String>>> {
    let maps = space
        .api("v1", "ConfigMap")
        .await?
        .list(&Default::default())
        .await?;
    Ok(maps.iter().map(|m| m.metadata.resource_version.clone()).collect())
}

async fn artifact(space: &Space<'_>) -> Result<serde_json::Value> {
    let source = space
        .get(SOURCE, "GitRepository", "app")
        .await?
        .context("no GitRepository")?;
    Ok(source["status"]["artifact"].clone())
}
