//! A tree while it is put together.

use super::{Child, Directory, File, Node, Tree, segments};
use crate::path::{PathError, clean_path};
use std::{collections::BTreeMap, sync::Arc};

/// Collects files and directories in any order, then becomes a [`Tree`].
#[derive(Debug, Default)]
pub struct TreeBuilder {
    root: BTreeMap<Arc<str>, Draft>,
    directories: u64,
    /// Bytes of all files that are there.
    bytes: u64,
}

#[derive(Debug)]
enum Draft {
    Directory(BTreeMap<Arc<str>, Draft>),
    File(File),
}

impl TreeBuilder {
    /// Adds or replaces a file, and the directories above it.
    ///
    /// # Errors
    /// A path that [`clean_path`] refuses, that is already a directory, or that leads through a file.
    pub fn file(&mut self, path: &str, bytes: Vec<u8>, executable: bool) -> Result<(), PathError> {
        self.put(path, File::new(bytes, executable))
    }

    /// Adds or replaces a file of another tree, as [`TreeBuilder::file`] does; its content is shared.
    ///
    /// # Errors
    /// As there.
    pub fn put(&mut self, path: &str, file: File) -> Result<(), PathError> {
        let clean = clean_path(path)?;
        let (parents, name) = match clean.rsplit_once('/') {
            Some((parents, name)) => (parents, name),
            None if clean.is_empty() => return Err(PathError::Root(path.to_owned())),
            None => ("", clean.as_str()),
        };
        let size = file.bytes().len() as u64;
        let directory = self.descend(parents)?;
        if let Some(Draft::Directory(_)) = directory.get(name) {
            return Err(PathError::IsDirectory(clean));
        }
        let replaced = match directory.insert(name.into(), Draft::File(file)) {
            Some(Draft::File(old)) => old.bytes().len() as u64,
            Some(Draft::Directory(_)) | None => 0,
        };
        self.bytes = self.bytes + size - replaced;
        Ok(())
    }

    /// How many directories there are so far, those that only paths imply included; the root is not counted.
    #[must_use]
    pub fn directories(&self) -> u64 {
        self.directories
    }

    /// How many bytes the files have so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is at a path so far; the root is a directory.
    #[must_use]
    pub fn node(&self, path: &str) -> Option<Node<'_>> {
        let mut directory = &self.root;
        let mut segments = segments(path).peekable();
        while let Some(segment) = segments.next() {
            match directory.get(segment)? {
                Draft::Directory(next) => directory = next,
                Draft::File(file) => return segments.peek().is_none().then_some(Node::File(file)),
            }
        }
        Some(Node::Directory)
    }

    /// Adds a directory, which stays even if nothing is put into it, and the directories above it.
    ///
    /// # Errors
    /// A path that [`clean_path`] refuses or that leads through a file.
    pub fn directory(&mut self, path: &str) -> Result<(), PathError> {
        let clean = clean_path(path)?;
        self.descend(&clean).map(|_| ())
    }

    /// The tree of all that was added.
    #[must_use]
    pub fn build(self) -> Tree {
        Tree {
            root: Arc::new(freeze(self.root)),
        }
    }

    fn descend(&mut self, clean: &str) -> Result<&mut BTreeMap<Arc<str>, Draft>, PathError> {
        let mut directory = &mut self.root;
        for segment in segments(clean) {
            if !directory.contains_key(segment) {
                directory.insert(segment.into(), Draft::Directory(BTreeMap::new()));
                self.directories += 1;
            }
            directory = match directory.get_mut(segment) {
                Some(Draft::Directory(next)) => next,
                _ => return Err(PathError::ThroughFile(clean.to_owned())),
            };
        }
        Ok(directory)
    }
}

/// Bounded by `MAX_DEPTH`: every path was cleaned.
fn freeze(draft: BTreeMap<Arc<str>, Draft>) -> Directory {
    let children = draft.into_iter().map(|(name, draft)| match draft {
        Draft::File(file) => (name, Child::File(file)),
        Draft::Directory(inner) => (name, Child::Directory(Arc::new(freeze(inner)))),
    });
    Directory::new(children.collect())
}
