//! Every file that a field names is part of the input closure, and nothing else is.

use artifact::Tree;
use kustomize::{HelmChart, HelmRenderer, Options};

const KUSTOMIZATION: &str = "
resources: [r.yaml, base]
components: [comp]
configurations: [config.yaml]
crds: [crds.json]
openapi: {path: schema.json}
generators: [generator.yaml]
transformers: [transformer.yaml, plugins]
validators: [validator.yaml]
patches: [{path: patch.yaml}]
patchesStrategicMerge: [old.yaml]
patchesJson6902: [{path: json.yaml, target: {version: v1, kind: ConfigMap, name: r}}]
replacements: [{path: replacement.yaml}]
configMapGenerator: [{name: g, files: [file.txt], envs: [e.env], env: f.env}]
secretGenerator: [{name: s, files: [k=secret.txt]}]
helmCharts: [{name: c, valuesFile: values.yaml, additionalValuesFiles: [more.yaml]}]
";

const CONFIG_MAP: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: r}, data: {a: b}}";

const FILES: [(&str, &str); 25] = [
    ("kustomization.yaml", KUSTOMIZATION),
    ("r.yaml", CONFIG_MAP),
    ("base/kustomization.yaml", "namePrefix: b-\n"),
    (
        "comp/kustomization.yaml",
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -c\n",
    ),
    ("config.yaml", "namePrefix: []\n"),
    ("crds.json", "{}"),
    ("schema.json", "{}"),
    (
        "generator.yaml",
        "{apiVersion: builtin, kind: ConfigMapGenerator, metadata: {name: ext}, files: [ext.txt]}",
    ),
    ("ext.txt", "x"),
    (
        "transformer.yaml",
        "{apiVersion: builtin, kind: ValueAddTransformer, metadata: {name: v}, targetFilePath: targets.yaml}",
    ),
    ("targets.yaml", "targets: [{fieldPath: spec/x}]\n"),
    ("plugins/kustomization.yaml", "resources: [p.yaml]\n"),
    (
        "plugins/p.yaml",
        "{apiVersion: builtin, kind: LabelTransformer, metadata: {name: l}}",
    ),
    (
        "validator.yaml",
        "{apiVersion: builtin, kind: LabelTransformer, metadata: {name: w}}",
    ),
    ("patch.yaml", CONFIG_MAP),
    ("old.yaml", CONFIG_MAP),
    ("json.yaml", "- {op: add, path: /x, value: y}\n"),
    (
        "replacement.yaml",
        "{source: {kind: ConfigMap, name: r, fieldPath: data.a}, targets: [{select: {kind: Secret}, fieldPaths: [z], options: {create: true}}]}",
    ),
    ("file.txt", "x"),
    ("e.env", "E=1"),
    ("f.env", "F=1"),
    ("secret.txt", "x"),
    ("values.yaml", "a: b\n"),
    ("more.yaml", "a: c\n"),
    ("charts/c/templates/t.yaml", "a template"),
];

struct Charts;

impl HelmRenderer for Charts {
    fn render(&self, chart: &HelmChart<'_>) -> Result<String, String> {
        assert_eq!(chart.directory, "charts/c");
        let template = chart
            .tree
            .file("charts/c/templates/t.yaml")
            .ok_or("no template")?;
        Ok(format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: chart}}, data: {{size: '{}'}}}}",
            template.bytes().len()
        ))
    }
}

fn tree() -> Tree {
    let files = FILES.map(|(path, text)| (path.to_string(), text.as_bytes().to_vec()));
    Tree::from_files(files).unwrap()
}

fn options() -> Options<'static> {
    Options {
        helm: Some(&Charts),
        ..Options::default()
    }
}

#[test]
fn every_file_counts() {
    let inputs = kustomize::build(&tree(), "", &options()).unwrap().inputs;
    assert!(inputs.hold_in(&tree()));
    for (path, _) in FILES {
        let changed = tree().with_file(path, b"# changed\n".to_vec()).unwrap();
        assert!(!inputs.hold_in(&changed), "{path}");
    }
    let read: Vec<&str> = inputs.files().map(|(path, _)| path).collect();
    assert_eq!(read.len(), FILES.len(), "{read:?}");
}

#[test]
fn new_files_count_where_names_were_looked_at() {
    let inputs = kustomize::build(&tree(), "", &options()).unwrap().inputs;
    for (path, counts) in [
        ("charts/c/templates/new.yaml", true),
        ("base/kustomization.yml", true),
        ("plugins/Kustomization", true),
        ("unused.yaml", false),
        ("plugins/unused.yaml", false),
        ("charts/other/x.yaml", false),
    ] {
        let changed = tree().with_file(path, b"# new\n".to_vec()).unwrap();
        assert_eq!(inputs.hold_in(&changed), !counts, "{path}");
    }
}
