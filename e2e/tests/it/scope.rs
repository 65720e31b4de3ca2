//! Which objects a controller works on: its shard's by label, those of its own namespace, or all.

use anyhow::{Result, ensure};
use e2e::{
    app,
    flux::{KUSTOMIZE, SOURCE},
    suite::{NAMESPACE, Options},
    world::World,
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, api::ListParams};
use serde_json::json;

/// The convention of Flux: the main replica takes what has no key, each shard takes its own.
const KEY: &str = "sharding.fluxcd.io/key";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shards_share_the_work_by_label() -> Result<()> {
    let main = vec![
        format!("--watch-label-selector=!{KEY}"),
        "--enable-leader-election".to_owned(),
    ];
    let world = World::start(&Options {
        kustomize: main,
        ..Options::default()
    })
    .await?;
    let space = world.space("sharding").await?;
    let commit = space.repo.commit(&[
        ("one/a.yaml", &app::config_map("one", "1")),
        ("two/a.yaml", &app::config_map("two", "1")),
    ])?;
    space.git_repository(json!({})).await?;
    space
        .kustomization("two", "./two", json!({"metadata": {"labels": {KEY: "shard1"}}}))
        .await?;
    space.kustomization("one", "./one", json!({})).await?;
    space.synced("one", &commit).await?;
    // The other was created before and is nobody's yet.
    let two = space
        .get(KUSTOMIZE, "Kustomization", "two")
        .await?
        .unwrap_or_default();
    ensure!(two["metadata"]["finalizers"].is_null(), "untouched: {two}");

    let shard = world
        .suite
        .kustomize
        .replica("shard1", &[&format!("--watch-label-selector={KEY}=shard1")])?;
    shard.start()?;
    shard.ready().await?;
    space.synced("two", &commit).await?;
    // Each shard has a leader of its own.
    let leases: Api<Lease> = Api::namespaced(space.cluster.client.clone(), NAMESPACE);
    let leases = leases.list(&ListParams::default()).await?;
    let names: Vec<String> = leases
        .into_iter()
        .filter_map(|l| l.metadata.name)
        .filter(|n| n.starts_with("kustomize-controller-leader-election-"))
        .collect();
    ensure!(names.len() == 2, "a lease a shard: {names:?}");
    // An object that changes hands is gone on with, not done anew.
    let moved = json!({"metadata": {"labels": {KEY: "shard1"}}});
    space.patch(KUSTOMIZE, "Kustomization", "one", moved).await?;
    let commit = space
        .push(&[("one/a.yaml", &app::config_map("one", "2"))])
        .await?;
    space.synced("one", &commit).await?;
    space.at_rest().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_controller_may_be_kept_to_its_own_namespace() -> Result<()> {
    let own = vec!["--watch-all-namespaces=false".to_owned()];
    let world = World::start(&Options {
        source: own.clone(),
        kustomize: own.clone(),
        helm: own,
        ..Options::default()
    })
    .await?;
    let (outside, inside) = (world.space("elsewhere").await?, world.space(NAMESPACE).await?);
    for space in [&outside, &inside] {
        space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
        space.git_repository(json!({})).await?;
        space.kustomization("app", "./", json!({})).await?;
    }
    let commit = inside.push(&[("a.yaml", &app::config_map("a", "2"))]).await?;
    inside.synced("app", &commit).await?;
    for (api_version, kind) in [(SOURCE, "GitRepository"), (KUSTOMIZE, "Kustomization")] {
        let object = outside.get(api_version, kind, "app").await?.unwrap_or_default();
        ensure!(
            object["metadata"]["finalizers"].is_null() && object["status"]["conditions"].is_null(),
            "untouched: {object}"
        );
    }
    inside.at_rest().await
}
