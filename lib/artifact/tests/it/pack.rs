//! The archive is the one that Flux makes, down to its digest.

mod fleet;

use std::convert::Infallible;
use std::io;

use artifact::{Algorithm, DigestWriter, Entry, EntryKind, Limits, PackError, Tree, pack, pack_tree, unpack};

fn digest(tree: &Tree) -> (u64, String) {
    let writer = DigestWriter::new(Algorithm::Sha256, io::sink());
    let (_, size, digest) = pack_tree(tree, writer).unwrap().finish();
    (size, digest.to_string())
}

fn fleet() -> impl Iterator<Item = (String, Vec<u8>)> {
    fleet::FLEET
        .iter()
        .map(|(path, text)| (path.to_string(), text.as_bytes().to_vec()))
}

/// Recorded from Flux 2.9 (`git-branch`): `.sourceignore` is `/docs/` and `*.md`, which leaves `apps/empty` empty.
#[test]
fn digest_of_fleet() {
    let mut builder = artifact::TreeBuilder::default();
    builder.directory("apps/empty").unwrap();
    for (path, bytes) in fleet().filter(|(path, _)| !path.starts_with("docs/") && !path.ends_with(".md")) {
        builder.file(&path, bytes, false).unwrap();
    }
    let expected = "sha256:990520712b74dd8b5483fca5b3d74ffeb71fb3472121064609808885eccf06d9";
    assert_eq!(digest(&builder.build()), (2436, expected.to_owned()));
}

/// Recorded from Flux 2.9 (`git-include`): `apps/plain` of fleet's artifact is included as `lib`.
#[test]
fn digest_of_tiny() {
    let included = fleet().filter_map(|(path, bytes)| {
        let path = path
            .strip_prefix("apps/plain/")
            .filter(|path| !path.ends_with(".md"))?;
        Some((format!("lib/{path}"), bytes))
    });
    let own = [("README", "tiny\n"), ("a.yaml", "a: 1\n")]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let tree = Tree::from_files(included.chain(own)).unwrap();
    let expected = "sha256:5f58d4b8d523cb5a63fd556c08997763a3e31c56ae468f7a79acc26e6dd9d857";
    assert_eq!(digest(&tree), (495, expected.to_owned()));
}

/// The digest is Go's (`pack/golden.go`): long names and names outside ASCII.
#[test]
fn names_that_need_pax() {
    let mut builder = artifact::TreeBuilder::default();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(130));
    builder.file(&long, vec![7; 70_000], true).unwrap();
    let cut = format!("{}/{}", "e".repeat(99), "g".repeat(120));
    builder.file(&cut, b"cut at the slash".to_vec(), false).unwrap();
    let split = format!("{}x/y", "s".repeat(100));
    builder.file(&split, b"fits when split".to_vec(), false).unwrap();
    builder.file("ünï/cödé", b"x".to_vec(), false).unwrap();
    builder.file("empty", Vec::new(), false).unwrap();
    builder.directory("hollow/inside").unwrap();
    let tree = builder.build();
    assert_eq!(
        digest(&tree),
        (
            680,
            "sha256:58f3200bae945c1d10f1246153abd6674100276355cc40fcabccb2cc84df9315".to_owned()
        )
    );

    let bytes = pack_tree(&tree, Vec::new()).unwrap();
    let back = unpack(bytes.as_slice(), &Limits::default()).unwrap();
    let list = |tree: &Tree| {
        tree.files()
            .map(|(path, file)| (path, file.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&back), list(&tree));
    assert!(back.is_dir("hollow/inside") && back.file(&long).unwrap().executable());
}

#[test]
fn refuses_bad_entries() {
    let file = |path: &str, size| {
        let kind = EntryKind::File {
            size,
            executable: false,
            content: &b"abc"[..],
        };
        Ok::<_, Infallible>(Entry {
            path: path.as_bytes().to_vec(),
            kind,
        })
    };
    let check = |entries: Vec<Result<Entry<&'static [u8]>, Infallible>>, expected: &str| {
        let error: PackError<Infallible> = pack(entries, io::sink()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(vec![file("b", 3), file("a", 3)], "entry \"a\" is out of order");
    check(vec![file("a", 3), file("a", 3)], "entry \"a\" is out of order");
    check(
        vec![file("a-b", 3), file("a/b", 3)],
        "entry \"a/b\" is out of order",
    );
    check(vec![file("../a", 3)], "cannot archive the path \"../a\"");
    check(vec![file("", 3)], "cannot archive the path \"\"");
    check(vec![file("a", 2)], "\"a\" is not 2 bytes long");
    check(vec![file("a", 4)], "\"a\" is not 4 bytes long");
}
