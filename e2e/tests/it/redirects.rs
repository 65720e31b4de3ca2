//! Peers that are asked over TLS and send on to plain HTTP: nobody goes there, whatever the kind, with a login or without one.

use anyhow::{Context as _, Result, ensure};
use axum::{body::Body, http::Response};
use e2e::{
    flux::{SOURCE, git_repository, with},
    origin::{
        Asked, Authority, Scripted,
        helm::{chart, index, package},
    },
    space::Space,
    world::World,
};
use serde_json::{Value, json};

use crate::oci_hostile::{answer, digest, manifest};

/// What no peer must hear in clear.
const CANARY: &str = "canary-login";
/// Media types of a chart in a registry.
const CHART: (&str, &str) = (
    "application/vnd.cncf.helm.config.v1+json",
    "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
);

/// A peer of all kinds, which has what leads to content, and sends on for the content itself. What has `open` in its path is
/// for everybody.
fn sends_on(asked: &Asked, plain: &str, archive: &[u8]) -> Response<Body> {
    let path = asked.path.as_str();
    if !path.contains("open") && asked.header("authorization").is_empty() {
        return answer(401, &[("www-authenticate", "Basic realm=\"e2e\"")], "");
    }
    if path.ends_with("/charts/index.yaml") {
        return answer(200, &[], index(&[("web", "1.0.0", "web.tgz")]));
    }
    let in_blob = path.contains("-blob/") || path.contains("-chart/");
    if in_blob && path.contains("/manifests/") {
        let config = path.contains("-chart/").then_some(CHART.0);
        let text = manifest(config.unwrap_or_default(), CHART.1, archive);
        let digest = digest(text.as_bytes());
        return answer(200, &[("docker-content-digest", &digest)], text);
    }
    let to = format!("{plain}{path}?{}", asked.query);
    answer(307, &[("location", &to)], "")
}

fn source(kind: &str, name: &str, spec: Value) -> Value {
    let plain = json!({
        "apiVersion": SOURCE, "kind": kind, "metadata": {"name": name}, "spec": {"interval": "1h"},
    });
    with(plain, &json!({"spec": spec}))
}

async fn secrets(space: &Space<'_>, ca: &str, address: &str) -> Result<()> {
    let docker = json!({"auths": {address: {"username": "me", "password": CANARY}}}).to_string();
    for (name, data) in [
        ("authority", json!({"ca.crt": ca})),
        ("git", json!({"ca.crt": ca, "username": "me", "password": CANARY})),
        ("login", json!({"username": "me", "password": CANARY})),
        ("docker", json!({".dockerconfigjson": docker})),
        ("keys", json!({"accesskey": "me", "secretkey": CANARY})),
    ] {
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        space.apply(secret).await?;
    }
    Ok(())
}

#[tokio::test]
async fn nobody_goes_from_tls_to_plain_http() -> Result<()> {
    let space = World::shared().await?.space("downgrade").await?;
    // It has whatever it is asked for.
    let plain = Scripted::start(|_| answer(200, &[], "in clear")).await?;
    let (authority, archive) = (Authority::new()?, package(&chart("web", "1.0.0")).await?);
    let to = plain.url();
    let secure = Scripted::start_tls(authority.server(&["127.0.0.1"])?, move |asked| {
        sends_on(asked, &to, &archive)
    })
    .await?;
    let address = secure.address();
    secrets(&space, &authority.certificate(), &address).await?;
    let (url, oci) = (
        |path: &str| format!("https://{address}/{path}"),
        |path: &str| format!("oci://{address}/{path}"),
    );
    let trusting = |secret: Option<&str>, spec: Value| {
        let login = secret.map_or(json!({}), |name| json!({"secretRef": {"name": name}}));
        with(
            with(spec, &json!({"certSecretRef": {"name": "authority"}})),
            &login,
        )
    };
    let (host, scheme) = (
        "refused to follow a redirect to '127.0.0.1'",
        "refused to follow a redirect from https to http",
    );
    for (way, login) in [("open", false), ("guarded", true)] {
        let with_login = |name: &'static str| login.then_some(name);
        let named = |kind: &str| format!("{way}-{kind}");
        let git_secret = if login { "git" } else { "authority" };
        let git = json!({"spec": {"secretRef": {"name": git_secret}}});
        let git = with(git_repository(&named("git"), &url(&named("git.git"))), &git);
        let of_registry = |name: &str| {
            let spec = json!({"url": oci(&named(name)), "ref": {"tag": "1.0.0"}});
            source(
                "OCIRepository",
                &named(name),
                trusting(with_login("docker"), spec),
            )
        };
        let bucket = json!({"bucketName": named("bucket"), "endpoint": address, "region": "eu-test-1"});
        let index = json!({"url": url(&named("index"))});
        for (object, reason, part) in [
            (git, "GitOperationFailed", host),
            (of_registry("tag"), "OCIArtifactPullFailed", scheme),
            (of_registry("blob"), "OCIArtifactPullFailed", scheme),
            (
                source("Bucket", &named("bucket"), trusting(with_login("keys"), bucket)),
                "BucketOperationFailed",
                host,
            ),
            (
                source(
                    "HelmRepository",
                    &named("index"),
                    trusting(with_login("login"), index),
                ),
                "Failed",
                scheme,
            ),
        ] {
            refused(&space, object, reason, part).await?;
        }
        // Charts: over HTTP, and in a registry.
        for (name, spec) in [
            ("charts", json!({"url": url(&format!("{way}/charts"))})),
            ("registry", json!({"url": oci(&named("chart")), "type": "oci"})),
        ] {
            let spec = trusting(with_login("login"), spec);
            space.apply(source("HelmRepository", &named(name), spec)).await?;
            let spec = json!({
                "chart": "web", "version": "1.0.0", "sourceRef": {"kind": "HelmRepository", "name": named(name)},
            });
            refused(
                &space,
                source("HelmChart", &named(name), spec),
                "ChartPullError",
                scheme,
            )
            .await?;
        }
    }
    ensure!(plain.asked().is_empty(), "{:?}", plain.asked());
    // Each was let in with its login, and then sent on.
    let asked = secure.asked();
    for path in [
        "/guarded-git.git/",
        "/v2/guarded-tag/",
        "/v2/guarded-blob/blobs/",
        "/guarded-bucket/",
        "/guarded-index/",
        "/guarded/charts/web.tgz",
        "/v2/guarded-chart/web/blobs/",
    ] {
        let let_in =
            |asked: &Asked| asked.path.starts_with(path) && !asked.header("authorization").is_empty();
        ensure!(asked.iter().any(let_in), "{path} was not asked for with a login");
    }
    Ok(())
}

async fn refused(space: &Space<'_>, object: Value, reason: &str, part: &str) -> Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    space.apply(object).await?;
    let told = space.says(SOURCE, &kind, &name, reason, part).await;
    let told = told.with_context(|| format!("{kind} {name}"))?;
    ensure!(
        told.status == "False" && !told.message.contains(CANARY),
        "{told:?}"
    );
    Ok(())
}
