//! Tenants with a ServiceAccount each: what one may not do, it cannot have done for it; its neighbour notices nothing.

use anyhow::{Result, ensure};
use e2e::{app, flux::KUSTOMIZE, suite::Options, world::World};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_tenant_is_kept_to_what_is_its_own() -> Result<()> {
    let lockdown = [
        "--no-cross-namespace-refs=true",
        "--default-service-account=default",
    ];
    let world = World::start(&Options {
        kustomize: lockdown.map(Into::into).to_vec(),
        ..Options::default()
    })
    .await?;
    let (good, evil) = (
        world.space("tenant-good").await?,
        world.space("tenant-evil").await?,
    );
    for space in [&good, &evil] {
        space.cluster.tenant(space.name(), "deployer", "edit").await?;
        let commit = space.repo.commit(&[
            (
                "own/web.yaml",
                &app::all(&[
                    app::deployment("web", "nginx:1.27", 1),
                    app::config_map("own", "1"),
                ]),
            ),
            (
                "foreign/a.yaml",
                &elsewhere(&app::config_map("foreign", "1"), "tenant-good"),
            ),
            (
                "mixed/a.yaml",
                &elsewhere(&app::config_map("mixed", "1"), "tenant-evil"),
            ),
            (
                "mixed/b.yaml",
                &elsewhere(&app::config_map("mixed", "1"), "tenant-good"),
            ),
            ("cluster/role.yaml", ADMIN),
            ("escalate/binding.yaml", ESCALATE),
        ])?;
        space.git_repository(json!({})).await?;
        space
            .kustomization(
                "own",
                "./own",
                json!({"spec": {"serviceAccountName": "deployer", "wait": true}}),
            )
            .await?;
        space.synced("own", &commit).await?;
    }
    let before = good
        .holds("it is there", "v1", "ConfigMap", "own", |_| true)
        .await?;

    let named = |more: Value| {
        e2e::flux::with(
            json!({"spec": {"targetNamespace": null, "serviceAccountName": "deployer"}}),
            &more,
        )
    };
    for (name, change, reason, message) in [
        // What the manifests name is written in the tenant's name, wherever it lies.
        (
            "foreign",
            named(json!({})),
            "ReconciliationFailed",
            "system:serviceaccount:tenant-evil:deployer",
        ),
        ("mixed", named(json!({})), "ReconciliationFailed", "forbidden"),
        ("cluster", named(json!({})), "ReconciliationFailed", "forbidden"),
        ("escalate", named(json!({})), "ReconciliationFailed", "forbidden"),
        // Another's ServiceAccount cannot be named: the name is looked up in the own namespace.
        (
            "own",
            json!({"metadata": {"name": "no-account"}, "spec": {"serviceAccountName": "tenant-good:deployer"}}),
            "ReconciliationFailed",
            "ServiceAccount",
        ),
        // Who names none acts as the default one, which may do nothing.
        (
            "own",
            json!({"metadata": {"name": "no-rights"}}),
            "ReconciliationFailed",
            "system:serviceaccount:tenant-evil:default",
        ),
        (
            "own",
            json!({"metadata": {"name": "not-my-source"}, "spec": {"serviceAccountName": "deployer", "sourceRef": {"namespace": "tenant-good"}}}),
            "AccessDenied",
            "can't access 'GitRepository/tenant-good/app'",
        ),
    ] {
        evil.kustomization(name, &format!("./{name}"), change.clone())
            .await?;
        let name = change["metadata"]["name"].as_str().unwrap_or(name);
        evil.says(KUSTOMIZE, "Kustomization", name, reason, message)
            .await?;
    }
    ensure!(
        good.get("v1", "ConfigMap", "foreign").await?.is_none(),
        "nothing was written to the neighbour"
    );
    ensure!(
        evil.get("v1", "ConfigMap", "mixed").await?.is_none(),
        "a set that is refused in part is not written in part"
    );
    ensure!(
        evil.get("rbac.authorization.k8s.io/v1", "ClusterRole", "tenant-made")
            .await?
            .is_none(),
        "no ClusterRole was made"
    );
    let after = good
        .holds("it is there", "v1", "ConfigMap", "own", |_| true)
        .await?;
    ensure!(before == after, "the neighbour's objects were not touched");

    // The tenant's own things are healed in its name as anybody's.
    evil.delete("v1", "ConfigMap", "own").await?;
    evil.holds("it is back", "v1", "ConfigMap", "own", |_| true)
        .await?;
    good.at_rest().await?;
    evil.at_rest().await
}

/// A tenant who loses a right is told, and what is there stays.
#[tokio::test]
async fn a_right_that_is_taken_away_is_told() -> Result<()> {
    let space = World::shared().await?.space("tenant-loses").await?;
    space.cluster.tenant(space.name(), "deployer", "edit").await?;
    let first = space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    space
        .kustomization(
            "app",
            "./",
            json!({"spec": {"serviceAccountName": "deployer", "retryInterval": "2s"}}),
        )
        .await?;
    space.synced("app", &first).await?;
    space
        .delete("rbac.authorization.k8s.io/v1", "RoleBinding", "deployer")
        .await?;
    let second = space.push(&[("a.yaml", &app::config_map("a", "2"))]).await?;
    let told = space
        .verdict(KUSTOMIZE, "Kustomization", "app", "ReconciliationFailed")
        .await?;
    space.contains(&told.message, "forbidden")?;
    space
        .holds("it stays", "v1", "ConfigMap", "a", |o| o["data"]["value"] == "1")
        .await?;
    space.cluster.tenant(space.name(), "deployer", "edit").await?;
    space.synced("app", &second).await?;
    space.at_rest().await
}

fn elsewhere(manifest: &str, namespace: &str) -> String {
    manifest.replace("metadata:\n", &format!("metadata:\n  namespace: {namespace}\n"))
}

const ADMIN: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: tenant-made
rules:
  - apiGroups: ['*']
    resources: ['*']
    verbs: ['*']
";

const ESCALATE: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: escalate
  namespace: tenant-evil
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: cluster-admin
subjects:
  - kind: ServiceAccount
    name: deployer
    namespace: tenant-evil
";
