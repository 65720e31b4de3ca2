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

fn with_file(kustomization: &str, path: &str, text: String) -> Vec<(String, String)> {
    let mut files = with_object(format!("resources: [r.yaml]\n{kustomization}\n"));
    files.push((path.to_string(), text));
    files
}

#[test]
fn definitions_that_refer_to_themselves_are_refused() {
    let kind = r#""kind": {}, "apiVersion": {}, "metadata": {}"#;
    let one = format!(r##"{{"a.A": {{"Schema": {{"properties": {{{kind}, "x": {{"$ref": "a.A"}}}}}}}}}}"##);
    check(
        with_file("crds: [c.json]", "c.json", one),
        "open API definitions are nested deeper than 50",
    );
    let doubling: String = (0..40)
        .map(|i| {
            let next = format!(r##"{{"$ref": "d{}"}}"##, i + 1);
            format!(r##", "d{i}": {{"Schema": {{"properties": {{"p": {next}, "q": {next}}}}}}}"##)
        })
        .collect();
    let two = format!(
        r##"{{"a.A": {{"Schema": {{"properties": {{{kind}, "x": {{"$ref": "d0"}}}}}}}}{doubling}}}"##
    );
    check(
        with_file("crds: [c.json]", "c.json", two),
        "more than 100000 properties in its open API definitions",
    );
}

#[test]
fn schemas_that_refer_in_circles_end() {
    let schema = r##"{"definitions": {
        "A": {"x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "ConfigMap"}], "$ref": "#/definitions/B"},
        "B": {"$ref": "#/definitions/A"}}}"##;
    let patch = "openapi: {path: s.json}\npatches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, spec: {x: {y: 1}}}'}]";
    check(with_file(patch, "s.json", schema.to_string()), "");
    let deep = "{\"items\": ".repeat(400) + "1" + &"}".repeat(400);
    check(
        with_file(
            "openapi: {path: s.json}",
            "s.json",
            format!("{{\"definitions\": {{\"a\": {deep}}}}}"),
        ),
        "exceeded max depth",
    );
}

#[test]
fn tables_beyond_any_use_are_refused() {
    let lines: String = (0..6000).map(|i| format!("- path: p{i}\n")).collect();
    check(
        with_file(
            "configurations: [c.yaml]",
            "c.yaml",
            format!("namePrefix:\n{lines}"),
        ),
        "a build may not have more than 2000 entries in a table of fields",
    );
    let deep = "a/".repeat(200);
    check(
        with_file(
            "namePrefix: p\nconfigurations: [c.yaml]",
            "c.yaml",
            format!("namePrefix: [{{path: {deep}b, create: true}}]\n"),
        ),
        "field path with more than 100 steps",
    );
}

#[test]
fn plugins_that_configure_each_other_are_refused() {
    for field in ["generators", "transformers", "validators"] {
        check(
            with_file(&format!("{field}: [.]"), "unused", String::new()),
            "cycle detected",
        );
        check(
            with_file(
                &format!("{field}: [sub]"),
                "sub/kustomization.yaml",
                format!("{field}: [..]\n"),
            ),
            "cycle detected",
        );
    }
}
