//! The pages about threats name tests that there are.

use std::path::{Path, PathBuf};

/// Where the tests are that pages name.
const FOLDERS: [&str; 6] = [
    "source-controller",
    "kustomize-controller",
    "helm-controller",
    "notification-controller",
    "lib",
    "e2e/tests",
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The file that is meant: what a page writes before it (`…/`, or a letter that it explains) stands for a folder.
fn file(written: &str) -> &str {
    match written.split_once('/') {
        Some((folder, rest)) if folder.chars().count() == 1 => rest,
        _ => written,
    }
}

#[test]
fn every_test_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for folder in FOLDERS {
        sources(&root.join(folder), &mut files);
    }
    let texts: Vec<(PathBuf, String)> = files
        .into_iter()
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect();
    let (mut pages, mut all) = (0, 0);
    for entry in std::fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("threats-") {
            continue;
        }
        pages += 1;
        let page = std::fs::read_to_string(&path).unwrap();
        let mut named = 0;
        for quoted in page.split('`').filter(|quoted| quoted.contains(".rs")) {
            let (written, tests) = quoted.split_once("::").unwrap_or((quoted, ""));
            let end = file(written);
            let meant: Vec<&String> = texts
                .iter()
                .filter(|(path, _)| path.ends_with(end))
                .map(|(_, text)| text)
                .collect();
            assert!(!meant.is_empty(), "{name}: {written}");
            for test in tests
                .trim_matches(['{', '}'])
                .split(", ")
                .filter(|test| !test.is_empty())
            {
                let begin = format!("fn {test}(");
                assert!(
                    meant.iter().any(|text| text.contains(&begin)),
                    "{name}: {written}::{test}"
                );
                named += 1;
            }
        }
        assert!(named > 5, "{name} names {named} tests");
        all += named;
    }
    assert!(pages > 2 && all > 90, "{pages} pages name {all} tests");
}
