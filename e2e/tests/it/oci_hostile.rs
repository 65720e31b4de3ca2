//! Registries that no honest software is: each ends in its reason on the object, within bounds, and learns no login.

use anyhow::{Context as _, Result, ensure};
use axum::{
    body::Body,
    http::{HeaderName, Response, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::{
    expect,
    flux::{SOURCE, with},
    origin::{Asked, Scripted},
    space::Space,
    world::World,
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{io::Write as _, sync::LazyLock};

const KIND: &str = "OCIRepository";
const LAYER: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";

pub fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn endless() -> Body {
    let piece = || Ok::<_, std::io::Error>(vec![b' '; 64 << 10]);
    Body::from_stream(futures::stream::repeat_with(piece))
}

/// A manifest of one layer, with media types for its config and the layer.
pub fn manifest(config: &str, layer: &str, content: &[u8]) -> String {
    let manifest = json!({
        "schemaVersion": 2, "config": {"mediaType": config, "digest": digest(b"{}"), "size": 2},
        "layers": [{"mediaType": layer, "digest": digest(content), "size": content.len()}],
    });
    manifest.to_string()
}

/// A body of which these bytes come, and then no more: the connection breaks, or nothing happens ever.
pub fn cut(bytes: &[u8], breaks: bool) -> Body {
    use futures::StreamExt as _;
    let begin = futures::stream::iter([Ok(bytes.to_vec())]);
    let broken = futures::stream::iter([Err(std::io::Error::other("broken off"))]);
    match breaks {
        true => Body::from_stream(begin.chain(broken)),
        false => Body::from_stream(begin.chain(futures::stream::pending())),
    }
}

/// A byte now and then, without an end.
pub fn drip() -> Body {
    use futures::StreamExt as _;
    let drop = || async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        Ok::<_, std::io::Error>(vec![b' '])
    };
    Body::from_stream(futures::stream::repeat_with(drop).then(|drop| drop))
}

/// What the layer of a scenario really has. A large one takes a while to make, which is nobody's answer to wait for: it is made once.
fn layer(scenario: &str) -> Vec<u8> {
    static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| packed("bomb"));
    static DEEP: LazyLock<Vec<u8>> = LazyLock::new(|| packed("deep"));
    match scenario {
        "bomb" => BOMB.clone(),
        "deep" => DEEP.clone(),
        other => packed(other),
    }
}

fn packed(scenario: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let mut write = |bytes: &[u8]| gzip.write_all(bytes).is_ok();
    let mut header = |name: &str, size: u64| {
        let mut header = tar::Header::new_ustar();
        let named = header.set_path(name).is_ok();
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        named && write(header.as_bytes())
    };
    match scenario {
        "bomb" => {
            header("zeros", 64 << 20);
            write(&vec![0; 64 << 20]);
        }
        "deep" => {
            // Few members, and directories without end.
            for top in 0..4500 {
                header(&format!("{top}/{}x", "d/".repeat(45)), 0);
            }
        }
        _ => {
            header("a.yaml", 0);
        }
    }
    write(&[0; 1024]);
    gzip.finish().unwrap_or_default()
}

/// A registry that does what its repository's name says; `elsewhere` is another host.
fn hostile(asked: &Asked, elsewhere: &str) -> Response<Body> {
    let mut parts = asked.path.splitn(4, '/').skip(2);
    let (scenario, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let content = layer(scenario);
    let notes = match scenario {
        "notes" => json!({"org.opencontainers.image.revision": "r1", "n": "x".repeat(2 << 20)}),
        _ => json!({}),
    };
    let manifest = json!({
        "schemaVersion": 2, "config": {"digest": digest(b"{}"), "size": 2}, "annotations": notes,
        "layers": [{"mediaType": LAYER, "digest": digest(&content), "size": content.len()}],
    });
    let manifest = manifest.to_string();
    let told = ("docker-content-digest", digest(manifest.as_bytes()));
    let told = [(told.0, told.1.as_str())];
    match (scenario, rest) {
        ("", _) => answer(200, &[], ""),
        ("loop", rest) => answer(307, &[("location", &format!("/v2/loop/{rest}"))], ""),
        ("asks", _) => answer(
            401,
            &[("www-authenticate", &format!("Bearer realm=\"{elsewhere}/token\""))],
            "",
        ),
        ("moved", rest) if rest.starts_with("manifests") => {
            answer(307, &[("location", &format!("{elsewhere}/v2/moved/{rest}"))], "")
        }
        ("tags", _) => answer(200, &[], endless()),
        ("silent", _) => answer(200, &[], cut(b"", false)),
        ("manifest", rest) if rest.starts_with("manifests") && asked.method == "GET" => {
            answer(200, &told, endless())
        }
        (_, rest) if rest.starts_with("manifests") => answer(200, &told, manifest),
        ("endless", _) => answer(200, &[], endless()),
        ("other", _) => answer(200, &[], vec![b'x'; content.len()]),
        ("broken", _) => answer(200, &[], cut(&content[..10], true)),
        ("drips", _) => answer(200, &[], drip()),
        ("stops", _) => answer(200, &[], cut(&content[..10], false)),
        ("redirected", rest) => answer(307, &[("location", &format!("{elsewhere}/v2/good/{rest}"))], ""),
        _ => answer(200, &[], content),
    }
}

async fn again(space: &Space<'_>, url: String, change: &Value) -> Result<()> {
    let _ = space.delete(SOURCE, KIND, "app").await;
    space.gone(SOURCE, KIND, "app").await?;
    let plain = json!({
        "apiVersion": SOURCE, "kind": KIND, "metadata": {"name": "app"},
        "spec": {"interval": "1h", "url": url, "ref": {"tag": "v1"}, "secretRef": {"name": "login"}},
    });
    space.apply(with(plain, change)).await
}

async fn ready(space: &Space<'_>) -> Result<Value> {
    let at = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    space.holds("ready", SOURCE, KIND, "app", at).await
}

#[tokio::test]
async fn registries_are_bounded() -> Result<()> {
    let space = World::shared().await?.space("oci-hostile").await?;
    for scenario in ["bomb", "deep"] {
        tokio::task::spawn_blocking(move || layer(scenario)).await?;
    }
    let other = Scripted::start(|asked| match asked.path.as_str() {
        path if path.starts_with("/v2/moved/") => answer(
            401,
            &[("www-authenticate", "Bearer realm=\"http://127.0.0.1:1/t\"")],
            "",
        ),
        _ => hostile(asked, ""),
    })
    .await?;
    let elsewhere = other.url();
    let registry = Scripted::start(move |asked| hostile(asked, &elsewhere)).await?;
    let auth = STANDARD.encode("me:canary");
    let config = json!({"auths": {registry.address(): {"auth": auth}}}).to_string();
    space.apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": config}})).await?;
    let url = |scenario: &str| format!("oci://{}/{scenario}", registry.address());
    let (none, soon) = (json!({}), json!({"spec": {"timeout": "2s"}}));
    let range = json!({"spec": {"ref": {"tag": null, "semver": "*"}}});
    let pull = "OCIArtifactPullFailed";
    for (scenario, change, reason, part) in [
        ("manifest", &none, pull, "larger than 4194304 bytes"),
        ("endless", &none, pull, "bytes that its manifest says"),
        ("other", &none, pull, "the content is not what its digest says"),
        ("broken", &none, pull, "failed to pull artifact from"),
        ("drips", &soon, pull, "no answer within the timeout of 2s"),
        ("stops", &soon, pull, "no answer within the timeout of 2s"),
        ("silent", &soon, pull, "no answer within the timeout of 2s"),
        (
            "tags",
            &range,
            "ReadOperationFailed",
            "larger than 16777216 bytes",
        ),
        ("moved", &none, pull, "401 Unauthorized"),
        ("asks", &none, pull, "cannot get a token"),
        (
            "bomb",
            &none,
            "OCIArtifactLayerOperationFailed",
            "grows more than 300-fold",
        ),
        (
            "deep",
            &none,
            "OCIArtifactLayerOperationFailed",
            "more than 200000 directories",
        ),
        ("loop", &none, pull, "too many redirects"),
    ] {
        again(&space, url(scenario), change).await?;
        let told = space.says(SOURCE, KIND, "app", reason, part).await;
        let told = told.with_context(|| format!("case {scenario}"))?;
        ensure!(!told.message.contains("canary"), "{told:?}");
    }

    // Content may be elsewhere, but no login goes there, only where the registry's own challenge says tokens are issued.
    again(&space, url("redirected"), &none).await?;
    ready(&space).await?;
    let logins = other.asked();
    let logins = logins
        .iter()
        .filter(|asked| !asked.header("authorization").is_empty());
    let paths: Vec<&str> = logins.map(|asked| asked.path.as_str()).collect();
    ensure!(paths.iter().all(|path| *path == "/token"), "{paths:?}");

    // What the status has no room for is left out, and the object tells all that it has to.
    again(&space, url("notes"), &none).await?;
    let notes = ready(&space).await?["status"]["artifact"]["metadata"].clone();
    ensure!(
        notes == json!({"org.opencontainers.image.revision": "r1"}),
        "{notes}"
    );
    Ok(())
}
