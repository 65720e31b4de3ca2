//! PURE: what of a tree of files is archived.

use crate::ignore::{self, Ignore, RulesError};
use artifact::{Entry, EntryKind, Node, Tree};
use std::convert::Infallible;

/// A path that is archived, and what is there.
pub type Kept<'t> = (String, Node<'t>);

/// What of a tree is left by the rules of `.sourceignore` files in it and of the spec, in the order of archives.
///
/// # Errors
/// Rules that are too many.
pub fn keep<'t>(tree: &'t Tree, spec: Option<&str>) -> Result<Vec<Kept<'t>>, RulesError> {
    let mut files: Vec<(String, &[u8])> = tree
        .files()
        .filter_map(|(path, file)| {
            let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
            (name == ignore::FILE).then(|| (dir.to_owned(), file.bytes()))
        })
        .collect();
    // A folder comes before those inside it.
    files.sort_by_key(|(dir, _)| dir.matches('/').count() + usize::from(!dir.is_empty()));
    let rules = Ignore::new(files.iter().map(|(dir, text)| (dir.as_str(), *text)), spec)?;
    keep_by(tree, &rules)
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

/// The entries of an archive.
pub fn entries<'t>(kept: &[Kept<'t>]) -> impl Iterator<Item = Result<Entry<&'t [u8]>, Infallible>> {
    kept.iter().map(|(path, node)| {
        let kind = match node {
            Node::Directory => EntryKind::Directory,
            Node::File(file) => EntryKind::File {
                size: file.bytes().len() as u64,
                executable: file.executable(),
                content: file.bytes(),
            },
        };
        let path = path.clone().into_bytes();
        Ok(Entry { path, kind })
    })
}
