//! A directory tree as an immutable, cheaply cloned value.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why a path cannot be one of a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// `..` beyond the root.
    #[error("path '{0}' leaves the root")]
    Escapes(String),
    /// Begins with `/`.
    #[error("path '{0}' is absolute")]
    Absolute(String),
    /// Holds NUL or a backslash.
    #[error("path '{0:?}' has a character that no path may have")]
    Character(String),
    /// A file where another path needs a directory.
    #[error("path '{0}' is both a file and a directory")]
    Conflict(String),
}

/// A file's content with its digest.
#[derive(Debug)]
pub struct File {
    bytes: Vec<u8>,
    digest: [u8; 32],
    executable: bool,
}

impl File {
    /// The content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the content.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// True if the owner may execute it.
    pub fn executable(&self) -> bool {
        self.executable
    }
}

/// Files by their clean relative paths.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    files: Arc<BTreeMap<String, Arc<File>>>,
}

impl Tree {
    /// Builds a tree of files that are not executable.
    ///
    /// # Errors
    /// A path that is no clean relative path, or a file in the place of a directory.
    pub fn from_files(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Tree, PathError> {
        let mut map = BTreeMap::new();
        for (path, bytes) in files {
            let digest = Sha256::digest(&bytes).into();
            map.insert(clean_path(&path)?, Arc::new(File { bytes, digest, executable: false }));
        }
        for path in map.keys() {
            for (at, _) in path.match_indices('/') {
                if map.contains_key(&path[..at]) {
                    return Err(PathError::Conflict(path[..at].to_string()));
                }
            }
        }
        Ok(Tree { files: Arc::new(map) })
    }

    /// The file at a clean path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path).map(|file| &**file)
    }

    /// True if some file is below `path`, or `path` is the root.
    pub fn is_dir(&self, path: &str) -> bool {
        if matches!(path, "" | ".") {
            return true;
        }
        let prefix = format!("{path}/");
        self.files.range(prefix.clone()..).next().is_some_and(|(path, _)| path.starts_with(&prefix))
    }

    /// Names directly in a directory, sorted, with whether each is a directory.
    pub fn entries<'a>(&'a self, dir: &str) -> impl Iterator<Item = (&'a str, bool)> {
        let prefix = if matches!(dir, "" | ".") { String::new() } else { format!("{dir}/") };
        let mut names = BTreeSet::new();
        for (path, _) in self.files.range(prefix.clone()..) {
            let Some(rest) = path.strip_prefix(&prefix) else { break };
            match rest.split_once('/') {
                Some((name, _)) => names.insert((name, true)),
                None => names.insert((rest, false)),
            };
        }
        names.into_iter()
    }

    /// The tree with one file more or changed; the rest is shared.
    ///
    /// # Errors
    /// As [`Tree::from_files`].
    pub fn with_file(&self, path: &str, bytes: Vec<u8>) -> Result<Tree, PathError> {
        let digest = Sha256::digest(&bytes).into();
        let mut files = (*self.files).clone();
        files.insert(clean_path(path)?, Arc::new(File { bytes, digest, executable: false }));
        Ok(Tree { files: Arc::new(files) })
    }

    /// All files by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().map(|(path, file)| (path.as_str(), &**file))
    }
}

/// Resolves `.` and `..` without looking at any file; the root is the empty path.
///
/// # Errors
/// An absolute path, one that leaves the root, NUL or backslash.
pub fn clean_path(path: &str) -> Result<String, PathError> {
    if path.starts_with('/') {
        return Err(PathError::Absolute(path.to_string()));
    }
    if path.contains(['\0', '\\']) {
        return Err(PathError::Character(path.to_string()));
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(|| PathError::Escapes(path.to_string()))?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}
