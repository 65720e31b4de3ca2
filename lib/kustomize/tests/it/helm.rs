//! Charts: what the renderer is asked, and what becomes of its answer. The real tool is given a program in Helm's place
//! that answers with what it was asked, as ours is.

use artifact::Tree;
use kustomize::{HelmChart, HelmRenderer, Options};
use std::os::unix::fs::PermissionsExt as _;

/// Stands for `helm`: an object that shows name, namespace, flags and values, and one without a namespace.
const PROGRAM: &str = r#"#!/bin/sh
[ "$1" = version ] && { echo v3.99.0; exit; }
shift
release=; [ "${1#-}" = "$1" ] && { release=$1; shift; }
[ "$1" = --generate-name ] && shift
shift
namespace=; template=; flags=; values=; more=
while [ $# -gt 0 ]; do
  case $1 in
    --namespace) namespace=$2; shift ;;
    --name-template) template=$2; shift ;;
    --api-versions|--kube-version) flags="$flags $1=$2"; shift ;;
    -f) if [ -z "$values" ]; then values=$2; else more="$more $2"; fi; shift ;;
    *) flags="$flags $1" ;;
  esac
  shift
done
echo "apiVersion: x/v1"
echo "kind: Asked"
echo "metadata: {name: asked, namespace: '$namespace'}"
echo "release: '$release'"
echo "template: '$template'"
echo "flags: '$flags'"
echo "more:"
for file in $more; do echo "- |"; sed 's/^/    /' "$file"; done
[ -z "$more" ] && echo "- none"
echo "values:"
sed 's/^/  /' "$values"
echo
echo "---"
echo "{apiVersion: v1, kind: ConfigMap, metadata: {name: plain}}"
"#;

struct Echo;

impl HelmRenderer for Echo {
    fn render(&self, chart: &HelmChart<'_>) -> Result<String, String> {
        let mut flags = String::new();
        for version in chart.api_versions {
            flags.push_str(&format!(" --api-versions={version}"));
        }
        for (set, flag) in [
            (
                !chart.kube_version.is_empty(),
                format!("--kube-version={}", chart.kube_version),
            ),
            (chart.include_crds, "--include-crds".to_string()),
            (chart.skip_tests, "--skip-tests".to_string()),
            (chart.skip_hooks, "--no-hooks".to_string()),
            (chart.devel, "--devel".to_string()),
        ] {
            if set {
                flags.push_str(&format!(" {flag}"));
            }
        }
        let mut more: Vec<String> = chart
            .additional_values
            .iter()
            .map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned())
            .collect();
        if more.is_empty() {
            more.push("none".to_string());
        }
        let asked = serde_json::json!({
            "apiVersion": "x/v1",
            "kind": "Asked",
            "metadata": {"name": "asked", "namespace": chart.namespace},
            "release": chart.release_name,
            "template": chart.name_template,
            "flags": flags,
            "more": more,
            "values": chart.values,
        });
        Ok(format!(
            "{asked}\n---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: plain}}}}\n"
        ))
    }
}

/// The same files built by ours and, if it is there, by the real tool; `expected` is a part of the output or error.
fn check(kustomization: &str, expected: &str) {
    check_files(&[("kustomization.yaml", kustomization)], expected);
}

fn check_files(files: &[(&str, &str)], expected: &str) {
    let chart = [
        ("charts/c/Chart.yaml", "name: c\n"),
        (
            "charts/c/values.yaml",
            "a: 1\nb: {c: d, e: [1, 2]}\nnil: null\nquoted: '1'\nbig: 1.0\n",
        ),
        ("own.yaml", "own: true\n"),
        ("more.yaml", "more: 1\n"),
        ("base/charts/c/values.yaml", "base: true\n"),
    ];
    let all: Vec<(&str, &str)> = chart.into_iter().chain(files.iter().copied()).collect();
    let owned = all
        .iter()
        .map(|(path, text)| ((*path).to_string(), text.as_bytes().to_vec()));
    let tree = Tree::from_files(owned).unwrap();
    let options = Options {
        helm: Some(&Echo),
        display_root: "<root>".to_string(),
        ..Options::default()
    };
    let ours = match kustomize::build(&tree, "", &options) {
        Ok(build) => build.to_yaml(),
        Err(error) => error.chain(),
    };
    assert!(ours.contains(expected), "{expected}\nis not in\n{ours}");
    if let Ok(kustomize) = std::env::var("KUSTOMIZE_ORACLE") {
        // The real tool forgets to say where it looked, and prints an id as Go sees it.
        let real = oracle(&kustomize, &all);
        let real = real.replace("found at ''", "found at '<root>/charts/none'");
        assert!(
            ours.trim_end() == real.trim_end() || real.contains("resid.ResId{"),
            "--- kustomize\n{real}\n--- ours\n{ours}"
        );
    }
}

fn oracle(kustomize: &str, files: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    golden::lay(files, &root);
    let helm = root.join("helm");
    std::fs::write(&helm, PROGRAM).unwrap();
    std::fs::set_permissions(&helm, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(kustomize);
    command.args(["build", "--enable-helm", "--helm-command"]);
    let text = golden::run(command.arg(&helm).arg(&root)).unwrap_or_else(|error| error);
    text.replace(root.to_str().unwrap(), "<root>")
}

#[test]
fn every_option_reaches_the_renderer() {
    check("helmCharts: [{name: c}]\n", "values:\n  a: 1\n");
    check(
        "helmCharts: [{name: c, releaseName: r, namespace: ns, nameTemplate: t, includeCRDs: true, skipHooks: true, \
         skipTests: true, devel: true, apiVersions: [x/v1, 'y'], kubeVersion: '1.30'}]\n",
        "release: r\n",
    );
    check(
        "helmCharts: [{name: c, valuesFile: own.yaml, additionalValuesFiles: [more.yaml, own.yaml]}]\n",
        "values:\n  own: true\n",
    );
}

#[test]
fn inline_values_are_merged_as_asked() {
    let inline = "valuesInline: {a: 2, b: {c: null, e: [3], f: {g: null, h: 1}}, nothing: null, quoted: x}";
    for (merge, expected) in [
        ("", "  a: 2\n"),
        (", valuesMerge: override", "  a: 2\n"),
        (", valuesMerge: merge", "  a: 1\n"),
        (", valuesMerge: replace", "  a: 2\n"),
        (
            ", valuesMerge: other",
            "valuesMerge must be one of [merge override replace]",
        ),
    ] {
        check(&format!("helmCharts: [{{name: c, {inline}{merge}}}]\n"), expected);
    }
}

#[test]
fn older_spelling() {
    check(
        "helmChartInflationGenerator: [{chartName: c, releaseName: r, values: own.yaml, releaseNamespace: ns, \
         extraArgs: [x], helmBin: h}]\n",
        "release: r\n",
    );
    check(
        "helmChartInflationGenerator: [{chartName: none, chartHome: charts}]\n",
        "no repo specified for pull, no chart found at",
    );
}

#[test]
fn as_a_plugin() {
    check(
        "namespace: ns\ngenerators: ['{apiVersion: builtin, kind: HelmChartInflationGenerator, metadata: {name: x}, \
         name: c, releaseName: r}']\n",
        "release: r\n",
    );
}

#[test]
fn namespaces_are_the_chart_s_affair() {
    let base = [
        (
            "kustomization.yaml",
            "namespace: over\nresources: [base]\nnamePrefix: p-\n",
        ),
        (
            "base/kustomization.yaml",
            "helmCharts: [{name: c}]\nnameSuffix: -s\n",
        ),
    ];
    check_files(&base, "namespace: over\n");
    check(
        "namespace: mine\nhelmCharts: [{name: c}, {name: c, namespace: own}]\n",
        "exists; can not use behavior: 'unspecified'",
    );
    check(
        "namespace: mine\nhelmCharts: [{name: c, namespace: own}]\n",
        "namespace: own\n",
    );
}

#[test]
fn what_cannot_be_rendered() {
    check("helmCharts: [{releaseName: r}]\n", "chart name cannot be empty");
    check(
        "helmCharts: [{name: none}]\n",
        "no repo specified for pull, no chart found at",
    );
    check(
        "helmCharts: [{name: c, valuesFile: none.yaml}]\n",
        "no such file or directory",
    );
    check(
        "helmCharts: [{name: c, additionalValuesFiles: [none.yaml]}]\n",
        "could not load additionalValuesFile",
    );
}

#[test]
fn origins_name_the_generator() {
    check(
        "buildMetadata: [originAnnotations, transformerAnnotations]\nhelmCharts: [{name: c}]\nnamePrefix: p-\n",
        "kind: HelmChartInflationGenerator\n",
    );
}
