//! Azure's blobs for whoever has no identity: what is open is read without a login, and nothing else is.

use super::{BUCKET, again, peer::answer, ready};
use crate::bucket::dialect::{Dialect, Question};
use anyhow::{Result, ensure};
use axum::{body::Body, http::Response};
use e2e::{
    flux::SOURCE,
    origin::{Asked, Scripted},
    suite::Options,
    world::World,
};
use serde_json::json;

/// Who shows anything is refused: he is not the one this is about.
fn store(asked: &Asked) -> Response<Body> {
    let (container, question) = Dialect::Azure.question(asked);
    if container != "open" || !asked.header("authorization").is_empty() || asked.query.contains("sig=") {
        let text = (
            "NoAuthenticationInformation",
            "Server failed to authenticate the request.",
        );
        return Dialect::Azure.error(401, &[], text);
    }
    match question {
        Question::Page(_) => answer(200, Dialect::Azure.page(&["a.yaml"], 1, None)),
        Question::Object("a.yaml") => answer(200, "#"),
        _ => Dialect::Azure.missing(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_needs_no_identity() -> Result<()> {
    let server = Scripted::start(store).await?;
    // Nobody is there who would know the machine.
    let nobody = (
        "AZURE_POD_IDENTITY_AUTHORITY_HOST",
        "http://127.0.0.1:1".to_owned(),
    );
    let world = World::start(&Options {
        env: vec![nobody],
        ..Options::default()
    })
    .await?;
    let space = world.space("anonymous").await?;
    let blobs =
        |container: &str| json!({"provider": "azure", "bucketName": container, "endpoint": server.url()});
    ready(&space, BUCKET, &blobs("open")).await?;
    again(&space, BUCKET, &blobs("closed")).await?;
    let part = "Server failed to authenticate the request.";
    space
        .says(SOURCE, BUCKET, "app", "BucketOperationFailed", part)
        .await?;
    ensure!(
        server
            .asked()
            .iter()
            .all(|asked| asked.header("authorization").is_empty()),
        "{:?}",
        server.asked()
    );
    Ok(())
}
