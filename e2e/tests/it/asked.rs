//! Whoever asks for a look has it at once, of each kind of source and whatever the interval: no clock has to come round first.

use anyhow::{Result, ensure};
use axum::{body::Body, http::Response};
use e2e::{
    expect,
    flux::{EXTENSIONS, SOURCE},
    origin::{
        Artifact, Asked, Guard, HelmServer, Page, Registry, Scripted,
        helm::{chart, index, package},
    },
    world::World,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How soon it is at the latest, in the best of a few tries, on a machine that does other things as well: no clock of ours is as quick.
const SOON: Duration = Duration::from_secs(5);
const TRIES: usize = 10;

/// A bucket with one object.
fn bucket(asked: &Asked) -> Response<Body> {
    let entry = "<Contents><Key>content</Key><ETag>&quot;e&quot;</ETag><Size>4</Size></Contents>";
    let text = match asked.path.as_str() {
        "/bucket/" => format!("<ListBucketResult>{entry}</ListBucketResult>"),
        _ => "text".to_owned(),
    };
    let mut response = Response::new(Body::from(text));
    if let Ok(etag) = "\"e\"".parse() {
        response.headers_mut().insert("etag", etag);
    }
    response
}

#[tokio::test]
async fn a_look_that_is_asked_for_is_had_at_once() -> Result<()> {
    let space = World::shared().await?.space("asked").await?;
    space.repo.commit(&[("a.txt", "1")])?;
    space.git_repository(json!({})).await?;
    let charts = HelmServer::start().await?;
    charts.put("/index.yaml", Page::Known(index(&[("web", "1.0.0", "web.tgz")])));
    charts.put("/web.tgz", Page::Plain(package(&chart("web", "1.0.0")).await?));
    let objects = Scripted::start(bucket).await?;
    let registry = Registry::start(&Guard::default()).await?;
    registry
        .push("app", "latest", &Artifact::of_files(&[("a.txt", "1")])?)
        .await?;
    for (kind, spec) in [
        ("HelmRepository", json!({"interval": "1h", "url": charts.url("")})),
        (
            "HelmChart",
            json!({"interval": "1h", "chart": "web", "sourceRef": {"kind": "HelmRepository", "name": "app"}}),
        ),
        (
            "OCIRepository",
            json!({"interval": "1h", "url": registry.url("app")}),
        ),
        (
            "Bucket",
            json!({"interval": "1h", "endpoint": objects.address(), "bucketName": "bucket", "insecure": true}),
        ),
    ] {
        let object = json!({"apiVersion": SOURCE, "kind": kind, "metadata": {"name": "app"}, "spec": spec});
        space.apply(object).await?;
    }
    space
        .apply(json!({
            "apiVersion": EXTENSIONS, "kind": "ArtifactGenerator", "metadata": {"name": "app"},
            "spec": {
                "sources": [{"alias": "repo", "kind": "GitRepository", "name": "app"}],
                "artifacts": [{"name": "part", "copy": [{"from": "@repo/**", "to": "@artifact/"}]}],
            },
        }))
        .await?;
    let ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    for (group, kind) in [
        (SOURCE, "GitRepository"),
        (SOURCE, "HelmRepository"),
        (SOURCE, "HelmChart"),
        (SOURCE, "OCIRepository"),
        (SOURCE, "Bucket"),
        (EXTENSIONS, "ArtifactGenerator"),
    ] {
        space
            .holds(&format!("{kind} is ready"), group, kind, "app", ready)
            .await?;
        let mut best = Duration::MAX;
        for _ in 0..TRIES {
            let begin = Instant::now();
            space.handled(group, kind, "app").await?;
            best = best.min(begin.elapsed());
            if best < SOON {
                break;
            }
        }
        e2e::note!("asked: {kind} is looked at after {} ms", best.as_millis());
        ensure!(best < SOON, "{kind}: {best:?}");
    }
    Ok(())
}
