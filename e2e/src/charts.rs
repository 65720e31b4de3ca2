//! Helm charts in a registry, and the real `helm` beside the controllers.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::process::Command;

use crate::{
    flux::SOURCE,
    origin::{Artifact, Guard, Registry},
    space::Space,
    tools::Tools,
};

/// The media type of a chart's archive.
const LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// A registry with charts.
#[derive(Debug)]
pub struct Charts {
    registry: Registry,
}

/// A template with a ConfigMap and a Deployment of the release's name: `value` is in the map, `held` has somebody's finalizer hold
/// it, and `stuck` keeps the pods from being run.
pub const WEB: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}{{ if .Values.held }}, finalizers: [e2e/held]{{ end }}}
data: {value: {{ .Values.value | quote }}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      {{ if .Values.stuck }}nodeSelector: {no: where}{{ end }}
      containers: [{name: main, image: nginx}]
";

/// The files of a chart `web` of a version, with further ones.
pub fn chart(version: &str, files: &[(&str, &str)]) -> Vec<(String, String)> {
    let metadata = format!("apiVersion: v2\nname: web\nversion: {version}\nappVersion: \"1.0\"\n");
    let mut all = vec![("web/Chart.yaml".to_owned(), metadata)];
    all.extend(
        files
            .iter()
            .map(|(path, text)| (format!("web/{path}"), (*text).to_owned())),
    );
    all
}

/// The archive of a chart.
///
/// # Errors
/// When a path cannot be one.
pub fn archive(files: &[(String, String)]) -> Result<Vec<u8>> {
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let artifact = Artifact::of_files(&files)?;
    let (_, bytes) = artifact.layers.into_iter().next().context("a layer")?;
    Ok(bytes)
}

impl Charts {
    /// An empty registry.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start() -> Result<Self> {
        Ok(Self {
            registry: Registry::start(&Guard::default()).await?,
        })
    }

    /// Pushes a chart `web` of a version, with these files.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn push(&self, version: &str, files: &[(&str, &str)]) -> Result<String> {
        let artifact = Artifact {
            layers: vec![(LAYER.to_owned(), archive(&chart(version, files))?)],
            annotations: json!({}),
        };
        self.registry.push("charts/web", version, &artifact).await
    }

    /// The OCIRepository `chart` of a version of the chart `web`.
    pub fn source(&self, version: &str) -> Value {
        json!({
            "apiVersion": SOURCE, "kind": "OCIRepository", "metadata": {"name": "chart"},
            "spec": {
                "interval": "1h", "url": self.registry.url("charts/web"), "insecure": true, "ref": {"tag": version},
                "layerSelector": {"mediaType": LAYER, "operation": "copy"},
            },
        })
    }

    /// The artifact of a chart's archive as another party's controller would offer it, from the registry's own store.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn artifact(&self, version: &str, files: &[(&str, &str)]) -> Result<Value> {
        let manifest = self.push(version, files).await?;
        let digest = format!(
            "sha256:{}",
            hex::encode(Sha256::digest(archive(&chart(version, files))?))
        );
        Ok(json!({
            "digest": digest, "lastUpdateTime": "2026-01-01T00:00:00Z", "path": "web.tgz",
            "revision": format!("{version}@{manifest}"),
            "url": format!("http://{}/v2/charts/web/blobs/{digest}", self.registry.address()),
        }))
    }

    /// Pushes version 0.1.0 with these files, and has the space's OCIRepository point to it.
    ///
    /// # Errors
    /// When registry or API server refuse.
    pub async fn offer(space: &Space<'_>, files: &[(&str, &str)]) -> Result<Self> {
        let charts = Self::start().await?;
        charts.push("0.1.0", files).await?;
        space.apply(charts.source("0.1.0")).await?;
        Ok(charts)
    }
}

/// Runs the real `helm` in a space's namespace, as administrator; what it prints.
///
/// # Errors
/// When it cannot be built or fails, with what it says.
pub async fn helm(space: &Space<'_>, args: &[&str]) -> Result<String> {
    let config = space.world.plane.admin_kubeconfig();
    let namespace = space.name().to_owned();
    let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    let run = move || -> Result<String> {
        let program = Tools::oracle("helm")?;
        let output = Command::new(program)
            .args(&args)
            .args(["--namespace", &namespace])
            .env("KUBECONFIG", &config)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "helm {args:?}: {error}{text}");
        Ok(text)
    };
    tokio::task::spawn_blocking(run).await?
}

/// As [`helm`], with what it prints read as JSON.
///
/// # Errors
/// As [`helm`], and when it prints no JSON.
pub async fn helm_json(space: &Space<'_>, args: &[&str]) -> Result<Value> {
    let mut args = args.to_vec();
    args.extend(["--output", "json"]);
    let text = helm(space, &args).await?;
    serde_json::from_str(&text).with_context(|| text)
}
