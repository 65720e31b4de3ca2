//! The input closure: a build need not be done again if, and only if, nothing it looked at has changed.

use artifact::Tree;
use kustomize::{Inputs, Options};

fn tree() -> Tree {
    let files = [
        (
            "app/kustomization.yaml",
            "resources: [a.yaml, ../base]\nconfigMapGenerator: [{name: g, files: [x.txt]}]\n",
        ),
        (
            "app/a.yaml",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n",
        ),
        ("app/x.txt", "x"),
        ("base/kustomization.yml", "resources: [b.yaml]\n"),
        (
            "base/b.yaml",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n",
        ),
        ("other/c.yaml", "not read"),
    ];
    Tree::from_files(files.map(|(path, text)| (path.to_string(), text.as_bytes().to_vec()))).unwrap()
}

fn inputs() -> Inputs {
    kustomize::build(&tree(), "app", &Options::default())
        .unwrap()
        .inputs
}

fn check(path: &str, text: &str, holds: bool) {
    let changed = tree().with_file(path, text.as_bytes().to_vec()).unwrap();
    assert_eq!(inputs().hold_in(&changed), holds, "{path}");
}

#[test]
fn what_was_read_matters_and_the_rest_does_not() {
    assert!(inputs().hold_in(&tree()));
    check("other/c.yaml", "changed", true);
    check("other/new.yaml", "new", true);
    check("app/unused.yaml", "new", true);
    check("app/a.yaml", "changed", false);
    check("app/x.txt", "changed", false);
    check("base/b.yaml", "changed", false);
}

#[test]
fn absences_matter() {
    check("app/kustomization.yml", "a second one is an error", false);
    check("base/Kustomization", "a second one is an error", false);
}

#[test]
fn equal_closures_have_equal_digests() {
    let mut more = inputs();
    assert_eq!(more.digest(), inputs().digest());
    more.absent("nowhere");
    assert_ne!(more.digest(), inputs().digest());
    let mut listed = inputs();
    listed.listed("app", &tree());
    assert!(listed.hold_in(&tree()));
    assert!(!listed.hold_in(&tree().with_file("app/new.yaml", b"".to_vec()).unwrap()));
}

#[test]
fn a_failed_build_is_about_its_absences() {
    let tree = Tree::from_files([(
        "kustomization.yaml".to_string(),
        b"resources: [missing.yaml]".to_vec(),
    )])
    .unwrap();
    let options = Options {
        load: kustomize::Load::Anywhere,
        ..Options::default()
    };
    let error = kustomize::build(&tree, "", &options).unwrap_err();
    assert_eq!(
        error.chain(),
        "accumulating resources: accumulation err='accumulating resources from 'missing.yaml': open /missing.yaml: \
         no such file or directory': must build at directory: not a valid directory: evalsymlink failure on \
         '/missing.yaml' : lstat /missing.yaml: no such file or directory"
    );
}
