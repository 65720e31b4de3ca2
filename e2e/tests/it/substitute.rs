//! Variables are put in, and a change of a watched ConfigMap is acted on at once.

use anyhow::Result;
use e2e::{flux::KUSTOMIZE, world::World};
use serde_json::{Value, json};

const MANIFEST: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"${name}\"}\ndata: {region: \"${region:=eu}\"}\n";

#[tokio::test]
async fn a_changed_variable_is_acted_on_at_once() -> Result<()> {
    let space = World::shared().await?.space("substitute").await?;
    let values = |region: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"region": region}, "metadata": {
            "name": "values", "labels": {crds::meta::WATCH: "Enabled"},
        }})
    };
    space.apply(values("us")).await?;
    let commit = space.repo.commit(&[("a.yaml", MANIFEST)])?;
    space.git_repository(json!({})).await?;
    let post_build = json!({"substitute": {"name": "settings"}, "substituteFrom": [{"kind": "ConfigMap", "name": "values"}]});
    space
        .kustomization("app", "./", json!({"spec": {"postBuild": post_build}}))
        .await?;
    space.synced("app", &commit).await?;
    let region = |wanted: &'static str| move |o: &Value| o["data"]["region"] == wanted;
    space
        .holds("the variable is in", "v1", "ConfigMap", "settings", region("us"))
        .await?;

    space.apply(values("ap")).await?;
    space
        .holds("the change is in", "v1", "ConfigMap", "settings", region("ap"))
        .await?;

    space.delete("v1", "ConfigMap", "values").await?;
    space
        .says(
            KUSTOMIZE,
            "Kustomization",
            "app",
            "BuildFailed",
            "configmaps \"values\" not found",
        )
        .await?;
    space.apply(values("eu")).await?;
    space.synced("app", &commit).await?;
    space
        .holds("it recovers", "v1", "ConfigMap", "settings", region("eu"))
        .await?;
    space.at_rest().await
}
