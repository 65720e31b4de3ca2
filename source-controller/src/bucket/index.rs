//! PURE: what a bucket has, its digest, and where its objects stand in the archive.

use artifact::{Algorithm, Digest, Hasher, MAX_DEPTH, MAX_LENGTH, walk_order};
use std::collections::BTreeMap;
use thiserror::Error;

/// Keys and etags of the objects that go into the archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index(BTreeMap<String, String>);

/// Why objects cannot be files side by side.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// A key that is no path of a file.
    #[error("the object '{key}' cannot be a file: {problem}; leave it out with spec.ignore")]
    NoFile {
        /// The key.
        key: String,
        /// Why.
        problem: &'static str,
    },
    /// Two objects want one place.
    #[error("the objects '{0}' and '{1}' would be one file; leave one out with spec.ignore")]
    Twice(String, String),
    /// An object wants to be a file where another needs a folder.
    #[error("the object '{0}' is a file where '{1}' needs a folder; leave one out with spec.ignore")]
    Folder(String, String),
}

impl Index {
    /// Adds an object, or changes its etag.
    pub fn insert(&mut self, key: String, etag: String) {
        self.0.insert(key, etag);
    }

    /// Takes an object out.
    pub fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Keys and etags, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, etag)| (key.as_str(), etag.as_str()))
    }

    /// The digest of the lines `<key> <etag>`, sorted by key: the revision of a Bucket, as Flux has it.
    pub fn digest(&self, algorithm: Algorithm) -> Digest {
        let mut hasher = Hasher::new(algorithm);
        for (key, etag) in self.iter() {
            hasher.update(format!("{key} {etag}\n").as_bytes());
        }
        hasher.finish()
    }
}

/// Where each of these keys stands in the archive, in the order of archives: path and key.
///
/// As Flux joins them, `..` leads nowhere above the root, and what is left of a key is its path.
///
/// # Errors
/// See [`PlaceError`].
pub fn places<'k>(keys: impl Iterator<Item = &'k str>) -> Result<Vec<(String, &'k str)>, PlaceError> {
    let mut places = Vec::new();
    for key in keys {
        places.push((place(key)?, key));
    }
    places.sort_by(|(a, _), (b, _)| walk_order(a.as_bytes(), b.as_bytes()));
    for pair in places.windows(2) {
        let [(first, one), (second, other)] = pair else {
            continue;
        };
        if first == second {
            return Err(PlaceError::Twice((*one).to_owned(), (*other).to_owned()));
        }
        // In this order what is in a folder follows it at once.
        if second
            .strip_prefix(first.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
        {
            return Err(PlaceError::Folder((*one).to_owned(), (*other).to_owned()));
        }
    }
    Ok(places)
}

fn place(key: &str) -> Result<String, PlaceError> {
    let odd = |problem| PlaceError::NoFile {
        key: key
            .chars()
            .take(256)
            .collect::<String>()
            .escape_debug()
            .to_string(),
        problem,
    };
    if key.contains('\0') || key.contains('\\') {
        return Err(odd("file names have neither NUL nor backslash"));
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in key.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    let path = segments.join("/");
    if path.is_empty() {
        return Err(odd("it names no file"));
    }
    if path.len() > MAX_LENGTH || segments.len() > MAX_DEPTH {
        return Err(odd("it is too long or too deep"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_sorted_lines() {
        let mut index = Index::default();
        for (key, etag) in [("b", "2"), ("a/x", "1"), ("a-b", "3")] {
            index.insert(key.into(), etag.into());
        }
        let expected = Digest::of(Algorithm::Sha256, b"a-b 3\na/x 1\nb 2\n");
        assert_eq!(index.digest(Algorithm::Sha256), expected);
        let nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Index::default().digest(Algorithm::Sha256).to_string(), nothing);
    }

    #[test]
    fn keys_become_paths_inside_the_root() {
        let found = places(["../../x", "/etc/passwd", "a//b/./c", "a-b", "y/../z"].into_iter()).unwrap();
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["a/b/c", "a-b", "etc/passwd", "x", "z"]);
    }

    #[test]
    fn what_cannot_be_files_is_refused() {
        for keys in [
            &["a\0b"][..],
            &["a\\b"],
            &[".."],
            &["x", "../x"],
            &["a", "a-b", "a/b"],
            &["d/e", "d/e/f/g"],
        ] {
            let found = places(keys.iter().copied());
            assert!(found.is_err(), "{keys:?} became {found:?}");
        }
        let deep = "a/".repeat(300) + "x";
        assert!(places([deep.as_str()].into_iter()).is_err());
    }
}
