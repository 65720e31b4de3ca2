//! Whoever asks to be left alone (`Retry-After`) is left alone for as long, and asked again then, whatever an object's own delays.

use anyhow::{Result, ensure};
use axum::{body::Body, http::Response};
use e2e::{
    flux::{SOURCE, git_repository, with},
    origin::{Asked, Scripted, helm::index},
    space::{LIMIT, Space},
    world::World,
};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long it wants to be left alone. Our own first delay is less than a second.
const ALONE: Duration = Duration::from_secs(6);

type Times = Arc<Mutex<Vec<Instant>>>;

/// A peer that has an index of charts, and is too busy for all else; and when it was asked for that.
async fn busy(status: u16) -> Result<(Scripted, Times)> {
    let times = Times::default();
    let asked = times.clone();
    let answer = move |request: &Asked| {
        if request.path == "/index.yaml" {
            return Response::new(Body::from(index(&[("web", "1.0.0", "web.tgz")])));
        }
        asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Instant::now());
        let response = Response::builder()
            .status(status)
            .header("retry-after", ALONE.as_secs())
            .body(Body::empty());
        response.unwrap_or_default()
    };
    Ok((Scripted::start(answer).await?, times))
}

/// Holds that an object tells of the status, and that its peer is asked again after the time and not before.
async fn left_alone(space: &Space<'_>, object: Value, reason: &str, part: &str, times: &Times) -> Result<()> {
    let (kind, name) = (object["kind"].clone(), object["metadata"]["name"].clone());
    let (kind, name) = (
        kind.as_str().unwrap_or_default(),
        name.as_str().unwrap_or_default(),
    );
    space.apply(object.clone()).await?;
    let told = space.says(SOURCE, kind, name, reason, part).await?;
    ensure!(told.status == "False", "{told:?}");
    // Until here, news of its source may have had it asked more than once.
    let asked = || times.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let before = asked().len();
    ensure!(before > 0, "nobody was asked");
    let again = async || Ok(asked().get(before).map(|at| *at - asked()[before - 1]));
    let after = space.until("it is asked again", LIMIT, again).await?;
    ensure!(after >= ALONE, "{kind} {name}: asked again after {after:?}");
    space.delete(SOURCE, kind, name).await
}

#[tokio::test]
async fn who_wants_to_be_left_alone_is() -> Result<()> {
    let space = World::shared().await?.space("left-alone").await?;
    for status in [429, 503] {
        let (server, times) = busy(status).await?;
        let object = git_repository(&format!("busy-{status}"), &format!("{}/r.git", server.url()));
        let part = format!("status code: {status}");
        left_alone(&space, object, "GitOperationFailed", &part, &times).await?;

        for (kind, reason) in [
            ("OCIRepository", "OCIArtifactPullFailed"),
            ("Bucket", "BucketOperationFailed"),
        ] {
            let (server, times) = busy(status).await?;
            let spec = match kind {
                "Bucket" => json!({"bucketName": "app", "endpoint": server.address(), "insecure": true}),
                _ => json!({"url": format!("oci://{}/app", server.address())}),
            };
            let object = json!({
                "apiVersion": SOURCE, "kind": kind, "metadata": {"name": format!("busy-{status}")},
                "spec": with(spec, &json!({"interval": "1h"})),
            });
            left_alone(&space, object, reason, &status.to_string(), &times).await?;
        }

        let (server, times) = busy(status).await?;
        let repository = json!({
            "apiVersion": SOURCE, "kind": "HelmRepository", "metadata": {"name": format!("repo-{status}")},
            "spec": {"interval": "1h", "url": server.url()},
        });
        space.apply(repository).await?;
        let name = format!("repo-{status}");
        space
            .verdict(SOURCE, "HelmRepository", &name, "Succeeded")
            .await?;
        let chart = json!({
            "apiVersion": SOURCE, "kind": "HelmChart", "metadata": {"name": format!("busy-{status}")},
            "spec": {
                "interval": "1h", "chart": "web", "version": "1.0.0",
                "sourceRef": {"kind": "HelmRepository", "name": format!("repo-{status}")},
            },
        });
        left_alone(&space, chart, "ChartPullError", &status.to_string(), &times).await?;
    }
    Ok(())
}
