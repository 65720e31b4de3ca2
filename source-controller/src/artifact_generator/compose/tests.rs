mod bounds;

use super::{Allowance, Composed, Sources};
use crate::{artifact_generator::allowance::Turn, spool::Spool};
use artifact::{Limits, Node, Tree, TreeBuilder};
use crds::extensions::{CopyOperation, CopyStrategy};
use runtime::telemetry::chain;
use std::{fs::File, sync::Arc};

fn scratch() -> File {
    tempfile::tempfile().unwrap()
}

fn compose(copies: &[CopyOperation], sources: &Sources) -> Result<Composed<'static>, super::ComposeError> {
    super::compose(copies, sources, allowance(), scratch())
}

/// A whole one.
fn allowance() -> &'static Allowance {
    Box::leak(Box::new(Allowance::new(Turn::default())))
}

fn sources() -> Sources {
    let mut git = TreeBuilder::default();
    for path in [
        "README.md",
        "config.yaml",
        "configs/a.yaml",
        "configs/b.yaml",
        "configs/note.md",
        "configs/sub/c.yaml",
        "configs/sub/note.md",
        "configs/testdata/x.yaml",
        "values.yaml",
    ] {
        git.file(path, path.into(), false).unwrap();
    }
    git.file("run.sh", b"#!".to_vec(), true).unwrap();
    git.file("base.yaml", b"a: {x: 1, l: [1, 2]}\nb: 1\n".to_vec(), false)
        .unwrap();
    git.file("over.yaml", b"a: {z: 2, l: [3]}\n---\nb: null\n".to_vec(), false)
        .unwrap();
    git.file("list.yaml", b"- a\n".to_vec(), false).unwrap();
    let mut packed = Vec::new();
    let inner = Tree::from_files([("chart/Chart.yaml".to_owned(), b"name: chart".to_vec())]).unwrap();
    artifact::pack_tree(&inner, &mut packed).unwrap();
    git.file("charts/chart-1.tgz", packed.clone(), false).unwrap();
    git.file("charts/deep/Chart-2.TAR.GZ", packed, false).unwrap();
    git.file("charts/broken.tgz", b"no archive".to_vec(), false)
        .unwrap();
    git.file("charts/readme.txt", b"text".to_vec(), false).unwrap();
    [("git".to_owned(), spool(&git.build()))].into()
}

fn spool(tree: &Tree) -> Arc<Spool> {
    let mut archive = Vec::new();
    artifact::pack_tree(tree, &mut archive).unwrap();
    Arc::new(Spool::unpack(&archive[..], &Limits::default(), scratch()).unwrap())
}

fn copy(from: &str, to: &str) -> CopyOperation {
    CopyOperation {
        from: from.to_owned(),
        to: to.to_owned(),
        ..CopyOperation::default()
    }
}

fn but(exclude: &[&str], operation: CopyOperation) -> CopyOperation {
    CopyOperation {
        exclude: exclude.iter().map(|&pattern| pattern.to_owned()).collect(),
        ..operation
    }
}

fn by(strategy: CopyStrategy, operation: CopyOperation) -> CopyOperation {
    CopyOperation {
        strategy: Some(strategy),
        ..operation
    }
}

/// The paths of the artifact, directories with a slash at the end if nothing is in them; or the error.
fn check(operations: &[CopyOperation], expected: Result<&[&str], &str>) {
    let made = compose(operations, &sources());
    match (&made, expected) {
        (Ok(Composed { tree, .. }), Ok(expected)) => {
            let empty = |path: &String| tree.entries(path).next().is_none();
            let paths: Vec<String> = tree
                .walk()
                .filter_map(|(path, node)| match node {
                    Node::File(_) => Some(path),
                    Node::Directory => empty(&path).then(|| format!("{path}/")),
                })
                .collect();
            assert_eq!(paths, expected, "{operations:?}");
        }
        (Err(error), Err(expected)) => {
            let text = chain(error);
            assert!(text.ends_with(expected), "{operations:?}: {text}");
        }
        (made, _) => panic!("{operations:?}: {made:?}"),
    }
}

#[test]
fn files_go_where_cp_puts_them() {
    let one = |from: &str, to: &str, expected: &[&str]| check(&[copy(from, to)], Ok(expected));
    one("@git/config.yaml", "@artifact/apps/app.yaml", &["apps/app.yaml"]);
    one("@git/config.yaml", "@artifact/apps/", &["apps/config.yaml"]);
    one("@git/./config.yaml", "@artifact/", &["config.yaml"]);
    one(
        "@git/configs/sub/",
        "@artifact/apps/",
        &["apps/sub/c.yaml", "apps/sub/note.md"],
    );
    one(
        "@git/configs/sub",
        "@artifact/apps",
        &["apps/sub/c.yaml", "apps/sub/note.md"],
    );
    one(
        "@git/configs/*.yaml",
        "@artifact/apps/",
        &["apps/configs/a.yaml", "apps/configs/b.yaml"],
    );
    one(
        "@git/configs/**",
        "@artifact/apps/",
        &[
            "apps/a.yaml",
            "apps/b.yaml",
            "apps/note.md",
            "apps/sub/c.yaml",
            "apps/sub/note.md",
            "apps/testdata/x.yaml",
        ],
    );
    one(
        "@git/*/sub",
        "@artifact/",
        &["configs/sub/c.yaml", "configs/sub/note.md"],
    );
    one("@git/[r]un.sh", "@artifact/", &["run.sh"]);
    check(
        &[
            copy("@git/configs/sub", "@artifact/"),
            copy("@git/config.yaml", "@artifact/sub"),
        ],
        Ok(&["sub/c.yaml", "sub/config.yaml", "sub/note.md"]),
    );
    let all = compose(&[copy("@git/", "@artifact/")], &sources()).unwrap();
    let sources = sources();
    assert_eq!(all.tree.files().count(), sources["git"].tree().files().count());
    assert!(
        all.tree.file("run.sh").unwrap().executable(),
        "the execute bit stays"
    );
    // What is copied is what was there, wherever it is kept.
    for (path, file) in all.tree.files() {
        let there = sources["git"].tree().file(&path).unwrap();
        let there = sources["git"].content(there).bytes().unwrap();
        assert_eq!(all.contents.bytes(file).unwrap(), there, "{path}");
    }
}

#[test]
fn what_is_excluded_stays_out() {
    let all = || copy("@git/configs/**", "@artifact/");
    check(
        &[but(&["*.md"], all())],
        Ok(&["a.yaml", "b.yaml", "sub/c.yaml", "testdata/x.yaml"]),
    );
    check(
        &[but(&["**/testdata/**", "sub/**", "*.md"], all())],
        Ok(&["a.yaml", "b.yaml"]),
    );
    check(
        &[but(&["configs/{a,b}.yaml", "*.md", "testdata", "sub"], all())],
        Err("all files matching pattern 'configs/**' in source 'git' were excluded"),
    );
    check(
        &[but(&["*.yaml"], copy("@git/config.yaml", "@artifact/"))],
        Ok(&[]),
    );
    check(
        &[but(&["*.yaml"], copy("@git/configs/sub", "@artifact/"))],
        Ok(&["sub/note.md"]),
    );
    check(&[but(&["{a"], all())], Err("invalid exclude pattern '{a'"));
}

#[test]
fn yaml_is_merged_as_helm_merges_values() {
    let base = || copy("@git/base.yaml", "@artifact/values.yaml");
    let over = |from: &str| by(CopyStrategy::Merge, copy(from, "@artifact/values.yaml"));
    let made = compose(&[base(), over("@git/over.yaml")], &sources()).unwrap();
    let text = made.contents.bytes(made.tree.file("values.yaml").unwrap());
    let text = String::from_utf8(text.unwrap()).unwrap();
    assert_eq!(text, "a:\n  l:\n  - 3\n  x: 1\n  z: 2\nb: null\n");
    check(&[over("@git/over.yaml")], Ok(&["values.yaml"]));
    check(&[base(), over("@git/list.yaml")], Err("a document is not a map"));
}

#[test]
fn archives_are_unpacked() {
    let extract = |from: &str| by(CopyStrategy::Extract, copy(from, "@artifact/c/"));
    check(&[extract("@git/charts/chart-1.tgz")], Ok(&["c/chart/Chart.yaml"]));
    // Beside what was made before.
    let base = copy("@git/base.yaml", "@artifact/v.yaml");
    let over = by(CopyStrategy::Merge, copy("@git/over.yaml", "@artifact/v.yaml"));
    let twice = by(
        CopyStrategy::Extract,
        copy("@git/charts/deep/Chart-2.TAR.GZ", "@artifact/d/"),
    );
    let made = compose(
        &[base, over, extract("@git/charts/chart-1.tgz"), twice],
        &sources(),
    )
    .unwrap();
    for (path, expected) in [
        ("v.yaml", "a:\n  l:\n  - 3\n  x: 1\n  z: 2\nb: null\n"),
        ("c/chart/Chart.yaml", "name: chart"),
        ("d/chart/Chart.yaml", "name: chart"),
    ] {
        let bytes = made.contents.bytes(made.tree.file(path).unwrap()).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), expected, "{path}");
    }
    check(&[extract("@git/charts/**/*.TAR.GZ")], Ok(&["c/chart/Chart.yaml"]));
    check(&[extract("@git/charts/*.txt")], Ok(&[]));
    check(
        &[extract("@git/charts/readme.txt")],
        Err("extract strategy requires tarball file (.tar.gz or .tgz), got 'charts/readme.txt'"),
    );
    check(
        &[extract("@git/charts")],
        Err("extract strategy is not supported for directories, got 'charts'"),
    );
    let broken = compose(&[extract("@git/charts/broken.tgz")], &sources()).unwrap_err();
    assert!(
        chain(&broken).contains("failed to extract tarball 'charts/broken.tgz'"),
        "{broken:?}"
    );
}

#[test]
fn nothing_leaves_its_root() {
    let one = |from: &str, to: &str, expected| check(&[copy(from, to)], Err(expected));
    one("@git/../x", "@artifact/", "path \"../x\" leads outside the root");
    one(
        "@git//etc/passwd",
        "@artifact/",
        "path \"/etc/passwd\" is absolute",
    );
    one(
        "@git/../*",
        "@artifact/",
        "no files match pattern '../*' in source 'git'",
    );
    one(
        "@git/config.yaml",
        "@artifact/../x",
        "path \"../x\" leads outside the root",
    );
    one("@git/config.yaml", "@artifact//x", "path \"/x\" is absolute");
    one(
        "@git/config.yaml",
        "@artifact/a\0",
        "path \"a\\0\" has a forbidden character",
    );
    one("@git/nope", "@artifact/", "source 'nope' does not exist");
    one(
        "@git/no*pe",
        "@artifact/",
        "no files match pattern 'no*pe' in source 'git'",
    );
    one(
        "@git/[",
        "@artifact/",
        "invalid glob pattern '[': syntax error in pattern",
    );
    one("@other/x", "@artifact/", "source alias 'other' not found");
    one("git/x", "@artifact/", "'git/x' is not of the form '@alias/path'");
    one("@git/x", "@git/y", "'@git/y' is not of the form '@alias/path'");
    check(
        &[
            copy("@git/config.yaml", "@artifact/a"),
            copy("@git/config.yaml", "@artifact/a/b"),
        ],
        Err("leads through a file"),
    );
}
