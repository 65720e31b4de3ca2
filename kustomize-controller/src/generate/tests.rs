//! Kustomizations that are made, and that are overlaid.

use super::*;
use crds::meta::{Image, Patch};

const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

fn tree(files: &[(&str, &str)]) -> Tree {
    Tree::from_files(
        files
            .iter()
            .map(|(p, c)| ((*p).to_owned(), c.as_bytes().to_vec())),
    )
    .unwrap()
}

fn made(files: &[(&str, &str)], spec: &KustomizationSpec) -> Value {
    let generated = generate(&tree(files), "app", spec).unwrap();
    let file = generated
        .tree
        .file(generated.overlaid.as_deref().unwrap())
        .unwrap();
    yaml::parse(file.bytes()).unwrap()
}

#[test]
fn files_are_found_below_and_a_kustomization_counts_as_one() {
    let files = [
        ("app/b.yaml", MANIFEST),
        ("app/README.md", "no"),
        ("app/sub/a.yml", MANIFEST),
        ("app/base/kustomization.yaml", "resources: [x.yaml]"),
        ("app/base/x.yaml", "anything"),
        ("elsewhere/c.yaml", "- not: k8s"),
    ];
    assert_eq!(
        made(&files, &KustomizationSpec::default())["resources"],
        json!(["./b.yaml", "./base", "./sub/a.yml"])
    );
}

#[test]
fn overrides_are_laid_over_the_file() {
    let file = "namespace: old\nimages: [{name: nginx, newTag: a}, {name: redis}]\npatches: [{patch: one}]\nresources: [a.yaml]\n";
    let spec = KustomizationSpec {
        target_namespace: Some("new".into()),
        patches: vec![Patch {
            patch: "two".into(),
            target: None,
        }],
        images: vec![Image {
            name: "nginx".into(),
            digest: Some("sha256:1".into()),
            ..Image::default()
        }],
        components: vec!["../c".into()],
        ..KustomizationSpec::default()
    };
    let made = made(
        &[
            ("app/kustomization.yaml", file),
            ("c/kustomization.yaml", "kind: Component"),
        ],
        &spec,
    );
    assert_eq!(
        made,
        json!({"namespace": "new", "images": [{"name": "nginx", "digest": "sha256:1"}, {"name": "redis"}], "patches": [{"patch": "one"}, {"patch": "two"}], "resources": ["a.yaml"], "components": ["../c"]})
    );
}

#[test]
fn nothing_in_gives_nothing_out() {
    let spec = KustomizationSpec {
        target_namespace: Some("n".into()),
        ..KustomizationSpec::default()
    };
    assert!(
        generate(&tree(&[("app/README.md", "")]), "app", &spec)
            .unwrap()
            .empty
    );
    assert!(
        generate(
            &tree(&[("app/kustomization.yaml", "")]),
            "app",
            &KustomizationSpec::default()
        )
        .unwrap()
        .empty
    );
}

#[test]
fn a_plain_kustomization_is_built_as_it_is() {
    let generated = generate(
        &tree(&[("app/kustomization.yml", "resources: [a.yaml]")]),
        "app",
        &KustomizationSpec::default(),
    )
    .unwrap();
    assert!(generated.overlaid.is_none() && !generated.empty);
}

#[test]
fn problems_name_the_file() {
    let components = |c: &str| KustomizationSpec {
        components: vec![c.into()],
        ..KustomizationSpec::default()
    };
    let none = KustomizationSpec::default();
    for (files, spec, expected) in [
        (
            vec![("app/values.yaml", "replicas: 1")],
            &none,
            "failed to decode Kubernetes YAML from app/values.yaml: missing Resource metadata",
        ),
        (
            vec![("app/a.yaml", "kind: A")],
            &none,
            "failed to decode Kubernetes YAML from app/a.yaml: missing metadata.name in object of kind A",
        ),
        (
            vec![("app/kustomization.yaml", "[]")],
            &none,
            "app/kustomization.yaml is not a kustomization: expected a map of fields",
        ),
        (
            vec![("app/kustomization.yaml", ""), ("app/Kustomization", "")],
            &none,
            "found multiple kustomization files under: app",
        ),
        (
            vec![("app/kustomization.yaml", "resources: [a]")],
            &components("https://x/y"),
            "component path 'https://x/y' must be local and relative",
        ),
        (
            vec![("app/kustomization.yaml", "resources: [a]")],
            &components("../../../x"),
            "component path '../../../x' must be local and relative",
        ),
    ] {
        assert_eq!(
            generate(&tree(&files), "app", spec).unwrap_err().to_string(),
            expected
        );
    }
}
