//! From a real repository to the very artifact that Flux makes of it.

use std::io;

use artifact::{Algorithm, DigestWriter, pack};

use super::origin::Origin;

#[path = "../../../../lib/artifact/tests/it/pack/fleet.rs"]
mod fleet;

/// The digests were recorded from Flux 2.9 (`git-branch` and `git-include` of the conformance suite).
#[test]
fn digests() {
    let origin = Origin::new();
    let (fleet_work, tiny_work) = (origin.repository("fleet"), origin.repository("tiny"));
    fleet_work.commit(fleet::FLEET);
    tiny_work.commit(&[("README", "tiny\n"), ("a.yaml", "a: 1\n")]);
    let mut listing = origin.branch("fleet").unwrap().listing(&[]).unwrap();
    listing.ignore(None).unwrap();
    let writer = DigestWriter::new(Algorithm::Sha256, Vec::new());
    let (bytes, size, digest) = pack(listing.entries(), writer).unwrap().finish();
    let expected = "sha256:990520712b74dd8b5483fca5b3d74ffeb71fb3472121064609808885eccf06d9";
    assert_eq!((size, digest.to_string().as_str()), (2436, expected));

    let spool = super::origin::spool(&bytes);
    let mut listing = origin.branch("tiny").unwrap().listing(&[]).unwrap();
    assert!(listing.include("lib", &spool, "apps/plain").unwrap());
    listing.ignore(None).unwrap();
    let (_, size, digest) = pack(
        listing.entries(),
        DigestWriter::new(Algorithm::Sha256, io::sink()),
    )
    .unwrap()
    .finish();
    let expected = "sha256:5f58d4b8d523cb5a63fd556c08997763a3e31c56ae468f7a79acc26e6dd9d857";
    assert_eq!((size, digest.to_string().as_str()), (495, expected));
}

/// What we pack is what plain `tar` unpacks: the files of the commit, their content and who may execute them.
#[test]
fn plain_tar_unpacks_the_same_files() {
    let origin = Origin::new();
    let work = origin.repository("fleet");
    let long = format!("{}/{}.yaml", "d".repeat(150), "ä".repeat(60));
    work.commit(fleet::FLEET);
    work.commit(&[("a b/ü.yaml", "a: 1\n"), (long.as_str(), "long"), ("empty", "")]);
    let listing = origin.branch("fleet").unwrap().listing(&[]).unwrap();
    let packed = origin.dir.path().join("packed.tar.gz");
    pack(listing.entries(), std::fs::File::create(&packed).unwrap()).unwrap();
    let ours = origin.dir.path().join("ours");
    std::fs::create_dir(&ours).unwrap();
    let status = std::process::Command::new("tar")
        .arg("-xzf")
        .arg(&packed)
        .arg("-C")
        .arg(&ours)
        .status()
        .unwrap();
    assert!(status.success());
    let theirs = origin.dir.path().join("theirs");
    let from = work.dir.to_str().unwrap();
    super::origin::run(
        origin.dir.path(),
        &["clone", "-q", from, theirs.to_str().unwrap()],
    );
    std::fs::remove_dir_all(theirs.join(".git")).unwrap();
    let found = files(&ours);
    assert!(found.len() > 5 && found.contains_key(long.as_str()));
    assert_eq!(found, files(&theirs));
}

/// Path, content and whether it is executable, of all files below a folder; links are left out, as they are of artifacts.
fn files(root: &std::path::Path) -> std::collections::BTreeMap<String, (Vec<u8>, bool)> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = std::collections::BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = std::fs::symlink_metadata(&path).unwrap();
            if meta.is_dir() {
                pending.push(path);
            } else if meta.is_file() {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                let content = std::fs::read(&path).unwrap();
                found.insert(name, (content, meta.permissions().mode() & 0o100 != 0));
            }
        }
    }
    found
}
