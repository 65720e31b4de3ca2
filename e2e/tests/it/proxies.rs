//! Sources behind a proxy: the one that an object names, whatever the environment says, and the environment's for the others.
//! The names that they have are known to the proxies alone.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app, expect,
    flux::SOURCE,
    origin::{
        Artifact, Authority, GitServer, Guard, HelmServer, Page, Registry, S3Server, Socks, Tls, Tunnel,
        helm::index,
        objects::{KEYS, REGION},
    },
    space::Space,
    suite::Options,
    world::World,
};
use serde_json::{Value, json};

const LOGIN: (&str, &str) = ("me", "canary-proxy");
const NAMES: [&str; 4] = ["git.test", "registry.test", "bucket.test", "charts.test"];

fn secret(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

/// A kind, what its object says, what there is at its address, and what is told if there is no way to it.
struct Case {
    kind: &'static str,
    spec: Value,
    place: &'static str,
    at: String,
    failed: &'static str,
}

async fn again(space: &Space<'_>, case: &Case, proxy: &str) -> Result<()> {
    let _ = space.delete(SOURCE, case.kind, "app").await;
    space.gone(SOURCE, case.kind, "app").await?;
    let mut spec = case.spec.clone();
    spec["proxySecretRef"] = json!({"name": proxy});
    let object = json!({"apiVersion": SOURCE, "kind": case.kind, "metadata": {"name": "app"}, "spec": spec});
    space.apply(object).await
}

async fn ready(space: &Space<'_>, kind: &str, what: &str) -> Result<()> {
    let ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    space
        .holds(&format!("{kind} {what}"), SOURCE, kind, "app", ready)
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_goes_through_the_proxy_that_it_names() -> Result<()> {
    let authority = Authority::new()?;
    let identity = authority.server(&NAMES)?;
    let tls = Tls {
        identity: identity.clone(),
        client_authority: None,
    };
    let charts = HelmServer::start_tls(&tls).await?;
    let content = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    charts.put("/index.yaml", Page::Known(content));
    let to_charts = charts.url("").trim_start_matches("https://").to_owned();
    let environment = Tunnel::start(Some(to_charts)).await?;
    let world = World::start(&Options {
        env: vec![
            ("HTTPS_PROXY", environment.url().to_owned()),
            ("NO_PROXY", "127.0.0.1".into()),
        ],
        ..Options::default()
    })
    .await?;
    let space = world.space("proxies").await?;
    space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    let git = GitServer::start_tls(&world.repositories(), &tls).await?;
    let guard = Guard {
        tls: Some(identity.clone()),
        ..Guard::default()
    };
    let registry = Registry::start(&guard).await?;
    let good = Artifact::of_files(&[("a.yaml", &app::config_map("a", "1"))])?;
    registry.push("app", "latest", &good).await?;
    let server = S3Server::start(Some(&identity)).await?;
    server.create("app").await?;
    server.put("app", "a.yaml", app::config_map("a", "1")).await?;
    for (name, data) in [
        ("authority", json!({"ca.crt": authority.certificate()})),
        ("keys", json!({"accesskey": KEYS.0, "secretkey": KEYS.1})),
    ] {
        space.apply(secret(name, &data)).await?;
    }
    let ca = json!({"name": "authority"});
    for case in [
        Case {
            kind: "GitRepository",
            spec: json!({
                "interval": "1h", "url": "https://git.test/proxies", "ref": {"branch": "main"}, "secretRef": ca,
            }),
            place: "git.test:443",
            at: git.address().to_string(),
            failed: "GitOperationFailed",
        },
        Case {
            kind: "OCIRepository",
            spec: json!({"interval": "1h", "url": "oci://registry.test/app", "certSecretRef": ca}),
            place: "registry.test:443",
            at: registry.address(),
            failed: "OCIArtifactPullFailed",
        },
        Case {
            kind: "Bucket",
            spec: json!({
                "interval": "1h", "endpoint": "bucket.test", "bucketName": "app", "region": REGION,
                "secretRef": {"name": "keys"}, "certSecretRef": ca,
            }),
            place: "bucket.test:443",
            at: server.endpoint(),
            failed: "BucketOperationFailed",
        },
    ] {
        let kind = case.kind;
        let open = Tunnel::guarded(case.at.clone(), LOGIN).await?;
        let socks = Socks::start(case.at.clone()).await?;
        for (name, data) in [
            (
                "open",
                json!({"address": open.url(), "username": LOGIN.0, "password": LOGIN.1}),
            ),
            (
                "wrong",
                json!({"address": open.url(), "username": LOGIN.0, "password": "canary-no"}),
            ),
            ("socks", json!({"address": socks.url()})),
            ("away", json!({"address": "http://127.0.0.1:1"})),
            ("none", json!({"address": "gopher://127.0.0.1"})),
        ] {
            space.apply(secret(name, &data)).await?;
        }
        again(&space, &case, "open").await?;
        ready(&space, kind, "through the proxy").await?;
        let led = open.led();
        ensure!(
            !led.is_empty() && led.iter().all(|place| place == case.place),
            "{kind}: {led:?}"
        );
        // Each request goes through it, not only the first.
        space.handled(SOURCE, kind, "app").await?;
        again(&space, &case, "socks").await?;
        ready(&space, kind, "through SOCKS").await?;
        let led = socks.led();
        ensure!(
            !led.is_empty() && led.iter().all(|place| place == case.place),
            "{kind}: the name is the proxy's to find: {led:?}"
        );
        for (name, reason, part) in [
            ("wrong", case.failed, ""),
            ("away", case.failed, ""),
            ("none", "AuthenticationFailed", "http, https or socks5"),
        ] {
            again(&space, &case, name).await?;
            let told = space.says(SOURCE, kind, "app", reason, part).await;
            let told = told.with_context(|| format!("{kind} with {name}"))?;
            ensure!(
                told.status == "False" && !told.message.contains("canary"),
                "{told:?}"
            );
        }
    }
    let led = environment.led();
    ensure!(led.is_empty(), "the environment's proxy led to {led:?}");

    // A HelmRepository names none, and has the environment's.
    let spec = json!({"interval": "1h", "url": "https://charts.test", "certSecretRef": ca});
    let object =
        json!({"apiVersion": SOURCE, "kind": "HelmRepository", "metadata": {"name": "app"}, "spec": spec});
    space.apply(object).await?;
    ready(&space, "HelmRepository", "through the environment's proxy").await?;
    let led = environment.led();
    ensure!(
        !led.is_empty() && led.iter().all(|place| place == "charts.test:443"),
        "{led:?}"
    );
    Ok(())
}
