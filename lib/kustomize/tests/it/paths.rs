//! Every field that takes a path, against every path that must not work.
//!
//! A tree holds no symbolic links: what one would have led to is not there.

use artifact::Tree;
use kustomize::{HelmChart, HelmRenderer, Load, Options};

/// Fields, with `@` for the path.
const FIELDS: [(&str, &str); 31] = [
    ("resources", "resources: [@]"),
    ("bases", "bases: [@]"),
    ("components", "components: [@]"),
    ("crds", "crds: [@]"),
    ("configurations", "configurations: [@]"),
    ("openapi", "openapi: {path: @}"),
    ("generators", "generators: [@]"),
    ("transformers", "transformers: [@]"),
    ("validators", "validators: [@]"),
    ("patches", "patches: [{path: @, target: {kind: X}}]"),
    ("patchesStrategicMerge", "patchesStrategicMerge: [@]"),
    (
        "patchesJson6902",
        "patchesJson6902: [{path: @, target: {version: v1, kind: X, name: x}}]",
    ),
    ("replacements", "replacements: [{path: @}]"),
    (
        "configMapGenerator.files",
        "configMapGenerator: [{name: x, files: [@]}]",
    ),
    (
        "configMapGenerator.files, with a key",
        "configMapGenerator: [{name: x, files: [k=@]}]",
    ),
    (
        "configMapGenerator.envs",
        "configMapGenerator: [{name: x, envs: [@]}]",
    ),
    (
        "configMapGenerator.env",
        "configMapGenerator: [{name: x, env: @}]",
    ),
    (
        "secretGenerator.files",
        "secretGenerator: [{name: x, files: [@]}]",
    ),
    ("secretGenerator.envs", "secretGenerator: [{name: x, envs: [@]}]"),
    ("secretGenerator.env", "secretGenerator: [{name: x, env: @}]"),
    ("helmCharts.valuesFile", "helmCharts: [{name: c, valuesFile: @}]"),
    (
        "helmCharts.additionalValuesFiles",
        "helmCharts: [{name: c, additionalValuesFiles: [@]}]",
    ),
    (
        "helmGlobals.chartHome",
        "helmGlobals: {chartHome: @}\nhelmCharts: [{name: c}]",
    ),
    (
        "helmChartInflationGenerator.values",
        "helmChartInflationGenerator: [{chartName: c, values: @}]",
    ),
    (
        "ConfigMapGenerator.files",
        "generators: ['{apiVersion: builtin, kind: ConfigMapGenerator, metadata: {name: x}, files: [@]}']",
    ),
    (
        "HelmChartInflationGenerator.valuesFile",
        "generators: ['{apiVersion: builtin, kind: HelmChartInflationGenerator, metadata: {name: x}, name: c, \
         valuesFile: @}']",
    ),
    (
        "PatchTransformer.path",
        "transformers: ['{apiVersion: builtin, kind: PatchTransformer, metadata: {name: x}, path: @}']",
    ),
    (
        "PatchJson6902Transformer.path",
        "transformers: ['{apiVersion: builtin, kind: PatchJson6902Transformer, metadata: {name: x}, target: {name: \
         x}, path: @}']",
    ),
    (
        "PatchStrategicMergeTransformer.paths",
        "transformers: ['{apiVersion: builtin, kind: PatchStrategicMergeTransformer, metadata: {name: x}, paths: \
         [@]}']",
    ),
    (
        "ReplacementTransformer.path",
        "transformers: ['{apiVersion: builtin, kind: ReplacementTransformer, metadata: {name: x}, replacements: \
         [{path: @}]}']",
    ),
    (
        "ValueAddTransformer.targetFilePath",
        "transformers: ['{apiVersion: builtin, kind: ValueAddTransformer, metadata: {name: x}, targetFilePath: @}']",
    ),
];

struct Charts;

impl HelmRenderer for Charts {
    fn render(&self, _: &HelmChart<'_>) -> Result<String, String> {
        Ok(String::new())
    }
}

/// Builds with each field set to `path`, and wants one of `errors` from it.
fn check(path: &str, load: Load, errors: &[&str]) {
    let secret = "SECRET: it must not be read\n";
    for (name, field) in FIELDS {
        let text = field.replace('@', path);
        let files = [
            ("app/deep/kustomization.yaml", text.as_str()),
            ("app/deep/charts/c/values.yaml", "{}"),
            ("app/outside.yaml", secret),
        ];
        let files = files.map(|(path, text)| (path.to_string(), text.as_bytes().to_vec()));
        let options = Options {
            load,
            helm: Some(&Charts),
            ..Options::default()
        };
        let tree = Tree::from_files(files).unwrap();
        let error = match kustomize::build(&tree, "app/deep", &options) {
            Ok(build) => panic!("{name}: {path:?} gave {}", build.to_yaml()),
            Err(error) => error.chain(),
        };
        assert!(
            errors.iter().any(|text| error.contains(text)),
            "{name}: {path:?}: {error}"
        );
        assert!(!error.contains("SECRET"), "{name}: {error}");
    }
}

/// What is said where a chart is looked for and where a directory is.
const NO_CHART: &str = "no chart found at";
const NO_DIRECTORY: &str = "must build at directory";

#[test]
fn outside_the_kustomization() {
    check(
        "../outside.yaml",
        Load::RootOnly,
        &["is not in or below", NO_CHART, NO_DIRECTORY],
    );
}

#[test]
fn outside_the_tree() {
    for load in [Load::RootOnly, Load::Anywhere] {
        check("../../../etc/passwd", load, &["leaves the source", NO_CHART]);
        check("x/../../../../etc/passwd", load, &["leaves the source", NO_CHART]);
    }
}

#[test]
fn absolute() {
    for load in [Load::RootOnly, Load::Anywhere] {
        check(
            "/etc/passwd",
            load,
            &[
                "leaves the source",
                "cannot be absolute",
                "no such file",
                NO_CHART,
            ],
        );
        check(
            "/app/outside.yaml",
            load,
            &[
                "leaves the source",
                "cannot be absolute",
                "is not in or below",
                NO_CHART,
            ],
        );
    }
}

#[test]
fn urls() {
    for load in [Load::RootOnly, Load::Anywhere] {
        for url in [
            "http://127.0.0.1:1/x/y/z.yaml",
            "https://127.0.0.1:1/x/y/z.yaml",
            "HTTPS://127.0.0.1:1/x/y/z.yaml",
        ] {
            check(url, load, &["refused: a build reads only", NO_CHART]);
        }
        for url in [
            "ssh://git@127.0.0.1:1/org/repo",
            "git@127.0.0.1:org/repo",
            "git::ssh://git@127.0.0.1:1/org/repo",
            "file:///etc/passwd",
        ] {
            check(
                url,
                load,
                &[
                    "refused: a build reads only",
                    "no such file",
                    "not a directory",
                    NO_CHART,
                ],
            );
        }
    }
}

#[test]
fn nul() {
    for load in [Load::RootOnly, Load::Anywhere] {
        check(
            "\"a\\0b\"",
            load,
            &["leaves the source", NO_CHART, "no such file"],
        );
    }
}

#[test]
fn links_are_not_there() {
    for load in [Load::RootOnly, Load::Anywhere] {
        check("link.yaml", load, &["no such file", NO_CHART]);
        check("link/passwd", load, &["no such file", NO_CHART]);
    }
}
