//! `cargo run --release -p helm --example bench -- HELM [RUNS]` renders the same charts with the real tool and here, in
//! one run, and prints JSON: milliseconds (medians) and ratios. `start` is what the tool needs to print its version.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark is a tool at the edge, not the engine"
)]

use helm::{Chart, Environment, File, Options};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

// The controllers' allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Dice;

impl Environment for Dice {
    fn now(&self) -> (i64, u32) {
        (1_700_000_000, 0)
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(1);
    }
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let helm = args.next().ok_or("usage: bench HELM [RUNS]")?;
    let runs: usize = args.next().map_or(Ok(15), |runs| runs.parse())?;
    let start = median(runs, || output(Command::new(&helm).arg("version")).map(drop))?;
    let mut report = Map::new();
    report.insert("start_ms".into(), json!(round(start)));
    for (name, files) in [("small", small()), ("large", large())] {
        report.insert(name.into(), measure(&helm, &files, runs, start)?);
    }
    println!("{}", serde_json::to_string_pretty(&Value::Object(report))?);
    Ok(())
}

fn measure(helm: &str, files: &[(String, String)], runs: usize, start: f64) -> Result<Value> {
    let dir = tempfile::tempdir()?;
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        std::fs::write(path, text)?;
    }
    let load = || {
        Chart::from_files(
            files
                .iter()
                .map(|(name, text)| File::new(name.clone(), text))
                .collect(),
        )
    };
    let options = Options {
        name: "rel".into(),
        ..Options::default()
    };
    let ours = || -> Result<String> {
        let rendered = helm::render(&load()?, &Map::new(), &options, &Dice)?;
        Ok(format!("{}\n", rendered.manifest(false).trim()))
    };
    let theirs = || output(Command::new(helm).args(["template", "rel"]).arg(dir.path()));
    let same = ours()?.into_bytes() == theirs()?;
    let (real, own) = (
        median(runs, || theirs().map(drop))?,
        median(runs, || ours().map(drop))?,
    );
    Ok(json!({
        "templates": files.iter().filter(|(name, _)| name.contains("templates/")).count(),
        "output_bytes": ours()?.len(),
        "same_output": same,
        "helm_ms": round(real),
        "ours_ms": round(own),
        "ratio": round(real / own),
        "ratio_without_start": round((real - start).max(0.0) / own),
    }))
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(output.stdout)
}

fn median(runs: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..runs.max(1) {
        let begin = Instant::now();
        work()?;
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

const HELPERS: &str = r#"{{- define "NAME.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- define "NAME.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
"#;

const DEPLOYMENT: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "NAME.fullname" . }}-INDEX
  labels: {{- include "NAME.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas | int }}
  selector:
    matchLabels: {{- include "NAME.labels" . | nindent 6 }}
  template:
    metadata:
      annotations:
        checksum: {{ .Values.config | toYaml | sha256sum }}
      labels: {{- include "NAME.labels" . | nindent 8 }}
    spec:
      containers:
      {{- range $i, $c := .Values.containers }}
      - name: {{ $c.name | quote }}
        image: "{{ $c.image.repository }}:{{ $c.image.tag | default $.Chart.Version }}"
        {{- with $c.env }}
        env:
        {{- range $k, $v := . }}
        - name: {{ $k | upper }}
          value: {{ tpl (toString $v) $ | quote }}
        {{- end }}
        {{- end }}
        resources: {{- toYaml $c.resources | nindent 10 }}
      {{- end }}
"#;

const VALUES: &str = r#"replicas: 2
config: {a: 1, b: [x, y], c: {d: e}}
containers:
- name: app
  image: {repository: registry.example.com/app, tag: 1.2.3}
  env: {release: "{{ .Release.Name }}", mode: fast, number: 5}
  resources: {limits: {cpu: 100m, memory: 128Mi}, requests: {cpu: 10m, memory: 64Mi}}
- name: sidecar
  image: {repository: registry.example.com/sidecar}
  resources: {}
"#;

/// A chart with `templates` deployments, below `prefix`.
fn chart(prefix: &str, name: &str, templates: usize, files: &mut Vec<(String, String)>) {
    let mut put =
        |path: String, text: String| files.push((format!("{prefix}{path}"), text.replace("NAME", name)));
    put(
        "Chart.yaml".into(),
        "apiVersion: v2\nname: NAME\nversion: 1.0.0\n".into(),
    );
    put("values.yaml".into(), VALUES.into());
    put("templates/_helpers.tpl".into(), HELPERS.into());
    for i in 0..templates {
        put(
            format!("templates/deployment-{i}.yaml"),
            DEPLOYMENT.replace("INDEX", &i.to_string()),
        );
    }
}

fn small() -> Vec<(String, String)> {
    let mut files = Vec::new();
    chart("", "small", 3, &mut files);
    files
}

/// A hundred templates, half of them in five dependencies.
fn large() -> Vec<(String, String)> {
    let mut files = Vec::new();
    chart("", "large", 50, &mut files);
    for i in 0..5 {
        chart(&format!("charts/sub{i}/"), &format!("sub{i}"), 10, &mut files);
    }
    files
}
