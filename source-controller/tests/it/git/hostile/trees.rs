//! Trees that only a hostile hand makes, and what is looked for in them.

use source_controller::git::GitError;

use super::super::origin::{Origin, chain};

/// Trees that only a hostile hand makes: names that lead out, and a few objects that stand for billions of files.
#[test]
fn trees() {
    let origin = Origin::new();
    let work = origin.repository("r");
    work.commit(&[("a", "1")]);
    let blob = work.git(&["rev-parse", "HEAD:a"]);
    let tree = |entries: &[(&str, &str, &str)]| {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend(format!("{mode} {name}\0").as_bytes());
            bytes.extend(hex::decode(id).unwrap());
        }
        let file = work.dir.join(".git/raw");
        std::fs::write(&file, bytes).unwrap();
        work.git(&[
            "hash-object",
            "-t",
            "tree",
            "-w",
            "--literally",
            file.to_str().unwrap(),
        ])
    };
    let refused = |tree: String, expected: &str| {
        let commit = work.git(&["commit-tree", "-m", "x", &tree]);
        work.git(&["push", "-q", "-f", "origin", &format!("{commit}:refs/heads/main")]);
        let error = origin
            .branch("r")
            .unwrap()
            .listing(&[])
            .map(|_| ())
            .err()
            .unwrap();
        assert_eq!(
            chain(&error),
            format!("failed to use the local mirror of the repository: {expected}")
        );
    };
    let path = |path: &str| format!("refused the path {path:?} in the repository");
    refused(tree(&[("100644", "..", &blob)]), &path(".."));
    refused(tree(&[("100644", ".git", &blob)]), &path(".git"));
    let inner = tree(&[("100644", "..", &blob)]);
    refused(tree(&[("40000", "d", &inner)]), &path("d/.."));
    let mut deep = tree(&[("100644", "f", &blob)]);
    for _ in 0..300 {
        deep = tree(&[("40000", "d", &deep)]);
    }
    let text = "d/".repeat(255) + "d";
    refused(deep, &path(&text));
    // A few objects that name each other into billions: of short names, and of long ones, which are too much much sooner.
    let bomb = |rest: usize| {
        let mut bomb = tree(&[("100644", "f", &blob)]);
        let names: Vec<String> = (0..10)
            .map(|name| format!("d{name}{}", "x".repeat(rest)))
            .collect();
        for _ in 0..9 {
            let entries: Vec<(&str, &str, &str)> = names
                .iter()
                .map(|name| ("40000", name.as_str(), bomb.as_str()))
                .collect();
            bomb = tree(&entries);
        }
        bomb
    };
    refused(bomb(0), "refused a repository of more than 1000000 files");
    let long = "refused a repository whose paths are longer than 134217728 bytes together";
    refused(bomb(250), long);
    // One tree alone is not read to its end either.
    let wide: Vec<String> = (0..1_000_001).map(|name| format!("{name:07}")).collect();
    let wide: Vec<(&str, &str, &str)> = wide
        .iter()
        .map(|name| ("100644", name.as_str(), blob.as_str()))
        .collect();
    refused(tree(&wide), "refused a repository of more than 1000000 files");
}

#[test]
fn ignore_rules_are_bounded() {
    let origin = Origin::new();
    let work = origin.repository("r");
    let check = |files: &[(&str, &str)], expected: &str| {
        work.commit(files);
        let checkout = origin.branch("r").unwrap();
        let mut listing = checkout.listing(&[]).unwrap();
        let error = listing.ignore(None).unwrap_err();
        assert_eq!(error.reason(), "SourceIgnoreError");
        assert_eq!(
            chain(&error),
            format!("failed to load source ignore patterns: {expected}")
        );
    };
    check(
        &[("a/.sourceignore", &"x".repeat((1 << 20) + 1))],
        "'a/.sourceignore': all ignore rules together are larger than 1048576 bytes",
    );
    check(
        &[
            ("a/.sourceignore", &"x\n".repeat(10_000)),
            ("b/.sourceignore", "x"),
        ],
        "'b/.sourceignore': there are more than 10000 ignore rules",
    );
}

/// CVE-2026-47680: directories of a sparse checkout are looked for in the tree and nowhere else.
#[test]
fn sparse_paths_lead_nowhere() {
    let origin = Origin::new();
    origin.repository("r").commit(&[("a/b", "1"), ("c", "2")]);
    let checkout = origin.branch("r").unwrap();
    for path in ["../a", "a/../../etc", "/etc", "a/..", "..", "a\0b", "./../c"] {
        let listed = checkout.listing(&[path.to_owned()]);
        match listed.map(|listing| listing.paths().map(|(path, _)| path.to_vec()).collect::<Vec<_>>()) {
            // What stays inside is inside the repository.
            Ok(paths) => assert!(
                paths
                    .iter()
                    .all(|path| [&b"a"[..], b"a/b", b"c"].contains(&&path[..])),
                "{path}: {paths:?}"
            ),
            Err(error) => assert!(matches!(error, GitError::Sparse(_)), "{path}: {}", chain(&error)),
        }
    }
}
