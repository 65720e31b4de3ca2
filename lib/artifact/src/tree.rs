//! Files as a value: an immutable directory tree in memory, cheap to clone and to overlay.

mod builder;
#[cfg(test)]
mod tests;

pub use builder::TreeBuilder;

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::path::{PathError, clean_path};

/// What one entry of a directory costs besides its name and content, for [`Tree::size`]; an estimate.
const ENTRY_OVERHEAD: u64 = 96;

/// An immutable tree of files. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    root: Arc<Directory>,
}

/// A regular file: its content, the SHA-256 of it, and whether it may be executed.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    content: Arc<[u8]>,
    digest: [u8; 32],
    executable: bool,
}

/// What a path in a tree names.
#[derive(Clone, Copy, Debug)]
pub enum Node<'a> {
    /// A directory.
    Directory,
    /// A regular file.
    File(&'a File),
}

#[derive(Debug, Default)]
struct Directory {
    /// Sorted by name.
    children: Vec<(Arc<str>, Child)>,
    /// Bytes held from here down.
    size: u64,
}

#[derive(Clone, Debug)]
enum Child {
    Directory(Arc<Directory>),
    File(File),
}

impl Tree {
    /// A tree of the given files; later ones replace earlier ones of the same path. None is executable.
    ///
    /// # Errors
    /// A path that [`clean_path`] refuses, or that is a file and a directory at once.
    pub fn from_files(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Tree, PathError> {
        let mut builder = TreeBuilder::default();
        for (path, bytes) in files {
            builder.file(&path, bytes, false)?;
        }
        Ok(builder.build())
    }

    /// The file at a path, or nothing if there is none or it is a directory. `.` and empty segments are skipped.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&File> {
        match self.child(path)? {
            Child::File(file) => Some(file),
            Child::Directory(_) => None,
        }
    }

    /// Whether a directory is at the path; `""` and `"."` are the root, which always exists.
    #[must_use]
    pub fn is_dir(&self, path: &str) -> bool {
        self.directory(path).is_some()
    }

    /// Names in a directory, sorted by bytes, with whether each is a directory; nothing if there is no such directory.
    pub fn entries(&self, dir: &str) -> impl Iterator<Item = (&str, bool)> {
        let children = self
            .directory(dir)
            .map_or(&[][..], |directory| &directory.children);
        children
            .iter()
            .map(|(name, child)| (&**name, matches!(child, Child::Directory(_))))
    }

    /// The directory at a path as a tree of its own, which shares all with this one; nothing if there is none.
    #[must_use]
    pub fn subtree(&self, path: &str) -> Option<Tree> {
        if segments(path).next().is_none() {
            return Some(self.clone());
        }
        match self.child(path)? {
            Child::Directory(directory) => Some(Tree {
                root: directory.clone(),
            }),
            Child::File(_) => None,
        }
    }

    /// A tree with one file added or replaced. It shares all else with this one; the cost is the directories on the path.
    ///
    /// # Errors
    /// A path that [`clean_path`] refuses, that is a directory here, or that leads through a file.
    pub fn with_file(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<Tree, PathError> {
        let clean = clean_path(path)?;
        if clean.is_empty() {
            return Err(PathError::Root(path.to_owned()));
        }
        let segments: Vec<&str> = clean.split('/').collect();
        let file = File::new(bytes.into(), false);
        Ok(Tree {
            root: Arc::new(self.root.with(&segments, file, &clean)?),
        })
    }

    /// Every file with its path, directory by directory in the order of Go's `filepath.Walk`.
    pub fn files(&self) -> impl Iterator<Item = (String, &File)> {
        self.walk().filter_map(|(path, node)| match node {
            Node::File(file) => Some((path, file)),
            Node::Directory => None,
        })
    }

    /// Everything below the root, a directory before its content, names sorted by bytes (Go's `filepath.Walk`).
    pub fn walk(&self) -> impl Iterator<Item = (String, Node<'_>)> {
        Walk {
            stack: vec![(String::new(), self.root.children.iter())],
        }
    }

    /// About how many bytes of memory the tree holds, as a weight for a bounded cache. Overlays count what they share.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.root.size
    }

    fn directory(&self, path: &str) -> Option<&Directory> {
        let mut segments = segments(path).peekable();
        if segments.peek().is_none() {
            return Some(&self.root);
        }
        match self.child(path)? {
            Child::Directory(directory) => Some(directory),
            Child::File(_) => None,
        }
    }

    fn child(&self, path: &str) -> Option<&Child> {
        let mut directory = &*self.root;
        let mut segments = segments(path).peekable();
        loop {
            let child = directory.get(segments.next()?)?;
            match child {
                Child::Directory(next) if segments.peek().is_some() => directory = next,
                Child::File(_) if segments.peek().is_some() => return None,
                found => return Some(found),
            }
        }
    }
}

impl File {
    /// A file with this content.
    #[must_use]
    pub fn new(bytes: Vec<u8>, executable: bool) -> File {
        let digest = Sha256::digest(&bytes).into();
        File {
            content: bytes.into(),
            digest,
            executable,
        }
    }

    /// The content.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.content
    }

    /// The SHA-256 of the content.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether any execute bit was set.
    #[must_use]
    pub fn executable(&self) -> bool {
        self.executable
    }
}

impl std::fmt::Debug for File {
    /// Says how large the file is, never what is in it: trees hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("len", &self.content.len())
            .field("executable", &self.executable)
            .finish()
    }
}

impl Directory {
    fn new(children: Vec<(Arc<str>, Child)>) -> Directory {
        let size = children
            .iter()
            .map(|(name, child)| name.len() as u64 + child.size())
            .sum();
        Directory { children, size }
    }

    fn get(&self, name: &str) -> Option<&Child> {
        let at = self
            .children
            .binary_search_by(|(other, _)| (**other).cmp(name))
            .ok()?;
        Some(&self.children[at].1)
    }

    /// Bounded by `MAX_DEPTH`: every path was cleaned.
    fn with(&self, segments: &[&str], file: File, path: &str) -> Result<Directory, PathError> {
        let [name, rest @ ..] = segments else {
            return Err(PathError::Root(path.to_owned()));
        };
        let found = self.children.binary_search_by(|(other, _)| (**other).cmp(name));
        let old = found.ok().map(|at| &self.children[at].1);
        let child = match (old, rest) {
            (Some(Child::Directory(_)), []) => return Err(PathError::IsDirectory(path.to_owned())),
            (_, []) => Child::File(file),
            (Some(Child::File(_)), _) => return Err(PathError::ThroughFile(path.to_owned())),
            (Some(Child::Directory(next)), rest) => Child::Directory(Arc::new(next.with(rest, file, path)?)),
            (None, rest) => Child::Directory(Arc::new(Directory::default().with(rest, file, path)?)),
        };
        let mut children = self.children.clone();
        match found {
            Ok(at) => children[at].1 = child,
            Err(at) => children.insert(at, ((*name).into(), child)),
        }
        Ok(Directory::new(children))
    }
}

impl Child {
    fn size(&self) -> u64 {
        ENTRY_OVERHEAD
            + match self {
                Child::Directory(directory) => directory.size,
                Child::File(file) => file.content.len() as u64,
            }
    }
}

type Children<'a> = std::slice::Iter<'a, (Arc<str>, Child)>;

struct Walk<'a> {
    /// The directories between the root and here: path with a trailing slash, and what is left of each.
    stack: Vec<(String, Children<'a>)>,
}

impl<'a> Iterator for Walk<'a> {
    type Item = (String, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (prefix, rest) = self.stack.last_mut()?;
            let Some((name, child)) = rest.next() else {
                self.stack.pop();
                continue;
            };
            let path = format!("{prefix}{name}");
            return Some(match child {
                Child::File(file) => (path, Node::File(file)),
                Child::Directory(directory) => {
                    self.stack.push((format!("{path}/"), directory.children.iter()));
                    (path, Node::Directory)
                }
            });
        }
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter(|segment| !segment.is_empty() && *segment != ".")
}
