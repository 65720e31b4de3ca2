//! Artifacts as other tools make them: charts of `helm push`, and files as `oras` puts them; each extracted and copied.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::{SOURCE, with},
    origin::{
        Guard, Registry,
        helm::{self, chart, package},
    },
    space::Space,
    tools::Tools,
    world::World,
};
use serde_json::{Value, json};
use std::path::Path;

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

    // `oras` packs a folder, and puts a file as it is.
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("deploy"))?;
    std::fs::write(folder.path().join("deploy/a.yaml"), "a: 1\n")?;
    std::fs::write(folder.path().join("note.txt"), "text")?;
    oras(
        &registry,
        "files:1.0.0",
        folder.path(),
        &["note.txt:text/plain", "deploy"],
    )
    .await?;
    let tar = json!({"layerSelector": {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"}});
    let files = archive(&space, "files", registry.url("files"), tar).await?;
    ensure!(paths(&files)? == ["deploy/a.yaml"]);
    let first = json!({"layerSelector": {"operation": "copy"}});
    let note = archive(&space, "note", registry.url("files"), first).await?;
    ensure!(note == b"text", "the first layer as it is");
    Ok(())
}

/// Has `oras` put files of a folder into a registry.
async fn oras(registry: &Registry, reference: &str, folder: &Path, files: &[&str]) -> Result<()> {
    let program = tokio::task::spawn_blocking(Tools::oras).await??;
    let pushed = tokio::process::Command::new(program)
        .current_dir(folder)
        .args([
            "push",
            "--plain-http",
            "--artifact-type",
            "application/vnd.example.files",
        ])
        .arg(format!("{}/{reference}", registry.address()))
        .args(files)
        .env("HOME", folder)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&pushed.stderr);
    ensure!(pushed.status.success(), "oras push: {said}");
    Ok(())
}
