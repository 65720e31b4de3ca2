//! Sources of other parties, whose file servers are not what they should be.

use super::*;
use e2e::origin::{
    HelmServer, Page,
    helm::{chart, package},
};
use kube::api::{Patch, PatchParams};
use sha2::{Digest as _, Sha256};

/// Says in the name of the other party where its artifact is.
async fn offer(space: &Space<'_>, url: &str, digest: &str) -> Result<()> {
    let artifact = json!({
        "digest": format!("sha256:{digest}"), "lastUpdateTime": "2026-01-01T00:00:00Z", "path": "theirs", "revision": format!("r@sha256:{digest}"),
        "url": url,
    });
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Theirs", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let status = Patch::Merge(json!({"status": {"artifact": artifact, "conditions": [ready]}}));
    let api = space.api(SOURCE, MADE).await?;
    api.patch_status("theirs", &PatchParams::default(), &status)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_file_server_that_fails_or_lies_is_told_of() -> Result<()> {
    let space = start("parts-peers").await?;
    let (server, elsewhere) = (HelmServer::start().await?, HelmServer::start().await?);
    let archive = package(&chart("web", "1.0.0")).await?;
    let digest = hex::encode(Sha256::digest(&archive));
    server.put("/lies", Page::Plain(b"other".to_vec()));
    server.put("/cut", Page::Truncated(archive.clone()));
    server.put("/busy", Page::Status(503, vec![]));
    server.put(
        "/moved",
        Page::Status(302, vec![("Location", elsewhere.other_url("/there"))]),
    );
    elsewhere.put("/there", Page::Plain(archive));
    space
        .apply(json!({"apiVersion": SOURCE, "kind": MADE, "metadata": {"name": "theirs"}, "spec": {}}))
        .await?;
    let copy = json!([{"from": "@repo/web/Chart.yaml", "to": "@artifact/"}]);
    space
        .apply(generator(&json!({"spec": {
            "sources": [{"alias": "repo", "kind": MADE, "name": "theirs"}],
            "artifacts": [{"name": "one", "copy": copy}],
        }})))
        .await?;
    for (path, part) in [
        ("/gone", "artifact not found at"),
        ("/lies", "computed digest doesn't match"),
        ("/cut", "failed to download the artifact from"),
        ("/busy", "status: 503"),
    ] {
        offer(&space, &server.url(path), &digest).await?;
        let told = format!("fetch sources failed: repo: {part}");
        let is_told = |o: &Value| {
            expect::verdict(o).is_some_and(|v| {
                v.status == "False" && v.reason == "SourceFetchFailed" && v.message.contains(part)
            })
        };
        let object = space.holds(&told, EXTENSIONS, KIND, "parts", is_told).await?;
        ensure!(
            expect::condition(&object, "Stalled").is_none(),
            "it may be better soon: {object}"
        );
        ensure!(space.get(SOURCE, MADE, "one").await?.is_none());
    }
    offer(&space, &server.url("/moved"), &digest).await?;
    ready(&space, 1).await?;
    made(&space, "one").await?;
    let asked = elsewhere.seen("/there");
    ensure!(
        !asked.is_empty() && asked.iter().all(|seen| seen.authorization.is_none()),
        "{asked:?}"
    );
    Ok(())
}
