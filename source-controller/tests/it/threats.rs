//! The page about threats names tests that there are.

use std::path::{Path, PathBuf};

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

#[test]
fn every_test_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/threats-sources.md")).unwrap();
    let mut files = Vec::new();
    for folder in ["source-controller", "lib", "e2e/tests"] {
        sources(&root.join(folder), &mut files);
    }
    let texts: Vec<(PathBuf, String)> = files
        .into_iter()
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect();
    let mut named = 0;
    for quoted in page.split('`').filter(|quoted| quoted.contains(".rs::")) {
        let (file, tests) = quoted.split_once("::").unwrap();
        let end = file.trim_start_matches('…').trim_start_matches('/');
        for test in tests.trim_matches(['{', '}']).split(", ") {
            let is_there = texts
                .iter()
                .any(|(path, text)| path.ends_with(end) && text.contains(&format!("fn {test}(")));
            assert!(is_there, "{file}::{test}");
            named += 1;
        }
    }
    assert!(named > 60, "{named}");
}
