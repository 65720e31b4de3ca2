//! People hear of every kind of object: that it fails, with what the controller says of it, and that it is well again.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app,
    charts::Charts,
    flux::{EXTENSIONS, HELM, KUSTOMIZE, SOURCE, alert, provider},
    origin::{
        Artifact, Guard, HelmServer, Page, Registry, S3Server, Sink,
        helm::{chart, index, package},
        objects::{KEYS, REGION},
    },
    space::{LIMIT, Space},
    world::World,
};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

/// All kinds of the suite that alerts may name.
const KINDS: [&str; 9] = [
    "GitRepository",
    "OCIRepository",
    "Bucket",
    "HelmRepository",
    "HelmChart",
    "ArtifactGenerator",
    "ExternalArtifact",
    "Kustomization",
    "HelmRelease",
];

fn of(api_version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// Whoever listens, and what he has heard.
struct Listener<'a> {
    space: &'a Space<'a>,
    sink: &'a Sink,
}

impl Listener<'_> {
    /// The events about an object of a kind, in the order of their coming.
    fn heard(&self, kind: &str, name: &str) -> Vec<Value> {
        let mut events = self.sink.events("/");
        events.retain(|event| {
            let about = &event["involvedObject"];
            about["kind"] == kind && about["name"] == name && about["namespace"] == self.space.name()
        });
        events
    }

    /// Waits until the last that was heard of an object is of this severity, with this in its text.
    async fn hears(&self, kind: &str, name: &str, severity: &str, part: &str) -> Result<Value> {
        let last = async || {
            let last = self.heard(kind, name).pop();
            Ok(last.filter(|event| {
                event["severity"] == severity
                    && event["message"].as_str().is_some_and(|text| text.contains(part))
            }))
        };
        let what = format!("{kind}/{name} {severity} '{part}' is told");
        let event = self.space.until(&what, LIMIT, last).await;
        event.with_context(|| format!("the sink has {:#?}", self.heard(kind, name)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_is_told_of_when_it_fails_and_when_it_is_well() -> Result<()> {
    let (space, sink) = (
        World::shared().await?.space("notify-kinds").await?,
        Sink::start().await?,
    );
    let space = &space;
    space.apply(provider("sink", &sink.url("/"))).await?;
    space.apply(alert("all", "sink", &KINDS)).await?;
    let listener = Listener { space, sink: &sink };
    git(&listener).await?;
    registry(&listener).await?;
    bucket(&listener).await?;
    charts(&listener).await?;
    release(&listener).await?;
    theirs(&listener).await?;

    for kind in KINDS {
        let events = sink.events("/");
        let mut own = events
            .iter()
            .filter(|event| event["involvedObject"]["kind"] == kind);
        let (mut failures, mut words) = (0, Vec::new());
        for event in own.by_ref() {
            let controller = match kind {
                "Kustomization" => "kustomize-controller",
                "HelmRelease" => "helm-controller",
                _ => "source-controller",
            };
            ensure!(event["reportingController"] == controller, "{event:#}");
            failures += usize::from(event["severity"] == "error");
            let what = (
                &event["involvedObject"]["name"],
                &event["reason"],
                &event["message"],
                &event["metadata"],
            );
            words.push(format!("{what:?}"));
        }
        ensure!(failures > 0, "no {kind} has failed");
        let told = words.len();
        words.sort();
        words.dedup();
        ensure!(words.len() == told, "something was told twice: {words:#?}");
    }
    Ok(())
}

/// A GitRepository, and what is made of it.
async fn git(listener: &Listener<'_>) -> Result<()> {
    let space = listener.space;
    space
        .repo
        .commit(&[("app/a.yaml", &app::config_map("app", "1"))])?;
    space
        .git_repository(json!({"spec": {"ref": {"branch": "nope"}}}))
        .await?;
    listener.hears("GitRepository", "app", "error", "nope").await?;
    space
        .patch(
            SOURCE,
            "GitRepository",
            "app",
            json!({"spec": {"ref": {"branch": "main"}}}),
        )
        .await?;
    listener
        .hears("GitRepository", "app", "info", "stored artifact for commit")
        .await?;

    space.kustomization("app", "./nowhere", json!({})).await?;
    listener.hears("Kustomization", "app", "error", "nowhere").await?;
    space
        .patch(
            KUSTOMIZE,
            "Kustomization",
            "app",
            json!({"spec": {"path": "./app"}}),
        )
        .await?;
    listener
        .hears("Kustomization", "app", "info", "Reconciliation finished")
        .await?;

    let copy = |from: &str| {
        let parts =
            json!([{"name": "part", "copy": [{"from": format!("@repo/{from}/**"), "to": "@artifact/"}]}]);
        let sources = json!([{"alias": "repo", "kind": "GitRepository", "name": "app"}]);
        of(
            EXTENSIONS,
            "ArtifactGenerator",
            "parts",
            &json!({"sources": sources, "artifacts": parts}),
        )
    };
    space.apply(copy("nowhere")).await?;
    listener
        .hears("ArtifactGenerator", "parts", "error", "no files match")
        .await?;
    space.apply(copy("app")).await?;
    listener
        .hears(
            "ArtifactGenerator",
            "parts",
            "info",
            "external artifacts reconciled",
        )
        .await?;
    listener
        .hears("ExternalArtifact", "part", "info", "")
        .await
        .map(drop)
}

async fn registry(listener: &Listener<'_>) -> Result<()> {
    let (space, registry) = (listener.space, Registry::start(&Guard::default()).await?);
    let spec =
        json!({"interval": "1h", "url": registry.url("apps/web"), "insecure": true, "ref": {"tag": "1.0.0"}});
    space.apply(of(SOURCE, "OCIRepository", "oci", &spec)).await?;
    listener
        .hears("OCIRepository", "oci", "error", "apps/web")
        .await?;
    let artifact = Artifact::of_files(&[("a.yaml", &app::config_map("a", "1"))])?;
    registry.push("apps/web", "1.0.0", &artifact).await?;
    space.request(SOURCE, "OCIRepository", "oci").await?;
    listener
        .hears("OCIRepository", "oci", "info", "stored artifact")
        .await
        .map(drop)
}

async fn bucket(listener: &Listener<'_>) -> Result<()> {
    let (space, server) = (listener.space, S3Server::start(None).await?);
    let keys = json!({"accesskey": KEYS.0, "secretkey": KEYS.1});
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": keys});
    space.apply(secret).await?;
    let spec = json!({
        "interval": "1h", "bucketName": "files", "endpoint": server.endpoint(), "insecure": true, "region": REGION,
        "secretRef": {"name": "keys"},
    });
    space.apply(of(SOURCE, "Bucket", "bucket", &spec)).await?;
    listener.hears("Bucket", "bucket", "error", "files").await?;
    server.create("files").await?;
    server.put("files", "a.yaml", app::config_map("a", "1")).await?;
    space.request(SOURCE, "Bucket", "bucket").await?;
    listener
        .hears("Bucket", "bucket", "info", "stored artifact")
        .await
        .map(drop)
}

/// A repository of charts, and a chart of it.
async fn charts(listener: &Listener<'_>) -> Result<()> {
    let (space, server) = (listener.space, HelmServer::start().await?);
    let spec = json!({"interval": "1h", "url": server.url("")});
    space.apply(of(SOURCE, "HelmRepository", "repo", &spec)).await?;
    listener.hears("HelmRepository", "repo", "error", "404").await?;
    server.put(
        "/web-1.0.0.tgz",
        Page::Known(package(&chart("web", "1.0.0")).await?),
    );
    server.put(
        "/index.yaml",
        Page::Known(index(&[("web", "1.0.0", "web-1.0.0.tgz")])),
    );
    space.request(SOURCE, "HelmRepository", "repo").await?;
    listener
        .hears("HelmRepository", "repo", "info", "stored fetched index")
        .await?;
    let spec = |version: &str| {
        let repository = json!({"kind": "HelmRepository", "name": "repo"});
        json!({"interval": "1h", "chart": "web", "version": version, "sourceRef": repository})
    };
    space
        .apply(of(SOURCE, "HelmChart", "web", &spec("9.9.9")))
        .await?;
    listener.hears("HelmChart", "web", "error", "9.9.9").await?;
    space
        .apply(of(SOURCE, "HelmChart", "web", &spec("1.0.0")))
        .await?;
    listener
        .hears("HelmChart", "web", "info", "1.0.0")
        .await
        .map(drop)
}

async fn release(listener: &Listener<'_>) -> Result<()> {
    let space = listener.space;
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {a: {{ required \"say a\" .Values.a }}}\n";
    let _charts = Charts::offer(space, &[("templates/all.yaml", template)]).await?;
    space.helm_release("release", json!({})).await?;
    listener.hears("HelmRelease", "release", "error", "say a").await?;
    space
        .patch(
            HELM,
            "HelmRelease",
            "release",
            json!({"spec": {"values": {"a": "b"}}}),
        )
        .await?;
    listener
        .hears("HelmRelease", "release", "info", "succeeded")
        .await
        .map(drop)
}

/// An artifact of another party: its condition is all that there is to tell.
async fn theirs(listener: &Listener<'_>) -> Result<()> {
    let space = listener.space;
    space
        .apply(of(SOURCE, "ExternalArtifact", "theirs", &json!({})))
        .await?;
    let api = space.api(SOURCE, "ExternalArtifact").await?;
    for (status, severity, text) in [("False", "error", "cannot be made"), ("True", "info", "is made")] {
        let ready = json!({
            "type": "Ready", "status": status, "reason": "Theirs", "message": text, "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        let body = Patch::Merge(json!({"status": {"conditions": [ready]}}));
        api.patch_status("theirs", &PatchParams::default(), &body).await?;
        listener
            .hears("ExternalArtifact", "theirs", severity, text)
            .await?;
    }
    Ok(())
}
