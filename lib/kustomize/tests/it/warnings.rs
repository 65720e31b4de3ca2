//! What a build says about older spellings, whether it succeeds or not.

use artifact::Tree;
use kustomize::Options;

const FIX: &str = "Run 'kustomize edit fix' to update your Kustomization automatically.";

fn check(files: &[(&str, &str)], expected: &[String]) {
    let owned = files
        .iter()
        .map(|(path, text)| ((*path).to_string(), text.as_bytes().to_vec()));
    let tree = Tree::from_files(owned).unwrap();
    let (built, warnings) = kustomize::build_warning(&tree, "", &Options::default());
    assert_eq!(warnings, expected);
    if let Ok(build) = built {
        assert_eq!(build.warnings, expected);
    }
    if let Ok(kustomize) = std::env::var("KUSTOMIZE_ORACLE") {
        assert_eq!(oracle(&kustomize, files), expected);
    }
}

/// The lines that the real tool prints and that are no error, without the time before them.
fn oracle(kustomize: &str, files: &[(&str, &str)]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    golden::lay(files, dir.path());
    let output = std::process::Command::new(kustomize)
        .arg("build")
        .arg(dir.path())
        .output()
        .unwrap();
    let time = regex::Regex::new(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ").unwrap();
    String::from_utf8(output.stderr)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("Error: "))
        .map(|line| time.replace(line, "").into_owned())
        .collect()
}

fn old(old: &str, new: &str) -> String {
    format!("# Warning: '{old}' is deprecated. Please use '{new}' instead. {FIX}")
}

#[test]
fn each_older_spelling_is_named() {
    let all = "bases: []\ncommonLabels: {}\nimageTags: []\npatchesJson6902: []\npatchesStrategicMerge: []\nvars: []\n\
               resources: [a.yaml]\n";
    let object = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}";
    check(
        &[("kustomization.yaml", all), ("a.yaml", object)],
        &[
            old("bases", "resources"),
            old("commonLabels", "labels"),
            old("imageTags", "images"),
            old("patchesJson6902", "patches"),
            old("patchesStrategicMerge", "patches"),
            format!(
                "# Warning: 'vars' is deprecated. Please use 'replacements' instead. [EXPERIMENTAL] {FIX}"
            ),
        ],
    );
    check(
        &[
            ("kustomization.yaml", "bases: null\nresources: [a.yaml]\n"),
            ("a.yaml", object),
        ],
        &[],
    );
}

#[test]
fn in_the_order_of_reading_and_before_an_error() {
    check(
        &[
            (
                "kustomization.yaml",
                "commonLabels: {a: b}\nresources: [x, z, nowhere]\n",
            ),
            ("x/kustomization.yaml", "imageTags: []\n"),
            ("z/kustomization.yaml", "bases: []\nnamePrefix: a\n"),
        ],
        &[old("commonLabels", "labels"), old("imageTags", "images")],
    );
}

#[test]
fn vars_that_nobody_mentions() {
    let kustomization =
        "resources: [a.yaml]\nvars: [{name: A, objref: {kind: ConfigMap, apiVersion: v1, name: a}}]\n";
    let object = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}";
    check(
        &[("kustomization.yaml", kustomization), ("a.yaml", object)],
        &[
            format!(
                "# Warning: 'vars' is deprecated. Please use 'replacements' instead. [EXPERIMENTAL] {FIX}"
            ),
            "well-defined vars that were never replaced: A".to_string(),
        ],
    );
}
