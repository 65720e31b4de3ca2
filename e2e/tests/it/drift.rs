//! Whatever is changed or deleted by hand is back at once, with an interval of an hour.

use anyhow::{Result, ensure};
use e2e::{app, cluster::reborn, world::World};
use serde_json::{Value, json};
use std::time::Instant;

#[tokio::test]
async fn edits_and_deletions_are_undone_at_once() -> Result<()> {
    let space = World::shared().await?.space("drift").await?;
    let commit = space.repo.commit(&[
        ("web.yaml", &app::deployment("web", "nginx:1.27", 1)),
        ("settings.yaml", &app::config_map("settings", "git")),
    ])?;
    space.git_repository(json!({})).await?;
    space
        .kustomization("app", "./", json!({"spec": {"wait": true}}))
        .await?;
    space.synced("app", &commit).await?;

    let begin = Instant::now();
    space
        .patch("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 5}}))
        .await?;
    space
        .holds("the replicas are back", "apps/v1", "Deployment", "web", |o| {
            o["spec"]["replicas"] == 1
        })
        .await?;
    println!(
        "drift: an edited field is back after {} ms",
        begin.elapsed().as_millis()
    );

    let begin = Instant::now();
    let by_hand =
        json!({"data": {"value": "hand"}, "metadata": {"labels": {crds::meta::KUSTOMIZE_NAME: null}}});
    space.patch("v1", "ConfigMap", "settings", by_hand).await?;
    let healed = |o: &Value| {
        o["data"]["value"] == "git" && o["metadata"]["labels"][crds::meta::KUSTOMIZE_NAME] == "app"
    };
    space
        .holds("value and label are back", "v1", "ConfigMap", "settings", healed)
        .await?;
    println!(
        "drift: an object that was changed and stripped of its label is back after {} ms",
        begin.elapsed().as_millis()
    );

    for (api_version, kind, name) in [("v1", "ConfigMap", "settings"), ("apps/v1", "Deployment", "web")] {
        let old = space
            .holds("it is there", api_version, kind, name, |_| true)
            .await?;
        let begin = Instant::now();
        space.delete(api_version, kind, name).await?;
        let back = |o: &Value| {
            o["metadata"]["uid"] != old["metadata"]["uid"] && o["metadata"]["deletionTimestamp"].is_null()
        };
        space.holds("it is back", api_version, kind, name, back).await?;
        println!(
            "drift: a deleted {kind} is back after {} ms",
            begin.elapsed().as_millis()
        );
    }
    space.at_rest().await
}

#[tokio::test]
async fn a_deleted_namespace_comes_back_with_all_in_it() -> Result<()> {
    let space = World::shared().await?.space("drift-namespace").await?;
    let target = "drift-namespace-app";
    let commit = space.repo.commit(&[
        ("namespace.yaml", &app::namespace(target)),
        (
            "web.yaml",
            &app::all(&[
                app::deployment("web", "nginx:1.27", 1),
                app::service("web"),
                app::config_map("a", "1"),
            ]),
        ),
    ])?;
    space.git_repository(json!({})).await?;
    space
        .kustomization(
            "app",
            "./",
            json!({"spec": {"targetNamespace": target, "wait": true}}),
        )
        .await?;
    space.synced("app", &commit).await?;
    let old = space
        .holds("it is there", "v1", "Namespace", target, |_| true)
        .await?;
    let version = old["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    let namespaces = space.cluster.api("v1", "Namespace", None).await?;

    let begin = Instant::now();
    space.delete("v1", "Namespace", target).await?;
    let (gone, back) = reborn(&namespaces, target, version, e2e::space::LIMIT).await?;
    println!(
        "drift: Kubernetes took {} ms to end a namespace",
        (gone - begin).as_millis()
    );
    println!(
        "drift: a new one is there {} ms after that",
        (back - gone).as_millis()
    );
    let inside = space.cluster.api("apps/v1", "Deployment", Some(target)).await?;
    space
        .until("the app runs again", e2e::space::LIMIT, async || {
            let web = inside.get_opt("web").await?;
            Ok(web
                .filter(|o| o.data["status"]["availableReplicas"] == 1)
                .map(drop))
        })
        .await?;
    println!(
        "drift: the app runs again {} ms after that",
        gone.elapsed().as_millis()
    );
    for (api_version, kind, name) in [("v1", "Service", "web"), ("v1", "ConfigMap", "a")] {
        let api = space.cluster.api(api_version, kind, Some(target)).await?;
        ensure!(api.get_opt(name).await?.is_some(), "{kind} {name} is back too");
    }
    space.synced("app", &commit).await?;
    space.at_rest().await
}
