//! Artifacts as other tools make them: charts of `helm push`, and files as `oras` puts them; each extracted and copied.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::{SOURCE, with},
    origin::{
        Artifact, Guard, Registry,
        helm::{self, chart, package},
    },
    space::Space,
    world::World,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const KIND: &str = "OCIRepository";
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

async fn archive(space: &Space<'_>, name: &str, url: String, change: Value) -> Result<Vec<u8>> {
    let plain = json!({
        "apiVersion": SOURCE, "kind": KIND, "metadata": {"name": name},
        "spec": {"interval": "1h", "url": url, "ref": {"tag": "1.0.0"}},
    });
    space.apply(with(plain, &json!({"spec": change}))).await?;
    let is_ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    let object = space.holds("ready", SOURCE, KIND, name, is_ready).await?;
    let url = object["status"]["artifact"]["url"].as_str().context("no url")?;
    Ok(reqwest::get(url)
        .await?
        .error_for_status()?
        .bytes()
        .await?
        .to_vec())
}

fn paths(archive: &[u8]) -> Result<Vec<String>> {
    let tree = artifact::unpack(archive, &artifact::Limits::default())?;
    Ok(tree.files().map(|(path, _)| path).collect())
}

#[tokio::test]
async fn what_other_tools_push_is_extracted_and_copied() -> Result<()> {
    let space = World::shared().await?.space("oci-tools").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let packed = package(&chart("web", "1.0.0")).await?;
    helm::push(&registry, "charts", &packed, false).await?;
    let selector = |operation: &str| json!({"layerSelector": {"mediaType": CHART, "operation": operation}});
    let copied = archive(&space, "copied", registry.url("charts/web"), selector("copy")).await?;
    ensure!(copied == packed, "a chart is copied byte for byte");
    let extracted = archive(
        &space,
        "extracted",
        registry.url("charts/web"),
        selector("extract"),
    )
    .await?;
    let found = paths(&extracted)?;
    ensure!(
        found.iter().any(|path| path == "web/Chart.yaml")
            && found.iter().any(|path| path == "web/templates/cm.yaml"),
        "{found:?}"
    );

    // As `oras push --artifact-type` does: an empty config of its own type, files as layers, their names as annotations.
    let tree = Artifact::of_files(&[("a.yaml", "a: 1\n")])?;
    let config = registry.blob("files", b"{}").await?;
    let mut layers = Vec::new();
    for (title, media_type, content) in [
        ("note.txt", "text/plain", b"text".to_vec()),
        (
            "files",
            "application/vnd.oci.image.layer.v1.tar+gzip",
            tree.layers[0].1.clone(),
        ),
    ] {
        let mut layer = registry.blob("files", &content).await?;
        layer["mediaType"] = json!(media_type);
        layer["annotations"] = json!({"org.opencontainers.image.title": title});
        layers.push(layer);
    }
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.example.files",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config["digest"], "size": config["size"], "data": "e30="},
        "layers": layers, "annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"},
    });
    registry.manifest("files", "1.0.0", &manifest).await?;
    let tar = json!({"layerSelector": {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"}});
    let files = archive(&space, "files", registry.url("files"), tar).await?;
    ensure!(paths(&files)? == ["a.yaml"]);
    let first = json!({"layerSelector": {"operation": "copy"}});
    let note = archive(&space, "note", registry.url("files"), first).await?;
    ensure!(note == b"text", "the first layer as it is");

    // Whoever asks for a look has it at once, whatever the interval.
    let begin = Instant::now();
    space.handled(SOURCE, KIND, "files").await?;
    let took = begin.elapsed();
    e2e::note!("oci: a request is handled after {} ms", took.as_millis());
    ensure!(took < Duration::from_secs(5), "{took:?}");
    Ok(())
}
