//! Replicas agree on one that works; the others take over when it dies, ends, or loses its lease.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app,
    expect::eventually,
    space::LIMIT,
    suite::{NAMESPACE, Options},
    world::World,
};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

const LEASE: &str = "kustomize-controller-leader-election";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_standby_takes_over() -> Result<()> {
    let flags = [
        "--enable-leader-election",
        "--leader-election-lease-duration=3s",
        "--leader-election-renew-deadline=2s",
        "--leader-election-retry-period=200ms",
    ];
    let world = World::start(&Options {
        kustomize: flags.map(Into::into).to_vec(),
        ..Options::default()
    })
    .await?;
    let space = world.space("leadership").await?;
    let leases: Api<Lease> = Api::namespaced(space.cluster.client.clone(), NAMESPACE);
    let commit = space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    space.kustomization("app", "./", json!({})).await?;
    space.synced("app", &commit).await?;
    let first = holder(&leases, "").await?;

    // A standby is ready, and leaves the lease to the leader.
    let standby = world.suite.kustomize.replica("standby", &[])?;
    standby.start()?;
    standby.ready().await?;
    ensure!(holder(&leases, "").await? == first, "the leader was not replaced");

    // Killed: the lease runs out.
    world.suite.kustomize.kill();
    let commit = space.push(&[("a.yaml", &app::config_map("a", "2"))]).await?;
    space.synced("app", &commit).await?;
    let second = holder(&leases, &first.0).await?;
    ensure!(second.1 == first.1 + 1, "one transition: {first:?} {second:?}");

    // Ended in order: the lease is given back, nobody waits for it to run out.
    world.suite.kustomize.start()?;
    world.suite.kustomize.ready().await?;
    standby.stop();
    let released = std::time::Instant::now();
    holder(&leases, &second.0).await?;
    e2e::note!(
        "leadership: taken over {} ms after an orderly end",
        released.elapsed().as_millis()
    );
    let commit = space.push(&[("a.yaml", &app::config_map("a", "3"))]).await?;
    space.synced("app", &commit).await?;

    // Robbed: whoever leads now may be writing, so the old leader ends at once, with an error.
    let thief = json!({"spec": {"holderIdentity": "thief"}});
    leases
        .patch(LEASE, &PatchParams::default(), &Patch::Merge(thief))
        .await?;
    eventually("the robbed leader has ended", LIMIT, async || {
        Ok((!world.suite.kustomize.alive()).then_some(()))
    })
    .await?;
    let log = std::fs::read_to_string(world.suite.kustomize.log())?;
    ensure!(log.contains("lost the leadership"), "it says why");
    Ok(())
}

/// Who holds the lease and how often it changed hands, once that is somebody other than `old`.
async fn holder(leases: &Api<Lease>, old: &str) -> Result<(String, i32)> {
    let held = async || {
        let spec: LeaseSpec = leases.get(LEASE).await?.spec.context("a lease without spec")?;
        let holder = spec.holder_identity.unwrap_or_default();
        let changed = !holder.is_empty() && holder != old;
        Ok(changed.then_some((holder, spec.lease_transitions.unwrap_or(0))))
    };
    eventually("the lease is held", LIMIT, held).await
}
