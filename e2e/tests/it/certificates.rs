//! Peers that want to know who asks: only the right certificate opens a registry or a bucket, and what is wrong is told.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app, expect,
    flux::SOURCE,
    origin::{
        Artifact, Authority, Clients, Guard, Registry, Relay, S3Server, Tls,
        objects::{KEYS, REGION},
    },
    space::Space,
    world::World,
};
use serde_json::{Value, json};

fn secret(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

/// The Secrets of one who is known, and of those who are not quite.
async fn secrets(space: &Space<'_>, authority: &Authority) -> Result<()> {
    let (right, stranger) = (authority.client("right")?, Authority::new()?);
    let wrong = stranger.client("wrong")?;
    let ca = authority.certificate();
    for (name, data) in [
        (
            "right",
            json!({"ca.crt": ca, "tls.crt": right.certificate, "tls.key": right.key}),
        ),
        (
            "legacy",
            json!({"caFile": ca, "certFile": right.certificate, "keyFile": right.key}),
        ),
        ("nobody", json!({"ca.crt": ca})),
        (
            "stranger",
            json!({"ca.crt": ca, "tls.crt": wrong.certificate, "tls.key": wrong.key}),
        ),
        (
            "other-server",
            json!({"ca.crt": stranger.certificate(), "tls.crt": right.certificate, "tls.key": right.key}),
        ),
        ("half", json!({"ca.crt": ca, "tls.crt": right.certificate})),
        (
            "other-key",
            json!({"ca.crt": ca, "tls.crt": right.certificate, "tls.key": wrong.key}),
        ),
        ("keys", json!({"accesskey": KEYS.0, "secretkey": KEYS.1})),
    ] {
        space.apply(secret(name, &data)).await?;
    }
    Ok(())
}

/// Tries an object with each of the Secrets; `reason` is what is told of peers that refuse.
async fn tried(space: &Space<'_>, kind: &str, plain: &Value, reason: &str) -> Result<()> {
    let again = async |name: &str| {
        let _ = space.delete(SOURCE, kind, "app").await;
        space.gone(SOURCE, kind, "app").await?;
        let mut object = plain.clone();
        object["spec"]["certSecretRef"] = json!({"name": name});
        space.apply(object).await
    };
    for name in ["right", "legacy"] {
        again(name).await?;
        let ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
        let what = format!("{kind} with {name}");
        space.holds(&what, SOURCE, kind, "app", ready).await?;
    }
    for (name, reason, part) in [
        ("nobody", reason, "received fatal alert"),
        ("stranger", reason, "received fatal alert"),
        ("other-server", reason, "certificate"),
        ("half", "AuthenticationFailed", "but missing 'tls.key'"),
        (
            "other-key",
            "AuthenticationFailed",
            "failed to parse TLS certificate and key",
        ),
    ] {
        again(name).await?;
        let told = space.says(SOURCE, kind, "app", reason, part).await;
        let told = told.with_context(|| format!("{kind} with {name}"))?;
        ensure!(
            told.status == "False" && !told.message.contains("PRIVATE KEY"),
            "{told:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_registry_that_wants_certificates() -> Result<()> {
    let space = World::shared().await?.space("certs-oci").await?;
    let authority = Authority::new()?;
    secrets(&space, &authority).await?;
    let guard = Guard {
        tls: Some(authority.server(&["127.0.0.1"])?),
        clients: Some(Clients {
            authority: authority.certificate(),
            pusher: authority.client("pusher")?,
        }),
        ..Guard::default()
    };
    let registry = Registry::start(&guard).await?;
    let good = Artifact::of_files(&[("a.yaml", &app::config_map("a", "1"))])?;
    registry.push("app", "latest", &good).await?;
    let object = json!({
        "apiVersion": SOURCE, "kind": "OCIRepository", "metadata": {"name": "app"},
        "spec": {"interval": "1h", "url": registry.url("app")},
    });
    tried(&space, "OCIRepository", &object, "OCIArtifactPullFailed").await
}

/// `insecure` lets anybody be the registry, unless somebody says whom to trust.
#[tokio::test]
async fn a_registry_that_need_not_prove_who_it_is() -> Result<()> {
    let space = World::shared().await?.space("certs-insecure").await?;
    let (authority, other) = (Authority::new()?, Authority::new()?);
    let registry = Registry::start(&Guard {
        tls: Some(authority.server(&["127.0.0.1"])?),
        ..Guard::default()
    })
    .await?;
    let good = Artifact::of_files(&[("a.yaml", &app::config_map("a", "1"))])?;
    registry.push("app", "latest", &good).await?;
    for (name, trusted) in [("right", &authority), ("other", &other)] {
        space
            .apply(secret(name, &json!({"ca.crt": trusted.certificate()})))
            .await?;
    }
    for (insecure, trust, good) in [
        (true, None, true),
        (true, Some("other"), false),
        (true, Some("right"), true),
        (false, None, false),
        (false, Some("right"), true),
    ] {
        let _ = space.delete(SOURCE, "OCIRepository", "app").await;
        space.gone(SOURCE, "OCIRepository", "app").await?;
        let mut object = json!({
            "apiVersion": SOURCE, "kind": "OCIRepository", "metadata": {"name": "app"},
            "spec": {"interval": "1h", "url": registry.url("app"), "insecure": insecure},
        });
        if let Some(name) = trust {
            object["spec"]["certSecretRef"] = json!({"name": name});
        }
        space.apply(object).await?;
        let as_told = |o: &Value| {
            expect::verdict(o).is_some_and(|v| match good {
                true => v.status == "True",
                false => v.reason == "OCIArtifactPullFailed" && v.message.contains("certificate"),
            })
        };
        let what = format!("insecure: {insecure}, trust: {trust:?}, good: {good}");
        space
            .holds(&what, SOURCE, "OCIRepository", "app", as_told)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_bucket_that_wants_certificates() -> Result<()> {
    let space = World::shared().await?.space("certs-bucket").await?;
    let authority = Authority::new()?;
    secrets(&space, &authority).await?;
    let server = S3Server::start(None).await?;
    server.create("app").await?;
    server.put("app", "a.yaml", app::config_map("a", "1")).await?;
    let mutual = Tls {
        identity: authority.server(&["127.0.0.1"])?,
        client_authority: Some(authority.certificate()),
    };
    let relay = Relay::start(&mutual, server.endpoint()).await?;
    let object = json!({
        "apiVersion": SOURCE, "kind": "Bucket", "metadata": {"name": "app"},
        "spec": {
            "interval": "1h", "bucketName": "app", "endpoint": relay.address(), "region": REGION,
            "secretRef": {"name": "keys"},
        },
    });
    tried(&space, "Bucket", &object, "BucketOperationFailed").await
}
