//! Charts of peers that hang, drip, lie, send elsewhere, alter what they have, or have it no more.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    flux::SOURCE,
    origin::{
        Guard, HelmServer, Page, Registry,
        helm::{chart, index, package, push},
        oci::USER,
    },
    space::Space,
    world::World,
};
use serde_json::{Value, json};
use std::time::Duration;

use super::{CHART, KIND, failures::bomb, helm_chart, ready, repository, served};

async fn refused(space: &Space<'_>, spec: &Value, part: &str) -> Result<()> {
    space.apply(helm_chart("bad", spec)).await?;
    let told = space.says(SOURCE, KIND, "bad", "ChartPullError", part).await;
    let told = told.with_context(|| format!("case {spec}"))?;
    ensure!(
        told.status == "False" && !told.message.contains(USER.1),
        "{told:?}"
    );
    space.delete(SOURCE, KIND, "bad").await?;
    space.gone(SOURCE, KIND, "bad").await
}

#[tokio::test]
async fn charts_of_hostile_servers_are_bounded() -> Result<()> {
    let space = World::shared().await?.space("chart-hostile").await?;
    let (server, other) = (HelmServer::start().await?, HelmServer::start().await?);
    let web = package(&chart("web", "4.0.0")).await?;
    let versions = ["1.0.0", "2.0.0", "3.0.0", "4.0.0"];
    let urls: Vec<String> = versions.iter().map(|v| format!("web-{v}.tgz")).collect();
    let entries: Vec<(&str, &str, &str)> = versions
        .iter()
        .zip(&urls)
        .map(|(version, url)| ("web", *version, url.as_str()))
        .collect();
    server.guard(true);
    server.put("/index.yaml", Page::Known(index(&entries)));
    server.put("/web-1.0.0.tgz", Page::Hang);
    server.put(
        "/web-2.0.0.tgz",
        Page::Slow(web.clone(), Duration::from_millis(100)),
    );
    server.put("/web-3.0.0.tgz", Page::Claims(1 << 40));
    let elsewhere = other.other_url("/moved.tgz");
    server.put("/web-4.0.0.tgz", Page::Status(302, vec![("Location", elsewhere)]));
    let further = vec![("Location", "/web.tgz".to_owned())];
    other.put("/moved.tgz", Page::Status(302, further));
    other.put("/web.tgz", Page::Plain(web.clone()));
    space
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"},
            "stringData": {"username": USER.0, "password": USER.1},
        }))
        .await?;
    let spec = json!({"spec": {"timeout": "2s", "secretRef": {"name": "login"}}});
    space.apply(repository(&server.url(""), &spec)).await?;
    for (version, part) in [
        ("1.0.0", "no answer within the timeout of 2s"),
        ("2.0.0", "no answer within the timeout of 2s"),
        ("3.0.0", "exceeds the maximum chart file size of 10485760 bytes"),
    ] {
        refused(&space, &json!({"version": version}), part).await?;
    }
    // A chart may be elsewhere, and elsewhere again, but the login stays.
    space
        .apply(helm_chart("moved", &json!({"version": "4.0.0"})))
        .await?;
    let object = ready(&space, "moved", "4.0.0").await?;
    ensure!(served(&object).await? == web, "it is what was there");
    let seen = [other.seen("/moved.tgz"), other.seen("/web.tgz")].concat();
    ensure!(
        seen.len() > 1 && seen.iter().all(|seen| seen.authorization.is_none()),
        "{seen:?}"
    );
    Ok(())
}

#[tokio::test]
async fn charts_of_hostile_registries_are_refused() -> Result<()> {
    let space = World::shared().await?.space("chart-altered").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let mut digests = Vec::new();
    for version in ["1.0.0", "3.0.0"] {
        let archive = package(&chart("web", version)).await?;
        push(&registry, "charts", &archive, false).await?;
        let manifest = registry.get("charts/web", version).await?;
        let layer = manifest["layers"][0]["digest"].as_str().context("a layer")?;
        digests.push((layer.to_owned(), archive.len()));
    }
    let (altered, length) = &digests[0];
    registry.tamper(altered, &vec![b'x'; *length])?;
    let text = json!({"apiVersion": "v2", "name": "web", "version": "2.0.0"}).to_string();
    let mut config = registry.blob("charts/web", text.as_bytes()).await?;
    config["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json");
    let mut layer = registry.blob("charts/web", &bomb()?).await?;
    layer["mediaType"] = json!(CHART);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [layer],
    });
    registry.manifest("charts/web", "2.0.0", &manifest).await?;
    let spec = json!({"spec": {"type": "oci", "insecure": true}});
    space.apply(repository(&registry.url("charts"), &spec)).await?;
    for (version, part) in [
        ("1.0.0", "the content is not what its digest says"),
        ("2.0.0", "larger than the maximum size"),
    ] {
        refused(&space, &json!({"version": version}), part).await?;
    }

    // What has vanished is told, and what there was of it is served.
    let good = json!({"version": "3.0.0"});
    space.apply(helm_chart("web", &good)).await?;
    let before = ready(&space, "web", "3.0.0").await?;
    let manifest = registry.digest("charts/web", "3.0.0").await?;
    registry.delete("charts/web", &manifest).await?;
    // Its file is lost as well: else nobody would have to look.
    let path = before["status"]["artifact"]["path"].as_str().context("a path")?;
    let content = served(&before).await?;
    space.handled(SOURCE, KIND, "web").await?;
    ensure!(served(&before).await? == content, "it is there still");
    std::fs::remove_file(space.world.suite.storage().join(path))?;
    space.request(SOURCE, KIND, "web").await?;
    space.says(SOURCE, KIND, "web", "ChartPullError", "").await?;
    push(
        &registry,
        "charts",
        &package(&chart("web", "3.0.0")).await?,
        false,
    )
    .await?;
    space.request(SOURCE, KIND, "web").await?;
    ready(&space, "web", "3.0.0").await?;
    Ok(())
}
