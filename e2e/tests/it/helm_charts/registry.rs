//! Charts in container registries, as the real Helm pushes them there.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    flux::SOURCE,
    origin::{
        Artifact, Authority, Guard, Registry,
        helm::{chart, package, push},
        oci::USER,
    },
    world::World,
};
use serde_json::{Value, json};

use super::{CHART, KIND, REPOSITORY, helm_chart, ready, repository, served};

#[tokio::test]
async fn charts_are_had_from_registries() -> Result<()> {
    let space = World::shared().await?.space("chart-oci").await?;
    let guard = Guard {
        login: true,
        ..Guard::default()
    };
    let registry = Registry::start(&guard).await?;
    let mut archives = Vec::new();
    for version in ["1.0.0", "1.1.0+build.5", "2.0.0-rc.1"] {
        let archive = package(&chart("web", version)).await?;
        push(&registry, "charts", &archive, true).await?;
        archives.push(archive);
    }
    for (name, password) in [("wrong", "wrong"), ("docker", "right")] {
        let config = registry.docker_config(password);
        space.apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": config}})).await?;
    }
    let other = json!({"auths": {"ghcr.io": {"username": "a", "password": "b"}}}).to_string();
    for (name, data) in [
        ("basic", json!({"username": USER.0, "password": USER.1})),
        ("elsewhere", json!({".dockerconfigjson": other})),
    ] {
        space
            .apply(
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}),
            )
            .await?;
    }
    let of = |secret: Value| json!({"spec": {"type": "oci", "insecure": true, "secretRef": secret}});
    space
        .apply(repository(&registry.url("charts"), &of(json!({"name": "basic"}))))
        .await?;
    for (version, found, at) in [
        ("*", "1.1.0+build.5", 1),
        ("1.0.0", "1.0.0", 0),
        (">=2.0.0-0", "2.0.0-rc.1", 2),
        ("1.1.0+build.5", "1.1.0+build.5", 1),
    ] {
        space
            .apply(helm_chart("web", &json!({"version": version})))
            .await?;
        let object = ready(&space, "web", found).await?;
        ensure!(
            served(&object).await? == archives[at],
            "{version}: it is what Helm pushed"
        );
        ensure!(
            object["status"]["observedSourceArtifactRevision"].is_null(),
            "{object}"
        );
    }
    // By another way in.
    space
        .apply(repository(
            &registry.url("charts"),
            &of(json!({"name": "docker"})),
        ))
        .await?;
    space.apply(helm_chart("docker", &json!({}))).await?;
    ready(&space, "docker", "1.1.0+build.5").await?;

    let bad = Artifact {
        layers: vec![(CHART.to_owned(), b"x".to_vec())],
        ..Artifact::default()
    };
    registry.push("charts/flux", "1.0.0", &bad).await?;
    for (secret, spec, reason, part) in [
        (
            json!(null),
            json!({}),
            "AuthenticationFailed",
            "failed to authenticate with the Helm repository: chart pull error",
        ),
        (
            json!({"name": "wrong"}),
            json!({}),
            "AuthenticationFailed",
            "failed to authenticate with the Helm repository: chart pull error",
        ),
        (
            json!({"name": "elsewhere"}),
            json!({}),
            "AuthenticationFailed",
            "no auth config for",
        ),
        (
            json!({"name": "nowhere"}),
            json!({}),
            "AuthenticationFailed",
            "failed to get authentication secret",
        ),
        (
            json!({"name": "basic"}),
            json!({"version": "9.x"}),
            "ChartPullError",
            "could not locate a version matching provided version string 9.x",
        ),
        (
            json!({"name": "basic"}),
            json!({"version": "9.0.0"}),
            "ChartPullError",
            "failed to download chart for remote reference",
        ),
        (
            json!({"name": "basic"}),
            json!({"chart": "nope"}),
            "ChartPullError",
            "could not get tags for \"nope\"",
        ),
        (
            json!({"name": "basic"}),
            json!({"chart": "flux", "version": "1.0.0"}),
            "ChartPullError",
            "could not load config with mediatype application/vnd.cncf.helm.config.v1+json",
        ),
        (
            json!({"name": "basic"}),
            json!({"chart": "../web"}),
            "InvalidChartReference",
            "invalid chart name '../web'",
        ),
        (
            json!({"name": "basic"}),
            json!({"verify": {"provider": "cosign"}}),
            "VerificationError",
            "unable to initialize trusted root",
        ),
    ] {
        space
            .apply(repository(&registry.url("charts"), &of(secret.clone())))
            .await?;
        space.apply(helm_chart("bad", &spec)).await?;
        let told = space
            .says(SOURCE, KIND, "bad", reason, part)
            .await
            .with_context(|| format!("{secret} {spec}"))?;
        ensure!(
            told.status == "False" && !told.message.contains("right"),
            "{told:?}"
        );
        space.delete(SOURCE, KIND, "bad").await?;
        space.gone(SOURCE, KIND, "bad").await?;
    }
    Ok(())
}

/// Puts a chart there as `helm push` does, which would want to see certificates that it trusts.
async fn put(registry: &Registry, version: &str) -> Result<Vec<u8>> {
    let (repository, archive) = ("charts/web", package(&chart("web", version)).await?);
    let about = json!({"apiVersion": "v2", "name": "web", "version": version}).to_string();
    let mut config = registry.blob(repository, about.as_bytes()).await?;
    config["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json");
    let mut layer = registry.blob(repository, &archive).await?;
    layer["mediaType"] = json!(CHART);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [layer],
    });
    registry.manifest(repository, version, &manifest).await?;
    Ok(archive)
}

#[tokio::test]
async fn charts_are_had_over_tls_and_with_tokens() -> Result<()> {
    let space = World::shared().await?.space("chart-tls").await?;
    let (authority, other) = (Authority::new()?, Authority::new()?);
    let registry = Registry::start(&Guard {
        tokens: true,
        tls: Some(authority.server(&["127.0.0.1"])?),
        ..Guard::default()
    })
    .await?;
    put(&registry, "1.0.0").await?;
    let archive = put(&registry, "1.1.0").await?;
    for (name, data) in [
        ("right", json!({"username": USER.0, "password": USER.1})),
        ("wrong", json!({"username": USER.0, "password": "canary"})),
        ("authority", json!({"ca.crt": authority.certificate()})),
        ("other", json!({"ca.crt": other.certificate()})),
    ] {
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        space.apply(secret).await?;
    }
    let again = async |login: &str, authority: &str, insecure: bool| {
        let _ = space.delete(SOURCE, KIND, "web").await;
        space.gone(SOURCE, KIND, "web").await?;
        let _ = space.delete(SOURCE, REPOSITORY, "repo").await;
        space.gone(SOURCE, REPOSITORY, "repo").await?;
        let named = |name: &str| (!name.is_empty()).then(|| json!({"name": name}));
        let spec = json!({
            "type": "oci", "insecure": insecure, "secretRef": named(login), "certSecretRef": named(authority),
        });
        let object = repository(&registry.url("charts"), &json!({"spec": spec}));
        space.apply(object).await?;
        space.apply(helm_chart("web", &json!({}))).await
    };
    let given = registry.tokens_given();
    again("right", "authority", false).await?;
    let object = ready(&space, "web", "1.1.0").await?;
    ensure!(served(&object).await? == archive, "it is what was put there");
    for _ in 0..3 {
        space.handled(SOURCE, KIND, "web").await?;
    }
    let given = registry.tokens_given() - given;
    ensure!(given == 1, "four passes, one token: {given}");
    // Who need not prove who it is does not have to, unless somebody says whom to trust.
    again("right", "", true).await?;
    ready(&space, "web", "1.1.0").await?;
    for (login, authority, insecure, part) in [
        ("right", "", false, "certificate"),
        ("right", "other", false, "certificate"),
        ("right", "other", true, "certificate"),
        ("wrong", "authority", false, "UNAUTHORIZED"),
        ("", "authority", false, "UNAUTHORIZED"),
        ("right", "wrong", false, "TLS config"),
    ] {
        again(login, authority, insecure).await?;
        let case = format!("'{login}' and '{authority}', insecure: {insecure}");
        let told = space
            .says(SOURCE, KIND, "web", "AuthenticationFailed", part)
            .await
            .context(case)?;
        ensure!(
            told.status == "False" && !told.message.contains("canary"),
            "{told:?}"
        );
    }
    Ok(())
}
