//! Who may depend on whom: controllers meet in the API server only, and engines know neither it nor the machine.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Engines: they take bytes and values, and give bytes and values.
const ENGINES: [&str; 8] = [
    "artifact",
    "expr",
    "helm",
    "kustomize",
    "re2",
    "select",
    "versions",
    "yaml",
];
/// What no engine may need, also not through another crate.
const FORBIDDEN: [&str; 8] = [
    "crds",
    "hyper",
    "k8s-openapi",
    "kube",
    "kube-core",
    "reqwest",
    "runtime",
    "tokio",
];

#[test]
fn controllers_do_not_depend_on_each_other() {
    let packages = packages();
    let controllers: BTreeSet<&str> = packages
        .keys()
        .map(String::as_str)
        .filter(|name| is_controller(name))
        .collect();
    assert_eq!(controllers.len(), 4, "{controllers:?}");
    for (name, package) in &packages {
        // The tests of the whole start all of them.
        if name != "e2e" {
            let coupled: Vec<&String> = package.needs.iter().filter(|need| is_controller(need)).collect();
            assert!(
                coupled.is_empty(),
                "{name} depends on {coupled:?}: controllers meet in the status of objects"
            );
        }
    }
}

#[test]
fn nothing_depends_on_the_tests_of_the_whole() {
    for (name, package) in packages() {
        assert!(!package.needs.contains("e2e"), "{name} depends on e2e");
    }
}

#[test]
fn engines_know_neither_the_cluster_nor_the_machine() {
    for engine in ENGINES {
        let tree = cargo(&[
            "tree",
            "--package",
            engine,
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]);
        let needs: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(
            needs.contains(engine),
            "cargo tree begins with the package: {tree}"
        );
        for forbidden in FORBIDDEN {
            assert!(
                !needs.contains(forbidden),
                "{engine} depends on {forbidden}: see cargo tree -p {engine} -i {forbidden}"
            );
        }
    }
}

#[test]
fn engines_are_linted_alike() {
    let settings = |path: &Path| -> BTreeSet<String> {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    let packages = packages();
    let common = settings(&root().join("clippy.toml"));
    let mut first: Option<BTreeSet<String>> = None;
    for engine in ENGINES {
        let path = packages[engine].folder.join("clippy.toml");
        let own = settings(&path);
        assert!(
            common.is_subset(&own),
            "{} lacks settings of the root, which it replaces",
            path.display()
        );
        for banned in [
            "std::fs::read\"",
            "std::env::var\"",
            "SystemTime::now\"",
            "Instant::now\"",
            "Command::new\"",
        ] {
            assert!(
                own.iter().any(|line| line.contains(banned)),
                "{} allows {banned}",
                path.display()
            );
        }
        assert_eq!(
            first.get_or_insert_with(|| own.clone()),
            &own,
            "{} differs from other engines'",
            path.display()
        );
    }
}

struct Package {
    folder: PathBuf,
    /// The names of its direct dependencies of every kind.
    needs: BTreeSet<String>,
}

/// The packages of the workspace, by name.
fn packages() -> BTreeMap<String, Package> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let package = |package: &Value| {
        let needs = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|need| text(&need["name"]))
            .collect();
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        (
            text(&package["name"]),
            Package {
                folder: manifest.parent().unwrap().to_owned(),
                needs,
            },
        )
    };
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(package)
        .collect()
}

fn is_controller(name: &str) -> bool {
    name.ends_with("-controller")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(args)
        .arg("--offline")
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
