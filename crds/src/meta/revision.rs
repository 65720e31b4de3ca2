//! The version of a source: what it is called and the hash of what it is, as in `main@sha1:…`.

use std::fmt;
use std::str::FromStr;

use super::artifact::is_algorithm;

/// Stands for the algorithm of a Git hash of unknown length.
const UNKNOWN: &str = "<unknown>";

/// A revision in its parts. Sources compare revisions as text; this is for those who need a part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revision {
    pointer: Option<String>,
    algorithm: String,
    hash: String,
}

impl Revision {
    /// What upstream calls the version: a branch, a tag, a full reference; `None` if only the hash is known.
    pub fn pointer(&self) -> Option<&str> {
        self.pointer.as_deref()
    }

    /// The algorithm of the hash, such as `sha1` or `sha256`.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The hash: a Git commit or the digest of an artifact.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

impl FromStr for Revision {
    type Err = RevisionError;

    /// Reads `<pointer>@<algorithm>:<hash>`, `<algorithm>:<hash>`, and what older versions wrote:
    /// `<pointer>/<commit>` and a bare commit, with a SHA-1 in hexadecimal.
    fn from_str(text: &str) -> Result<Self, RevisionError> {
        // A Git reference may hold an @, a hash may not.
        let (pointer, digest) = match text.rsplit_once('@') {
            Some(("", _)) => return Err(RevisionError::Pointer),
            Some((pointer, digest)) => (Some(pointer), digest),
            None => (None, text),
        };
        if let Some((algorithm, hash)) = digest.split_once(':') {
            if !is_algorithm(algorithm) && algorithm != UNKNOWN {
                return Err(RevisionError::Algorithm);
            }
            if hash.is_empty()
                || !hash
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'=' | b'_' | b'-'))
            {
                return Err(RevisionError::Hash);
            }
            return Ok(Self::new(pointer, algorithm, hash));
        }
        match text.rsplit_once('/') {
            Some((pointer, commit)) if is_commit(commit) && !pointer.is_empty() => {
                // What was called HEAD had no better name.
                Ok(Self::new(Some(pointer).filter(|p| *p != "HEAD"), "sha1", commit))
            }
            None if is_commit(text) => Ok(Self::new(None, "sha1", text)),
            _ => Err(RevisionError::NoHash),
        }
    }
}

impl Revision {
    fn new(pointer: Option<&str>, algorithm: &str, hash: &str) -> Self {
        Self {
            pointer: pointer.map(str::to_owned),
            algorithm: algorithm.to_owned(),
            hash: hash.to_owned(),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(pointer) = &self.pointer {
            write!(f, "{pointer}@")?;
        }
        write!(f, "{}:{}", self.algorithm, self.hash)
    }
}

/// Why a text is not a revision with a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevisionError {
    /// There is no hash, as in the version of a Helm chart.
    #[error("revision holds no hash")]
    NoHash,
    /// There is an @ with nothing before it.
    #[error("revision has nothing before its @")]
    Pointer,
    /// The algorithm is empty or has characters that no algorithm has.
    #[error("revision has a malformed hash algorithm")]
    Algorithm,
    /// The hash is empty or has characters that no hash has.
    #[error("revision has a malformed hash")]
    Hash,
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}
