//! An API server that is away for 20 seconds: nobody dies, and all that was missed is made up for.

use anyhow::{Result, ensure};
use e2e::{app, suite::Options, world::World};
use serde_json::json;
use std::time::{Duration, Instant};

const OUTAGE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_outage_of_the_api_server_is_outlived() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("outage").await?;
    let first = space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    // A short interval: the source is due during the outage.
    space.git_repository(json!({"spec": {"interval": "5s"}})).await?;
    space.kustomization("app", "./", json!({})).await?;
    space.synced("app", &first).await?;
    let pids = world.suite.controllers().map(|c| c.pid());

    world.plane.stop_apiserver();
    let begin = Instant::now();
    let second = space.repo.commit(&[("a.yaml", &app::config_map("a", "2"))])?;
    tokio::time::sleep(OUTAGE).await;
    world.plane.start_apiserver().await?;
    e2e::note!(
        "outage: the API server was away for {} ms",
        begin.elapsed().as_millis()
    );

    let begin = Instant::now();
    space.synced("app", &second).await?;
    e2e::note!(
        "outage: a commit made meanwhile is applied {} ms after its end",
        begin.elapsed().as_millis()
    );
    space
        .holds("Git's value is there", "v1", "ConfigMap", "a", |o| {
            o["data"]["value"] == "2"
        })
        .await?;
    ensure!(
        world.suite.controllers().map(|c| c.pid()) == pids,
        "no controller was replaced"
    );
    for controller in world.suite.controllers() {
        controller.ready().await?;
    }
    // Watches are back as well.
    let begin = Instant::now();
    space
        .patch("v1", "ConfigMap", "a", json!({"data": {"value": "hand"}}))
        .await?;
    space
        .holds("drift is undone", "v1", "ConfigMap", "a", |o| {
            o["data"]["value"] == "2"
        })
        .await?;
    e2e::note!(
        "outage: after it, drift is undone within {} ms",
        begin.elapsed().as_millis()
    );
    space.at_rest().await
}
