//! PURE: what of a tree of files is archived.

use crate::{
    ignore::{self, Ignore, RulesError},
    spool::Spool,
};
use artifact::{Node, Tree};
use std::io;

/// A path that is archived, and what is there.
pub type Kept<'t> = (String, Node<'t>);

/// Why it is not known what of an archive is left.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The rules cannot be heeded.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The files cannot be read.
    #[error("cannot read what was unpacked")]
    Read(#[from] io::Error),
}

/// What of an archive is left by the rules of `.sourceignore` files in it and of the spec, in the order of archives.
///
/// # Errors
/// Rules that are too many or take too long; a disk that fails.
pub fn keep<'t>(spool: &'t Spool, spec: Option<&str>) -> Result<Vec<Kept<'t>>, KeepError> {
    let mut files = Vec::new();
    let mut bytes = 0;
    for (path, file) in spool.tree().files() {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name != ignore::FILE {
            continue;
        }
        let content = spool.content(file);
        bytes += content.size();
        if bytes > ignore::MAX_BYTES as u64 {
            return Err(RulesError::TooLarge(path).into());
        }
        files.push((dir.to_owned(), content.bytes()?));
    }
    // A folder comes before those inside it.
    files.sort_by_key(|(dir, _)| dir.matches('/').count() + usize::from(!dir.is_empty()));
    let texts = files.iter().map(|(dir, text)| (dir.as_str(), text.as_slice()));
    Ok(keep_by(spool.tree(), &Ignore::new(texts, spec)?)?)
}

/// What of a tree is left by rules, in the order of archives.
///
/// # Errors
/// Rules that take too long.
pub fn keep_by<'t>(tree: &'t Tree, rules: &Ignore) -> Result<Vec<Kept<'t>>, RulesError> {
    let mut kept = Vec::new();
    for (path, node) in tree.walk() {
        if !rules.excludes(path.as_bytes(), matches!(node, Node::Directory))? {
            kept.push((path, node));
        }
    }
    Ok(kept)
}
