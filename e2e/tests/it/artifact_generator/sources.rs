//! One artifact of several sources, on its way to the cluster; whose sources it may have, and a generator that is left alone.

use super::*;
use e2e::{
    flux::KUSTOMIZE,
    origin::{
        S3Server,
        objects::{KEYS, REGION},
    },
    space::LIMIT,
    suite::Options,
};

const SITE: &str = "site";

/// A generator that puts a repository's files, a chart's and a bucket's together; what comes later wins.
fn site() -> Value {
    let copy = |from: &str| json!({"from": from, "to": "@artifact/"});
    json!({
        "apiVersion": EXTENSIONS, "kind": KIND, "metadata": {"name": SITE},
        "spec": {
            "sources": [
                {"alias": "repo", "kind": "GitRepository", "name": "app"},
                {"alias": "chart", "kind": "HelmChart", "name": "web"},
                {"alias": "bucket", "kind": "Bucket", "name": "files"},
            ],
            "artifacts": [{
                "name": SITE, "originRevision": "@repo",
                "copy": [copy("@repo/deploy/**"), copy("@chart/web/files/**"), copy("@bucket/*.yaml")],
            }],
        },
    })
}

async fn sources(space: &Space<'_>) -> Result<S3Server> {
    let map = app::config_map;
    space.repo.commit(&[
        ("deploy/both.yaml", &map("both", "repository")),
        ("deploy/own.yaml", &map("own", "1")),
        (
            "charts/web/Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        ),
        ("charts/web/files/packed.yaml", &map("packed", "1")),
    ])?;
    space.git_repository(json!({})).await?;
    let of = |kind: &str, name: &str, spec: Value| json!({"apiVersion": SOURCE, "kind": kind, "metadata": {"name": name}, "spec": spec});
    let repository = json!({"kind": "GitRepository", "name": "app"});
    let chart = json!({
        "interval": "1h", "chart": "charts/web", "sourceRef": repository, "reconcileStrategy": "Revision",
    });
    space.apply(of("HelmChart", "web", chart)).await?;
    let server = S3Server::start(None).await?;
    server.create("files").await?;
    server.put("files", "both.yaml", map("both", "bucket")).await?;
    space
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"},
            "stringData": {"accesskey": KEYS.0, "secretkey": KEYS.1},
        }))
        .await?;
    let bucket = json!({
        "interval": "1h", "bucketName": "files", "endpoint": server.endpoint(), "insecure": true, "region": REGION,
        "secretRef": {"name": "keys"},
    });
    space.apply(of("Bucket", "files", bucket)).await?;
    Ok(server)
}

/// Waits until a ConfigMap in the cluster has a value.
async fn reaches(space: &Space<'_>, name: &str, value: &str) -> Result<()> {
    let has = |o: &Value| o["data"]["value"] == value;
    let what = format!("{name} is {value}");
    space.holds(&what, "v1", "ConfigMap", name, has).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn several_sources_reach_the_cluster_as_one() -> Result<()> {
    let world = World::start(&Options {
        source: vec!["--no-cross-namespace-refs=true".to_owned()],
        kustomize: vec!["--feature-gates=ExternalArtifact=true".to_owned()],
        ..Options::default()
    })
    .await?;
    let space = world.space("parts-of-many").await?;
    let server = sources(&space).await?;
    space.apply(site()).await?;
    let source = json!({"spec": {"sourceRef": {"kind": MADE, "name": SITE}}});
    space.kustomization(SITE, "./", source).await?;
    for (name, value) in [("both", "bucket"), ("own", "1"), ("packed", "1")] {
        reaches(&space, name, value).await?;
    }
    let object = made(&space, SITE).await?;
    let paths: Vec<String> = files(&object).await?.into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["both.yaml", "own.yaml", "packed.yaml"]);
    let applied = |o: &Value, made: &Value| {
        o["status"]["lastAppliedRevision"] == made["status"]["artifact"]["revision"]
            && expect::verdict(o).is_some_and(|v| v.status == "True")
    };
    let is_applied = |o: &Value| applied(o, &object);
    let told = "its revision is applied";
    space
        .holds(told, KUSTOMIZE, "Kustomization", SITE, is_applied)
        .await?;

    // What changes in any of them follows by itself.
    space
        .push(&[("deploy/own.yaml", &app::config_map("own", "2"))])
        .await?;
    reaches(&space, "own", "2").await?;
    space
        .push(&[("charts/web/files/packed.yaml", &app::config_map("packed", "2"))])
        .await?;
    reaches(&space, "packed", "2").await?;
    let both = app::config_map("both", "bucket again");
    server.put("files", "both.yaml", both).await?;
    space.request(SOURCE, "Bucket", "files").await?;
    reaches(&space, "both", "bucket again").await?;

    left_alone(&space).await?;
    denied(&space).await?;
    Ok(())
}

/// One that is suspended by its annotation makes nothing, and says so; what it missed it makes up for.
async fn left_alone(space: &Space<'_>) -> Result<()> {
    let disabled = |value: Value| json!({"metadata": {"annotations": {crds::extensions::RECONCILE: value}}});
    space
        .patch(EXTENSIONS, KIND, SITE, disabled(json!("Disabled")))
        .await?;
    let told = async || {
        let events = space.events().await?;
        let told = events.into_iter().find(|event| {
            event.involved_object.kind.as_deref() == Some(KIND)
                && event.reason.as_deref() == Some("ReconciliationDisabled")
                && event.type_.as_deref() == Some("Warning")
                && event.message.as_deref() == Some("Reconciliation is disabled")
        });
        Ok(told)
    };
    space.until("it is told to be disabled", LIMIT, told).await?;
    let before = made(space, SITE).await?;
    let commit = space
        .push(&[("deploy/own.yaml", &app::config_map("own", "3"))])
        .await?;
    space.fetched(&commit).await?;
    space.handled(EXTENSIONS, KIND, SITE).await?;
    let after = made(space, SITE).await?;
    assert_eq!(before["status"]["artifact"], after["status"]["artifact"]);
    space.patch(EXTENSIONS, KIND, SITE, disabled(Value::Null)).await?;
    reaches(space, "own", "3").await
}

/// Where namespaces are kept apart, another's source is not read.
async fn denied(space: &Space<'_>) -> Result<()> {
    let theirs = json!({"alias": "repo", "kind": "GitRepository", "name": "app", "namespace": "theirs"});
    let other = generator(&json!({"spec": {"sources": [theirs]}}));
    space.apply(other).await?;
    let text = "cross-namespace reference to source GitRepository/theirs/app is not allowed";
    space
        .says(EXTENSIONS, KIND, "parts", "AccessDenied", text)
        .await?;
    let object = space.get(EXTENSIONS, KIND, "parts").await?.context("parts")?;
    let stalled = expect::condition(&object, "Stalled");
    ensure!(stalled.is_some_and(|c| c.status == "True"), "{object}");
    ensure!(space.get(SOURCE, MADE, "backend").await?.is_none());
    Ok(())
}

/// Without the feature a Kustomization says what it lacks.
#[tokio::test]
async fn a_kustomization_of_one_needs_the_feature() -> Result<()> {
    let space = start("parts-gate").await?;
    let source = json!({"spec": {"sourceRef": {"kind": MADE, "name": SITE}}});
    space.kustomization(SITE, "./", source).await?;
    let text = "can't access 'ExternalArtifact/parts-gate/site', ExternalArtifact feature gate is disabled";
    space
        .says(KUSTOMIZE, "Kustomization", SITE, "AccessDenied", text)
        .await?;
    Ok(())
}
