//! Files as a value: an immutable directory tree in memory, cheap to clone and to overlay.

use std::collections::BTreeMap;
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

/// Collects files and directories in any order, then becomes a [`Tree`].
#[derive(Debug, Default)]
pub struct TreeBuilder {
    root: BTreeMap<Arc<str>, Draft>,
}

#[derive(Debug)]
enum Draft {
    Directory(BTreeMap<Arc<str>, Draft>),
    File(File),
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
    fn new(bytes: Vec<u8>, executable: bool) -> File {
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
        let directory = self.descend(parents)?;
        if let Some(Draft::Directory(_)) = directory.get(name) {
            return Err(PathError::IsDirectory(clean));
        }
        directory.insert(name.into(), Draft::File(file));
        Ok(())
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
            }
            directory = match directory.get_mut(segment) {
                Some(Draft::Directory(next)) => next,
                _ => return Err(PathError::ThroughFile(clean.to_owned())),
            };
        }
        Ok(directory)
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

/// Bounded by `MAX_DEPTH`: every path was cleaned.
fn freeze(draft: BTreeMap<Arc<str>, Draft>) -> Directory {
    let children = draft.into_iter().map(|(name, draft)| match draft {
        Draft::File(file) => (name, Child::File(file)),
        Draft::Directory(inner) => (name, Child::Directory(Arc::new(freeze(inner)))),
    });
    Directory::new(children.collect())
}

#[cfg(test)]
mod tests {
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
        let from =
            |paths: &[&str]| Tree::from_files(paths.iter().map(|path| (path.to_string(), vec![]))).err();
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
}
