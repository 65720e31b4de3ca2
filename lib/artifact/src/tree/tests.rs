//! Trees, put together and overlaid.

use super::*;

fn tree(paths: &[&str]) -> Tree {
    Tree::from_files(
        paths
            .iter()
            .map(|path| (path.to_string(), path.as_bytes().to_vec())),
    )
    .unwrap()
}

#[test]
fn finds_files_and_directories() {
    let tree = tree(&["a/b/c", "a/d", "./e//f", "a-b"]);
    let file = |path| tree.file(path).map(File::bytes);
    assert_eq!(file("a/b/c"), Some(&b"a/b/c"[..]));
    assert_eq!(file("./a/d"), Some(&b"a/d"[..]));
    assert_eq!(file("e/f"), Some(&b"./e//f"[..]));
    assert_eq!(file("a/b"), None);
    assert_eq!(file("a/d/x"), None);
    assert_eq!(file(""), None);
    assert_eq!(file("a/../a/d"), None);
    let dirs = ["", ".", "a", "a/b", "a/b/", "e"].map(|path| tree.is_dir(path));
    assert_eq!(dirs, [true; 6]);
    assert!(!tree.is_dir("a/d") && !tree.is_dir("nope"));
    assert_eq!(
        tree.entries(".").collect::<Vec<_>>(),
        [("a", true), ("a-b", false), ("e", true)]
    );
    assert_eq!(tree.entries("a").collect::<Vec<_>>(), [("b", true), ("d", false)]);
    assert_eq!(tree.entries("a/d").count(), 0);
    let files: Vec<String> = tree.files().map(|(path, _)| path).collect();
    assert_eq!(files, ["a/b/c", "a/d", "a-b", "e/f"]);
    let digest = Sha256::digest(b"a/d");
    assert_eq!(
        tree.file("a/d").map(|file| file.digest().as_slice()),
        Some(digest.as_slice())
    );
}

#[test]
fn refuses_contradictions() {
    let from = |paths: &[&str]| Tree::from_files(paths.iter().map(|path| (path.to_string(), vec![]))).err();
    assert_eq!(from(&["a", "a/b"]), Some(PathError::ThroughFile("a".into())));
    assert_eq!(from(&["a/b", "a"]), Some(PathError::IsDirectory("a".into())));
    assert_eq!(from(&["a/.."]), Some(PathError::Root("a/..".into())));
    assert_eq!(from(&["../a"]), Some(PathError::Outside("../a".into())));
}

#[test]
fn overlays_share_and_leave_the_original() {
    let old = tree(&["a/b", "a/c", "z"]);
    let new = old
        .with_file("a/b", "new")
        .unwrap()
        .with_file("n/m", "deep")
        .unwrap();
    assert_eq!(old.file("a/b").map(File::bytes), Some(&b"a/b"[..]));
    assert_eq!(new.file("a/b").map(File::bytes), Some(&b"new"[..]));
    assert_eq!(
        new.entries("").collect::<Vec<_>>(),
        [("a", true), ("n", true), ("z", false)]
    );
    assert!(std::ptr::eq(
        old.file("a/c").unwrap().bytes(),
        new.file("a/c").unwrap().bytes()
    ));
    assert_eq!(
        old.with_file("a", "x").err(),
        Some(PathError::IsDirectory("a".into()))
    );
    assert_eq!(
        old.with_file("z/x", "x").err(),
        Some(PathError::ThroughFile("z/x".into()))
    );
    assert_eq!(new.size() - old.size(), 1 + 1 + 4 + 2 * ENTRY_OVERHEAD);
}

#[test]
fn empty_directories_stay() {
    let mut builder = TreeBuilder::default();
    builder.directory("x/y").unwrap();
    let tree = builder.build();
    assert!(tree.is_dir("x/y"));
    assert_eq!(tree.files().count(), 0);
}
