//! What is no index says why, on the object, and hurts nobody else.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::SOURCE,
    origin::{HelmServer, Page, helm::index},
    world::World,
};
use serde_json::json;
use std::time::Duration;

use super::{INDEX, KIND, ready, repository};

#[tokio::test]
async fn what_is_no_index_says_why() -> Result<()> {
    let space = World::shared().await?.space("helm-bad").await?;
    let server = HelmServer::start().await?;
    let good = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put("/good/index.yaml", Page::Known(good.clone()));
    space
        .apply(repository("good", &server.url("/good"), &json!({})))
        .await?;
    ready(&space, "good", &good).await?;
    let text = |text: &str| Page::Known(text.as_bytes().to_vec());
    let failed = "failed to fetch Helm repository index: failed to cache index to temporary file: ";
    for (name, page, timeout, reason, part) in [
        (
            "missing",
            Page::Status(404, vec![]),
            "60s",
            "Failed",
            format!(
                "{failed}failed to fetch {} : 404 Not Found",
                server.url("/missing/index.yaml")
            ),
        ),
        (
            "broken",
            Page::Status(500, vec![]),
            "60s",
            "Failed",
            "500 Internal Server Error".into(),
        ),
        (
            "loop",
            Page::Status(302, vec![("Location", server.url("/loop/index.yaml"))]),
            "60s",
            "Failed",
            "too many redirects".into(),
        ),
        (
            "cut",
            Page::Truncated(good.clone()),
            "60s",
            "Failed",
            failed.into(),
        ),
        ("hangs", Page::Hang, "1s", "Failed", "no answer".into()),
        (
            "slow",
            Page::Slow(good.clone(), Duration::from_millis(100)),
            "1s",
            "Failed",
            "within the timeout of 1s".into(),
        ),
        (
            "endless",
            Page::Endless(b"# nothing to see here\n".repeat(1000)),
            "60s",
            "Failed",
            "index exceeds the maximum index file size of 52428800 bytes".into(),
        ),
        (
            "claims",
            Page::Claims(1 << 40),
            "60s",
            "Failed",
            "index exceeds the maximum index file size of 52428800 bytes".into(),
        ),
        (
            "empty",
            text(""),
            "60s",
            "IndexationFailed",
            "failed to load Helm repository from index YAML: failed to load index: empty index.yaml file"
                .into(),
        ),
        (
            "version",
            text("entries: {}"),
            "60s",
            "IndexationFailed",
            "no API version specified".into(),
        ),
        (
            "html",
            text("<!DOCTYPE html>\n<html><body>Sign in: please</body></html>\n"),
            "60s",
            "IndexationFailed",
            "failed to load index: error".into(),
        ),
        (
            "binary",
            Page::Known(vec![0, 159, 146, 150]),
            "60s",
            "IndexationFailed",
            "yaml".into(),
        ),
        (
            "field",
            text("apiVersion: v1\nentries: {}\nmine: 1\n"),
            "60s",
            "IndexationFailed",
            "unknown field \"mine\"".into(),
        ),
        (
            "bomb",
            text(&bomb()),
            "60s",
            "IndexationFailed",
            "excessive aliasing".into(),
        ),
        (
            "deep",
            text(&format!("apiVersion: v1\nentries: {}", "[".repeat(100_000))),
            "60s",
            "IndexationFailed",
            "yaml".into(),
        ),
    ] {
        server.put(&format!("/{name}/index.yaml"), page);
        let change = json!({"spec": {"timeout": timeout}});
        space
            .apply(repository(name, &server.url(&format!("/{name}")), &change))
            .await?;
        let told = space.says(SOURCE, KIND, name, reason, &part).await?;
        ensure!(told.status == "False", "{told:?}");
        let object = space.get(SOURCE, KIND, name).await?.context("it is there")?;
        let problem = expect::condition(&object, "FetchFailed").context("a problem")?;
        ensure!(
            (problem.status.as_str(), problem.reason.as_str()) == ("True", reason),
            "{problem:?}"
        );
        ensure!(
            expect::condition(&object, "Reconciling").is_some_and(|c| c.reason == "ProgressingWithRetry"),
            "{object}"
        );
    }
    // What cannot be helped by trying again is not tried again.
    for (url, part) in [
        (
            "oci://localhost/x",
            "'oci' URL scheme cannot be used with 'default' HelmRepository type",
        ),
        ("http://:0:1/", "invalid Helm repository URL"),
    ] {
        space.apply(repository("url", url, &json!({}))).await?;
        space.says(SOURCE, KIND, "url", "URLInvalid", part).await?;
        let object = space.get(SOURCE, KIND, "url").await?.context("it is there")?;
        ensure!(
            expect::condition(&object, "Stalled").is_some_and(|c| c.reason == "URLInvalid"),
            "{object}"
        );
        ensure!(
            object["status"]["observedGeneration"] == object["metadata"]["generation"],
            "{object}"
        );
    }
    // And nobody else was hurt, nor is there anything left of it all.
    space.handled(SOURCE, KIND, "good").await?;
    ready(&space, "good", &good).await?;
    let peak = space.world.suite.source.peak_memory().unwrap_or_default();
    e2e::note!(
        "helm: peak memory of source-controller after hostile indexes: {} MiB",
        peak >> 20
    );
    Ok(())
}

/// Nine lists, each of which has ten times the one before.
fn bomb() -> String {
    let mut text = "apiVersion: v1\nannotations:\n  a0: &a0 x\n".to_owned();
    for level in 1..10 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("  a{level}: &a{level} [{below}]\n");
    }
    text
}

#[tokio::test]
async fn a_failure_keeps_what_was_good() -> Result<()> {
    let space = World::shared().await?.space("helm-keeps").await?;
    let server = HelmServer::start().await?;
    let good = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put(INDEX, Page::Known(good.clone()));
    space
        .apply(repository("repo", &server.url(""), &json!({})))
        .await?;
    let before = ready(&space, "repo", &good).await?;
    server.put(INDEX, Page::Status(503, vec![("Retry-After", "600".to_owned())]));
    space.handled(SOURCE, KIND, "repo").await?;
    let told = space
        .says(SOURCE, KIND, "repo", "Failed", "503 Service Unavailable")
        .await?;
    ensure!(told.status == "False", "{told:?}");
    let after = space.get(SOURCE, KIND, "repo").await?.context("it is there")?;
    ensure!(
        after["status"]["artifact"] == before["status"]["artifact"],
        "{after}"
    );
    ensure!(
        expect::condition(&after, "ArtifactInStorage").is_some_and(|c| c.status == "True"),
        "{after}"
    );
    // The server wants to be left alone; without that it would have been asked several times by now.
    let asked = server.seen(INDEX).len();
    space.at_rest().await?;
    ensure!(
        server.seen(INDEX).len() == asked,
        "it is left alone for as long as it asked"
    );
    server.put(INDEX, Page::Known(good.clone()));
    space.request(SOURCE, KIND, "repo").await?;
    ready(&space, "repo", &good).await?;
    Ok(())
}

/// Another one's patience is not ours: whoever waits for an answer that another asked for does so by its own timeout.
#[tokio::test]
async fn who_waits_for_anothers_index_keeps_its_own_time() -> Result<()> {
    let space = World::shared().await?.space("helm-patience").await?;
    let server = HelmServer::start().await?;
    server.put("/index.yaml", Page::Hang);
    let patient = json!({"spec": {"timeout": "10m"}});
    space
        .apply(repository("patient", &server.url(""), &patient))
        .await?;
    space
        .until("the first one asks", e2e::space::LIMIT, async || {
            Ok((server.seen("/index.yaml").len() == 1).then_some(()))
        })
        .await?;
    let hasty = json!({"spec": {"timeout": "1s"}});
    space.apply(repository("hasty", &server.url(""), &hasty)).await?;
    space
        .says(
            SOURCE,
            KIND,
            "hasty",
            "Failed",
            "no answer within the timeout of 1s to another who asked",
        )
        .await?;
    ensure!(
        server.seen("/index.yaml").len() == 1,
        "nobody asked a second time"
    );
    Ok(())
}
