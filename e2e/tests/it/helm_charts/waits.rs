//! A chart whose source has nothing yet says so, and comes with its source.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::{SOURCE, with},
    origin::{
        HelmServer, Page, S3Server,
        helm::{chart, index, package},
        objects::{KEYS, REGION},
    },
    world::World,
};
use serde_json::{Value, json};

use super::{KIND, helm_chart, ready};

#[tokio::test]
async fn a_chart_waits_for_its_source_and_goes_on_with_it() -> Result<()> {
    let space = World::shared().await?.space("chart-waits").await?;
    let archive = package(&chart("web", "1.0.0")).await?;
    let server = HelmServer::start().await?;
    server.put("/web.tgz", Page::Plain(archive));
    let store = S3Server::start(None).await?;
    let keys = json!({"accesskey": KEYS.0, "secretkey": KEYS.1});
    space
        .apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": keys}),
        )
        .await?;
    let files = chart("web", "1.0.0");
    let files: Vec<(String, &str)> = files
        .iter()
        .map(|(p, t)| (format!("web/{p}"), t.as_str()))
        .collect();
    let spec = |kind: &str| match kind {
        "Bucket" => json!({
            "bucketName": "app", "endpoint": store.endpoint(), "insecure": true, "region": REGION,
            "secretRef": {"name": "keys"},
        }),
        "GitRepository" => json!({"url": space.url(), "ref": {"branch": "main"}}),
        _ => json!({"url": server.url("")}),
    };
    let kinds = ["GitRepository", "Bucket", "HelmRepository"];
    for kind in kinds {
        // Its own trouble is told on the source; the chart only waits, and keeps nobody's worker for that.
        let object = json!({
            "apiVersion": SOURCE, "kind": kind, "metadata": {"name": "source"},
            "spec": with(spec(kind), &json!({"interval": "1h"})),
        });
        space.apply(object).await?;
        let not_ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "False");
        space
            .holds("it has nothing yet", SOURCE, kind, "source", not_ready)
            .await?;
        let path = if kind == "HelmRepository" { "web" } else { "./web" };
        let name = kind.to_lowercase();
        let of_it = json!({"chart": path, "sourceRef": {"kind": kind, "name": "source"}});
        space.apply(helm_chart(&name, &of_it)).await?;
        let part = format!("no artifact available for {kind} source 'source'");
        let told = space.says(SOURCE, KIND, &name, "NoSourceArtifact", &part).await?;
        ensure!(told.status == "False", "{told:?}");
        let object = space.get(SOURCE, KIND, &name).await?.context("it is there")?;
        let failed = expect::condition(&object, "FetchFailed").context("told on its condition")?;
        ensure!(
            failed.status == "True" && failed.reason == "NoSourceArtifact",
            "{failed:?}"
        );
        ensure!(expect::condition(&object, "Stalled").is_none(), "{object}");
    }
    // Nobody asks for the charts: each comes with its source.
    let of_git: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), *t)).collect();
    space.repo.commit(&of_git)?;
    store.create("app").await?;
    for (path, text) in &files {
        store.put("app", path, *text).await?;
    }
    server.put("/index.yaml", Page::Known(index(&[("web", "1.0.0", "web.tgz")])));
    for kind in kinds {
        space.request(SOURCE, kind, "source").await?;
        let object = ready(&space, &kind.to_lowercase(), "1.0.0").await?;
        ensure!(expect::condition(&object, "FetchFailed").is_none(), "{object}");
    }
    Ok(())
}
