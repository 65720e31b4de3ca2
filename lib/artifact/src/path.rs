//! Which paths may exist inside a tree: relative, clean, bounded, and never above the root.

use std::cmp::Ordering;

/// The longest path a tree holds, in bytes (Linux's `PATH_MAX`).
pub const MAX_LENGTH: usize = 4096;
/// The most segments a path in a tree has; it bounds every recursion over directories.
pub const MAX_DEPTH: usize = 255;

/// Why a path cannot name something inside a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path starts with `/`.
    #[error("path {0:?} is absolute")]
    Absolute(String),
    /// The path has a NUL byte or a backslash.
    #[error("path {0:?} has a forbidden character")]
    Character(String),
    /// `..` leads above the root.
    #[error("path {0:?} leads outside the root")]
    Outside(String),
    /// The path is longer than [`MAX_LENGTH`].
    #[error("path of {0} bytes is too long")]
    TooLong(usize),
    /// The path has more than [`MAX_DEPTH`] segments.
    #[error("path {0:?} is nested too deeply")]
    TooDeep(String),
    /// The path names the root where a file is wanted.
    #[error("path {0:?} names the root, not a file")]
    Root(String),
    /// A directory already has this name.
    #[error("path {0:?} is a directory")]
    IsDirectory(String),
    /// A segment before the last is a file.
    #[error("path {0:?} leads through a file")]
    ThroughFile(String),
}

/// Resolves `.`, `..` and doubled slashes of a relative path without looking at any file.
///
/// Takes a `/`-separated path; gives it without leading, trailing or empty segments, `""` for the root.
///
/// # Errors
/// Absolute paths, NUL, backslash, a `..` above the root, and paths past [`MAX_LENGTH`] or [`MAX_DEPTH`].
pub fn clean_path(path: &str) -> Result<String, PathError> {
    if path.len() > MAX_LENGTH {
        return Err(PathError::TooLong(path.len()));
    }
    if path.starts_with('/') {
        return Err(PathError::Absolute(path.to_owned()));
    }
    if path.contains(['\0', '\\']) {
        return Err(PathError::Character(path.to_owned()));
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments
                    .pop()
                    .ok_or_else(|| PathError::Outside(path.to_owned()))?;
            }
            name => segments.push(name),
        }
    }
    if segments.len() > MAX_DEPTH {
        return Err(PathError::TooDeep(path.to_owned()));
    }
    Ok(segments.join("/"))
}

/// The order in which Go's `filepath.Walk` meets two clean paths: a directory before its content, names by bytes.
///
/// It differs from comparing whole strings where a name continues with a byte below `/`: `a/x` comes before `a-b`.
pub fn walk_order(a: &[u8], b: &[u8]) -> Ordering {
    let rank = |byte: &u8| if *byte == b'/' { 0 } else { u16::from(*byte) + 1 };
    a.iter().map(rank).cmp(b.iter().map(rank))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean() {
        let check = |input: &str, expected: Option<&str>| {
            assert_eq!(clean_path(input).ok().as_deref(), expected, "{input:?}");
        };
        check("", Some(""));
        check(".", Some(""));
        check("./a//b/./c/", Some("a/b/c"));
        check("a/../b", Some("b"));
        check("a/..", Some(""));
        check("...", Some("..."));
        check("..", None);
        check("a/../..", None);
        check("a/../../a", None);
        check("/a", None);
        check("a\\b", None);
        check("a\0b", None);
        check(
            &"a/".repeat(MAX_DEPTH),
            Some("a/".repeat(MAX_DEPTH).trim_end_matches('/')),
        );
        check(&"a/".repeat(MAX_DEPTH + 1), None);
        check(&"a".repeat(MAX_LENGTH + 1), None);
    }

    #[test]
    fn order() {
        let mut paths = ["a-b", "a/x", "a", "a.b/c", "a0", "a.b"];
        paths.sort_by(|a, b| walk_order(a.as_bytes(), b.as_bytes()));
        assert_eq!(paths, ["a", "a/x", "a-b", "a.b", "a.b/c", "a0"]);
    }
}
