//! Ours against the real tool: `KUSTOMIZE_ORACLE=<kustomize> cargo bench -p kustomize` prints one JSON object.
//!
//! Three trees: an overlay of 10 objects, one of 500 with patches and replacements, and 2,000 files. Of each the wall time of
//! a process of either tool (the example `build` is ours), the best of several, in milliseconds; their peak memory in MiB;
//! and the time of a build inside a process that has the tree already. Outputs have to be equal.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark is a tool at the edge, and stops at the first thing amiss"
)]

use kustomize::{Options, build};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

type Files = Vec<(String, String)>;

fn main() {
    let oracle = std::env::var("KUSTOMIZE_ORACLE").ok();
    let mut report = serde_json::Map::new();
    for (name, files, dir) in [
        ("10 objects", overlay(2), "overlay"),
        ("500 objects", overlay(100), "overlay"),
        ("2000 files", many(2_000), "."),
    ] {
        report.insert(name.to_string(), measure(&files, dir, oracle.as_deref()));
    }
    println!(
        "{}",
        serde_json::to_string_pretty(&Value::Object(report)).unwrap()
    );
}

fn measure(files: &Files, dir: &str, oracle: Option<&str>) -> Value {
    let place = tempfile::tempdir().unwrap();
    golden::lay(files, place.path());
    let target = place.path().join(dir);
    let (ours, ours_text) = process(&example(), &[], &target);
    let inside = inside(files, dir);
    let mut report = json!({ "ours": ours, "in_process_ms": inside });
    if let Some(oracle) = oracle {
        let (real, real_text) = process(Path::new(oracle), &["build"], &target);
        assert!(ours_text == real_text, "the outputs differ");
        let ratio =
            |key: &str| (real[key].as_f64().unwrap() / ours[key].as_f64().unwrap() * 10.0).round() / 10.0;
        report["times_faster"] = json!({
            "process": ratio("wall_ms"),
            "in_process": (real["wall_ms"].as_f64().unwrap() / inside * 10.0).round() / 10.0,
        });
        report["times_smaller"] = json!(ratio("peak_mib"));
        report["kustomize"] = real;
    }
    report
}

/// The best wall time and the largest memory of a few runs, and what was printed.
fn process(program: &Path, args: &[&str], dir: &Path) -> (Value, Vec<u8>) {
    let (mut best, mut peak) = (f64::MAX, 0.0_f64);
    let mut text = Vec::new();
    for _ in 0..5 {
        let begin = Instant::now();
        let output = Command::new(program)
            .args(args)
            .arg(dir)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        best = best.min(begin.elapsed().as_secs_f64() * 1e3);
        assert!(output.status.success());
        text = output.stdout;
    }
    // `time -f %M` is not everywhere; a shell with a limit is no measure. /proc is read while the program waits to write.
    for _ in 0..2 {
        peak = peak.max(peak_mib(program, args, dir));
    }
    let round = |value: f64| (value * 100.0).round() / 100.0;
    (json!({ "wall_ms": round(best), "peak_mib": round(peak) }), text)
}

/// The high-water mark of a program that has built all and cannot get rid of its output.
fn peak_mib(program: &Path, args: &[&str], dir: &Path) -> f64 {
    let mut child = Command::new(program)
        .args(args)
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let (mut peak, mut same) = (0.0_f64, 0);
    while same < 200 {
        std::thread::sleep(std::time::Duration::from_millis(2));
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let kib = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
        // A program that has ended has no memory any more.
        let Some(kib) = kib else {
            break;
        };
        same = if kib / 1024.0 > peak { 0 } else { same + 1 };
        peak = peak.max(kib / 1024.0);
    }
    drop(child.stdout.take());
    let _ = child.kill();
    let _ = child.wait();
    peak
}

fn inside(files: &Files, dir: &str) -> f64 {
    let files = files
        .iter()
        .map(|(name, text)| (name.clone(), text.clone().into_bytes()));
    let tree = artifact::Tree::from_files(files).unwrap();
    let mut best = f64::MAX;
    for _ in 0..10 {
        let begin = Instant::now();
        let built = build(&tree, dir.trim_start_matches('.'), &Options::default()).unwrap();
        std::hint::black_box(built.to_yaml());
        best = best.min(begin.elapsed().as_secs_f64() * 1e3);
    }
    (best * 1000.0).round() / 1000.0
}

/// The example beside this benchmark.
fn example() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.ancestors().nth(2).unwrap();
    let path = profile.join("examples/build");
    assert!(
        path.exists(),
        "{} is missing: cargo build --release -p kustomize --example build",
        path.display()
    );
    path
}

/// Five objects for each app, with all that an overlay usually changes.
fn overlay(apps: usize) -> Files {
    let mut files = Files::new();
    let (mut resources, mut patches, mut replacements) = (String::new(), String::new(), String::new());
    for i in 0..apps {
        files.push((format!("base/app{i}.yaml"), app(i)));
        resources += &format!("- app{i}.yaml\n");
        if i % 2 == 0 {
            patches += &format!(
                "- patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {{name: app{i}}}\n    spec:\n      \
                 template:\n        spec:\n          containers:\n          - name: main\n            env:\n            - \
                 {{name: MODE, value: prod}}\n"
            );
        }
        if i % 10 == 0 {
            replacements += &format!(
                "- source: {{kind: Service, name: app{i}, fieldPath: metadata.name}}\n  targets:\n  - select: {{kind: Deployment, \
                 name: app{i}}}\n    fieldPaths: [\"spec.template.spec.containers.[name=main].env.[name=HOST].value\"]\n"
            );
        }
    }
    files.push((
        "base/kustomization.yaml".to_string(),
        format!("resources:\n{resources}"),
    ));
    files.push((
        "overlay/kustomization.yaml".to_string(),
        format!(
            "resources: [../base]\nnamespace: prod\nnamePrefix: p-\nlabels:\n- pairs: {{team: x}}\n  includeSelectors: true\n\
             commonAnnotations: {{note: \"1\"}}\nimages:\n- {{name: nginx, newTag: \"2\"}}\npatches:\n{patches}\
             - target: {{kind: Service}}\n  patch: |-\n    - {{op: add, path: /spec/type, value: ClusterIP}}\n\
             replacements:\n{replacements}"
        ),
    ));
    files
}

fn app(i: usize) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app{i}\n  labels: {{app: app{i}}}\nspec:\n  replicas: 2\n  \
         selector:\n    matchLabels: {{app: app{i}}}\n  template:\n    metadata:\n      labels: {{app: app{i}}}\n    spec:\n      \
         serviceAccountName: app{i}\n      containers:\n      - name: main\n        image: nginx:1\n        args: [--port, \"80\"]\n        \
         env:\n        - {{name: HOST, value: unset}}\n        - name: KEY\n          valueFrom:\n            secretKeyRef: {{name: app{i}, key: \
         k}}\n        envFrom:\n        - configMapRef: {{name: app{i}}}\n        ports:\n        - {{containerPort: 80, name: http}}\n        \
         resources:\n          limits: {{cpu: 500m, memory: 128Mi}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: app{i}}}\nspec:\n  \
         selector: {{app: app{i}}}\n  ports:\n  - {{port: 80, targetPort: http}}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: \
         app{i}}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: app{i}}}\ndata:\n  config.yaml: |\n    a: 1\n    b: [x, y]\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{name: app{i}}}\nstringData: {{k: v}}\n"
    )
}

/// A file for each object, in a hundred bases.
fn many(count: usize) -> Files {
    let mut files = Files::new();
    let mut bases = String::new();
    for base in 0..100 {
        let mut resources = String::new();
        for i in 0..count / 100 {
            let name = format!("object-{base}-{i}");
            resources += &format!("- {name}.yaml\n");
            files.push((
                format!("base{base}/{name}.yaml"),
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  a: \"{i}\"\n  text: |\n    one\n    two\n"),
            ));
        }
        bases += &format!("- base{base}\n");
        files.push((
            format!("base{base}/kustomization.yaml"),
            format!("namespace: n{base}\nresources:\n{resources}"),
        ));
    }
    files.push(("kustomization.yaml".to_string(), format!("resources:\n{bases}")));
    files
}
