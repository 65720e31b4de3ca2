//! Stores with odd keys, and stores that answer oddly: each ends in its reason on the object, within bounds.

use super::{KIND, again, bucket, files, paths, ready, secret};
use anyhow::{Context as _, Result, ensure};
use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use e2e::{
    flux::SOURCE,
    origin::{Asked, Scripted},
    world::World,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// A listing of these keys, each with the etag `e` and the given size.
pub fn listing(keys: &[&str], size: u64, next: Option<&str>) -> String {
    let entry = |key: &&str| {
        format!("<Contents><Key>{key}</Key><ETag>&quot;e&quot;</ETag><Size>{size}</Size></Contents>")
    };
    let contents: String = keys.iter().map(entry).collect();
    let more = next.map_or(String::new(), |token| {
        format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>")
    });
    format!("<ListBucketResult><EncodingType>url</EncodingType>{more}{contents}</ListBucketResult>")
}

pub fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        let name = axum::http::HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

pub fn endless() -> Body {
    let piece = || Ok::<_, std::io::Error>(vec![b'#'; 64 << 10]);
    Body::from_stream(futures::stream::repeat_with(piece))
}

/// A store that does what its bucket's name says.
fn hostile(asked: &Asked) -> Response<Body> {
    let (scenario, key) = asked.path[1..].split_once('/').unwrap_or_default();
    let missing = "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>";
    if key.is_empty() {
        let list = |keys: &[&str]| answer(200, &[], listing(keys, 1, None));
        return match scenario {
            "traversal" => list(&[
                "../../escaped.yaml",
                "/abs.yaml",
                "a//b.yaml",
                "folder/",
                "x/../../y.yaml",
            ]),
            "nul" => list(&["a%00b"]),
            "twice" => list(&["x", "../x"]),
            "folder" => list(&["a", "a/b"]),
            "unnameable" => list(&[".."]),
            "circle" => answer(200, &[], listing(&["a"], 1, Some("t"))),
            "huge" => answer(200, &[], listing(&["a"], 2 << 30, None)),
            "garbage" => answer(200, &[], "<ListBucketResult><Contents>"),
            "busy" => answer(
                503,
                &[("retry-after", "40")],
                "<Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>",
            ),
            "loop" => answer(307, &[("location", "/loop/")], ""),
            "elsewhere" => answer(307, &[("location", "http://localhost:1/x")], ""),
            "leaky" => answer(
                403,
                &[],
                "<Error><Code>AccessDenied</Code><Message>no https://h/p?sig=canary-sas at all</Message></Error>",
            ),
            "gone" => list(&["a.yaml", "gone.yaml"]),
            _ => list(&["a.yaml"]),
        };
    }
    match (scenario, key) {
        (_, ".sourceignore") if scenario == "endless" => answer(200, &[], endless()),
        (_, ".sourceignore" | "gone.yaml") => answer(404, &[], missing),
        ("moved", _) => answer(200, &[("etag", "\"e2\"")], "content"),
        ("denied", _) => answer(
            403,
            &[],
            "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>",
        ),
        _ => answer(200, &[("etag", "\"e\"")], asked.path.clone()),
    }
}

#[tokio::test]
async fn odd_stores_are_bounded() -> Result<()> {
    let space = World::shared().await?.space("bucket-odd").await?;
    let calm = std::sync::atomic::AtomicBool::new(false);
    let server = Scripted::start(move |asked| {
        // The first answer of this one is that it is busy.
        let is_first = asked.path == "/moody/" && !calm.swap(true, std::sync::atomic::Ordering::Relaxed);
        if is_first {
            answer(429, &[("retry-after", "1")], "")
        } else {
            hostile(asked)
        }
    })
    .await?;
    space
        .apply(secret(
            "keys",
            &json!({"accesskey": "a", "secretkey": "canary-key"}),
        ))
        .await?;
    let spec = |name: &str| json!({"spec": {"bucketName": name, "secretRef": {"name": "keys"}}});
    for (name, part) in [
        ("nul", "the object 'a\\0b' cannot be a file"),
        ("twice", "would be one file"),
        ("folder", "the object 'a' is a file where 'a/b' needs a folder"),
        ("unnameable", "the object '..' cannot be a file: it names no file"),
        ("circle", "the listing goes round in a circle"),
        ("huge", "all that the bucket has is larger than 1073741824 bytes"),
        ("endless", "larger than 1048576 bytes"),
        ("garbage", "the answer cannot be read"),
        ("busy", "Reduce your rate."),
        ("elsewhere", "refused to follow a redirect to 'localhost'"),
        ("loop", "refused to follow a redirect to '127.0.0.1'"),
        ("leaky", "no https://h/p at all"),
        (
            "denied",
            "fetch from bucket 'denied' failed: failed to get 'a.yaml' object: Access Denied.",
        ),
    ] {
        again(&space, bucket(&server.address(), &spec(name))).await?;
        let told = space
            .says(SOURCE, KIND, "app", "BucketOperationFailed", part)
            .await;
        let told = told.with_context(|| format!("case {name}"))?;
        ensure!(!told.message.contains("canary"), "{told:?}");
    }
    // A peer that takes the connection and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let change = json!({"spec": {"timeout": "1s"}});
    again(&space, bucket(&silent.local_addr()?.to_string(), &change)).await?;
    let part = "did not answer within the timeout of 1s";
    space
        .says(SOURCE, KIND, "app", "BucketOperationFailed", part)
        .await?;

    // A store that is busy for a moment is asked again.
    again(&space, bucket(&server.address(), &spec("moody"))).await?;
    ready(&space, "sha256:").await?;
    ensure!(
        server
            .asked()
            .iter()
            .filter(|asked| asked.path == "/moody/")
            .count()
            == 2,
        "asked twice"
    );

    // Keys lead nowhere: what they name is inside, and is what was asked for.
    again(&space, bucket(&server.address(), &spec("traversal"))).await?;
    let found = files(&ready(&space, "sha256:").await?).await?;
    ensure!(
        paths(&found) == ["a/b.yaml", "abs.yaml", "escaped.yaml", "y.yaml"],
        "{found:?}"
    );
    let asked = server.asked();
    let outside: Vec<&Asked> = asked.iter().filter(|a| a.path.contains("escaped")).collect();
    ensure!(
        outside.iter().all(|a| a.path.starts_with("/traversal/..%2F")) && !outside.is_empty(),
        "{outside:?}"
    );

    // An object that goes away under our hands is left out; one that changes counts as what came.
    let digest = |lines: &str| format!("sha256:{}", hex::encode(Sha256::digest(lines)));
    for (name, revision) in [("gone", digest("a.yaml e\n")), ("moved", digest("a.yaml e2\n"))] {
        again(&space, bucket(&server.address(), &spec(name))).await?;
        let found = files(&ready(&space, &revision).await?).await?;
        ensure!(paths(&found) == ["a.yaml"], "{found:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_vanishes_is_still_served() -> Result<()> {
    let space = World::shared().await?.space("bucket-gone").await?;
    let gone = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let vanished = gone.clone();
    let server = Scripted::start(move |asked| {
        if vanished.load(std::sync::atomic::Ordering::SeqCst) {
            let text = "<Error><Code>NoSuchBucket</Code><Message>It is not there.</Message></Error>";
            return answer(404, &[], text);
        }
        hostile(asked)
    });
    let server = server.await?;
    let plain = bucket(&server.address(), &json!({"spec": {"bucketName": "app"}}));
    space.apply(plain).await?;
    let before = ready(&space, "sha256:").await?;
    gone.store(true, std::sync::atomic::Ordering::SeqCst);
    space.request(SOURCE, KIND, "app").await?;
    let part = "bucket 'app' not found";
    space
        .says(SOURCE, KIND, "app", "BucketOperationFailed", part)
        .await?;
    let after = space.get(SOURCE, KIND, "app").await?.context("it is there")?;
    ensure!(
        after["status"]["artifact"] == before["status"]["artifact"],
        "{after}"
    );
    ensure!(paths(&files(&after).await?) == ["a.yaml"], "it is served");
    gone.store(false, std::sync::atomic::Ordering::SeqCst);
    space.request(SOURCE, KIND, "app").await?;
    ready(&space, "sha256:").await?;
    Ok(())
}
