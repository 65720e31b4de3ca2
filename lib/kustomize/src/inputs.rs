//! The input closure: everything a build looked at, so that one can tell whether it would come out the same.

use artifact::Tree;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What was read, what was found missing, and what was listed. Paths are clean and relative to the tree's root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    files: BTreeMap<String, [u8; 32]>,
    absent: BTreeSet<String>,
    listings: BTreeMap<String, [u8; 32]>,
    /// Whether there is more to it than the tree: what was fetched may be other the next time.
    fetched: bool,
}

impl Inputs {
    /// Notes that the file was read; `digest` is the SHA-256 of its content.
    pub fn read(&mut self, path: impl Into<String>, digest: [u8; 32]) {
        self.files.insert(path.into(), digest);
    }

    /// Notes that the outcome relies on there being no such file.
    pub fn absent(&mut self, path: impl Into<String>) {
        self.absent.insert(path.into());
    }

    /// Notes that the names in the directory were looked at.
    pub fn listed(&mut self, dir: impl Into<String>, tree: &Tree) {
        let dir = dir.into();
        let digest = listing(tree, &dir);
        self.listings.insert(dir, digest);
    }

    /// Notes that something was fetched from elsewhere, so that no tree tells whether the outcome would be the same.
    pub fn fetched(&mut self) {
        self.fetched = true;
    }

    /// Takes back what was noted about the file: its content was the caller's, not the tree's.
    pub fn forget(&mut self, path: &str) {
        self.files.remove(path);
        self.absent.remove(path);
    }

    /// Takes over all that `other` noted.
    pub fn merge(&mut self, other: Inputs) {
        self.files.extend(other.files);
        self.absent.extend(other.absent);
        self.listings.extend(other.listings);
        self.fetched |= other.fetched;
    }

    /// The files read, with the digests of their content.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8; 32])> {
        self.files.iter().map(|(path, digest)| (path.as_str(), digest))
    }

    /// True if every file, absence and listing is the same in `tree` and nothing was fetched; then a build there has the same outcome.
    pub fn hold_in(&self, tree: &Tree) -> bool {
        !self.fetched
            && self
                .files
                .iter()
                .all(|(path, digest)| tree.file(path).is_some_and(|file| file.digest() == digest))
            && self.absent.iter().all(|path| tree.file(path).is_none())
            && self
                .listings
                .iter()
                .all(|(dir, digest)| listing(tree, dir) == *digest)
    }

    /// SHA-256 over all of it: equal closures have equal digests.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |kind: u8, path: &str, digest: &[u8]| {
            hash.update([kind]);
            hash.update((path.len() as u64).to_le_bytes());
            hash.update(path);
            hash.update(digest);
        };
        self.files
            .iter()
            .for_each(|(path, digest)| add(b'f', path, digest));
        self.absent.iter().for_each(|path| add(b'a', path, &[]));
        self.listings
            .iter()
            .for_each(|(dir, digest)| add(b'l', dir, digest));
        if self.fetched {
            add(b'r', "", &[]);
        }
        hash.finalize().into()
    }
}

/// The digest of a directory's names, sorted, each with whether it is a directory.
fn listing(tree: &Tree, dir: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([u8::from(tree.is_dir(dir))]);
    for (name, is_dir) in tree.entries(dir) {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update([u8::from(is_dir)]);
    }
    hash.finalize().into()
}
