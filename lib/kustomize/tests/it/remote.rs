//! URLs, with somebody who fetches them.

use artifact::Tree;
use kustomize::{Fetcher, Options, Repository};
use std::cell::RefCell;

/// Answers every repository with the same files, and notes what it was asked.
struct Shelf {
    files: Vec<(&'static str, &'static str)>,
    asked: RefCell<Vec<Repository>>,
}

impl Fetcher for Shelf {
    fn repository(&self, repository: &Repository) -> Result<Tree, String> {
        self.asked.borrow_mut().push(repository.clone());
        Ok(tree(&self.files))
    }

    fn file(&self, url: &str) -> Result<Vec<u8>, String> {
        match url {
            "https://example.org/r.yaml" => Ok(OBJECT.as_bytes().to_vec()),
            _ => Err("404".to_string()),
        }
    }
}

const OBJECT: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: r}}";

fn tree(files: &[(&str, &str)]) -> Tree {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_string(), text.as_bytes().to_vec()));
    Tree::from_files(files).unwrap()
}

fn build(
    kustomization: &str,
    files: Vec<(&'static str, &'static str)>,
) -> (Result<kustomize::Build, String>, Vec<Repository>) {
    let shelf = Shelf {
        files,
        asked: RefCell::default(),
    };
    let options = Options {
        fetcher: Some(&shelf),
        ..Options::default()
    };
    let tree = tree(&[("kustomization.yaml", kustomization), ("secret.yaml", OBJECT)]);
    let built = kustomize::build(&tree, "", &options).map_err(|e| e.chain());
    (built, shelf.asked.into_inner())
}

/// What a spelling means: what to clone, the directory in it, the reference.
fn check(spelling: &str, url: &str, directory: &str, reference: &str) {
    let files: Vec<(&'static str, &'static str)> = vec![("x", "")];
    let (_, asked) = build(&format!("resources: ['{spelling}']\n"), files);
    let [repository] = asked.as_slice() else {
        panic!("{spelling} is no repository");
    };
    assert_eq!(repository.raw, spelling);
    assert_eq!(
        (
            repository.url.as_str(),
            repository.directory.as_str(),
            repository.reference.as_str()
        ),
        (url, directory, reference),
        "{spelling}"
    );
}

#[test]
fn all_spellings_of_repositories() {
    let github = "https://github.com/org/repo";
    check("github.com/org/repo", github, "", "");
    check("GitHub.com/org/repo/a/b?ref=v1", github, "a/b", "v1");
    check("https://github.com/org/repo//a/b?ref=v1", github, "a/b", "v1");
    check("http://github.com/org/repo", github, "", "");
    check(
        "https://github.com/org/repo.git",
        "https://github.com/org/repo.git",
        "",
        "",
    );
    check("https://github.com/org/repo?version=v2", github, "", "v2");
    check("https://github.com/org/repo?version=v2&ref=v3", github, "", "v3");
    check(
        "https://github.com/org/repo?ref=feature%2Fx&timeout=5s",
        github,
        "",
        "feature/x",
    );
    check("git@github.com:org/repo/a", "git@github.com:org/repo", "a", "");
    check("git@github.com/org/repo", "git@github.com:org/repo", "", "");
    check(
        "ssh://git@github.com/org/repo.git/a",
        "git@github.com:org/repo.git",
        "a",
        "",
    );
    check(
        "git::https://example.org/org/repo//a",
        "https://example.org/org/repo",
        "a",
        "",
    );
    check(
        "git@example.org:org/repo.git",
        "git@example.org:org/repo.git",
        "",
        "",
    );
    check(
        "ssh://git@example.org:22/org/repo.git/a",
        "ssh://git@example.org:22/org/repo.git",
        "a",
        "",
    );
    check(
        "https://me@dev.azure.com/org/project/_git/repo/a/b?version=main",
        "https://me@dev.azure.com/org/project/_git/repo",
        "a/b",
        "main",
    );
    check("file:///srv/repo.git/a", "file:///srv/repo.git", "a", "");
    check("file:///srv/repo//a?ref=x", "file:///srv/repo", "a", "x");
    check("file:///srv/repo", "file:///srv/repo", "", "");
    check(
        "https://example.org/a/b/c/d",
        "https://example.org/a/b",
        "c/d",
        "",
    );
}

#[test]
fn options_of_the_query() {
    let (_, asked) = build(
        "resources: ['https://example.org/a/b?submodules=false&timeout=1m30s', 'https://example.org/a/b?timeout=7']\n",
        vec![("kustomization.yaml", "namePrefix: a\n")],
    );
    assert_eq!((asked[0].submodules, asked[0].timeout_ms), (false, 90_000));
    assert_eq!((asked[1].submodules, asked[1].timeout_ms), (true, 7_000));
}

#[test]
fn a_base_and_a_file_are_built() {
    let kustomization = "namePrefix: p-\nbuildMetadata: [originAnnotations]\nresources: ['https://example.org/a/b//app?ref=v1', 'https://example.org/r.yaml']\n";
    let files = vec![
        ("app/kustomization.yaml", "resources: [../base, x.yaml]\n"),
        (
            "app/x.yaml",
            "{apiVersion: v1, kind: Secret, metadata: {name: x}}",
        ),
        ("base/kustomization.yaml", "resources: [y.yaml]\n"),
        ("base/y.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: y}}"),
    ];
    let (built, _) = build(kustomization, files);
    let build = built.unwrap();
    let names: Vec<&str> = build.resources.iter().map(kustomize::Resource::id).collect();
    assert_eq!(
        names,
        [
            "ConfigMap.v1.[noGrp]/p-r.[noNs]",
            "Secret.v1.[noGrp]/p-x.[noNs]",
            "Pod.v1.[noGrp]/p-y.[noNs]"
        ]
    );
    let yaml = build.to_yaml();
    assert!(
        yaml.contains("path: base/y.yaml\n      repo: https://example.org/a/b\n      ref: v1\n"),
        "{yaml}"
    );
    assert!(
        !build
            .inputs
            .hold_in(&tree(&[("kustomization.yaml", kustomization)]))
    );
}

/// What must not work in what was fetched.
fn refused(files: Vec<(&'static str, &'static str)>, error: &str) {
    let (built, _) = build("resources: ['https://example.org/a/b//app']\n", files);
    let text = built.map(|build| build.to_yaml()).unwrap_err();
    assert!(text.contains(error), "{text}");
}

#[test]
fn a_clone_is_a_world_of_its_own() {
    let outside = "resources: [../../secret.yaml]\n";
    refused(vec![("app/kustomization.yaml", outside)], "leaves the source");
    refused(
        vec![
            ("app/kustomization.yaml", "resources: [../file.yaml]\n"),
            ("file.yaml", OBJECT),
        ],
        "is not in or below",
    );
    refused(
        vec![(
            "app/kustomization.yaml",
            "resources: ['https://example.org/a/b//app']\n",
        )],
        "cycle detected: URI",
    );
    refused(vec![("other", "")], "must build at directory");
    refused(
        vec![(
            "app/kustomization.yaml",
            "resources: ['https://example.org/none.yaml']\n",
        )],
        "404",
    );
}
