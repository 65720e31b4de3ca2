//! Charts from Buckets: a folder and a package in an object store, each with the strategy that its object says.

use super::{KIND, helm_chart, ready, served};
use anyhow::{Result, ensure};
use e2e::{
    flux::SOURCE,
    origin::{
        S3Server,
        helm::{chart, package, template},
        objects::{KEYS, REGION},
    },
    world::World,
};
use serde_json::json;

#[tokio::test]
async fn charts_are_had_from_buckets() -> Result<()> {
    let space = World::shared().await?.space("helm-charts-bucket").await?;
    let server = S3Server::start(None).await?;
    server.create("app").await?;
    for (path, text) in chart("web", "1.2.3") {
        server.put("app", &format!("charts/web/{path}"), text).await?;
    }
    let packed = package(&chart("packed", "2.0.0")).await?;
    server.put("app", "packed-2.0.0.tgz", packed.clone()).await?;
    let keys = json!({"accesskey": KEYS.0, "secretkey": KEYS.1});
    space
        .apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": keys}),
        )
        .await?;
    space
        .apply(json!({
            "apiVersion": SOURCE, "kind": "Bucket", "metadata": {"name": "app"},
            "spec": {"interval": "1h", "bucketName": "app", "endpoint": server.endpoint(), "insecure": true,
                "secretRef": {"name": "keys"}, "region": REGION},
        }))
        .await?;
    let source = json!({"kind": "Bucket", "name": "app"});
    for (name, path, more) in [
        (
            "folder",
            "charts/web",
            json!({"valuesFiles": ["charts/web/prod.yaml"]}),
        ),
        ("package", "packed-2.0.0.tgz", json!({})),
        ("revision", "charts/web", json!({"reconcileStrategy": "Revision"})),
    ] {
        let mut spec = json!({"chart": path, "sourceRef": source});
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        space.apply(helm_chart(name, &spec)).await?;
    }
    let folder = ready(&space, "folder", "1.2.3+1").await?;
    let rendered = template(&served(&folder).await?).await?;
    ensure!(rendered.contains("value: two"), "{rendered}");
    let whole = ready(&space, "package", "2.0.0").await?;
    ensure!(served(&whole).await? == packed, "a package is served as it is");

    // The suffix is of the Bucket's revision, and follows it.
    let suffix = async || {
        let bucket = space.get(SOURCE, "Bucket", "app").await?.unwrap_or_default();
        let revision = bucket["status"]["artifact"]["revision"]
            .as_str()
            .unwrap_or_default();
        let hash = revision.rsplit(':').next().unwrap_or_default();
        anyhow::Ok(hash.chars().take(12).collect::<String>())
    };
    let first = suffix().await?;
    ready(&space, "revision", &format!("1.2.3+{first}")).await?;
    server.put("app", "other.txt", "new").await?;
    space.handled(SOURCE, "Bucket", "app").await?;
    let second = suffix().await?;
    ensure!(first != second && second.len() == 12, "{first} {second}");
    ready(&space, "revision", &format!("1.2.3+{second}")).await?;

    // What the Bucket has not is told.
    let spec = json!({"chart": "charts/absent", "sourceRef": source});
    space.apply(helm_chart("absent", &spec)).await?;
    space
        .says(SOURCE, KIND, "absent", "InvalidChartReference", "charts/absent")
        .await?;
    Ok(())
}
