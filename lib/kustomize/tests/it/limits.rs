//! No source makes a build run without end, fill the memory or overflow the stack.

use artifact::Tree;
use kustomize::Options;

fn check(files: Vec<(String, String)>, error: &str) {
    let files = files.into_iter().map(|(path, text)| (path, text.into_bytes()));
    let built = kustomize::build(&Tree::from_files(files).unwrap(), "", &Options::default());
    let text = built.map(|_| String::new()).unwrap_or_else(|e| e.chain());
    assert!(text.contains(error), "{text}");
}

fn with_object(kustomization: String) -> Vec<(String, String)> {
    let object = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, spec: {x: {y: z}}}".to_string();
    vec![
        ("r.yaml".to_string(), object),
        ("kustomization.yaml".to_string(), kustomization),
    ]
}

#[test]
fn bases_that_double_are_refused() {
    let mut files = vec![(
        "kustomization.yaml".to_string(),
        "resources: [a40, b40]\n".to_string(),
    )];
    for i in 1..=40 {
        for side in ["a", "b"] {
            let inner = if i == 1 {
                String::new()
            } else {
                format!("../a{0}, ../b{0}", i - 1)
            };
            let text = format!("namePrefix: {side}-\nresources: [{inner}]\n");
            files.push((format!("{side}{i}/kustomization.yaml"), text));
        }
    }
    check(files, "a build may not have more than 20000 bases");
}

#[test]
fn patches_that_nest_without_end_are_refused() {
    let add = r#"{"op": "copy", "from": "/spec", "path": "/spec/x/y"}"#;
    let patch = vec![add; 300].join(",");
    let text =
        format!("resources: [r.yaml]\npatches: [{{patch: '[{patch}]', target: {{kind: ConfigMap}}}}]\n");
    check(with_object(text), "values nested deeper than 400");
}

#[test]
fn replacements_that_nest_without_end_are_refused() {
    let one = "- {source: {kind: ConfigMap, fieldPath: spec}, targets: [{select: {kind: ConfigMap}, fieldPaths: [spec.x.w], options: {create: true}}]}\n";
    check(
        with_object(format!("resources: [r.yaml]\nreplacements:\n{}", one.repeat(300))),
        "a replacement may not",
    );
}
