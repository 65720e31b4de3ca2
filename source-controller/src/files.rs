//! PURE: what of a tree of files is archived.

use crate::ignore::{self, Ignore};
use artifact::{Entry, EntryKind, Node, Tree};
use std::convert::Infallible;

/// The rules of `.sourceignore` files in the tree, and of the spec.
pub fn rules(tree: &Tree, spec: Option<&str>) -> Ignore {
    let mut files: Vec<(String, Vec<u8>)> = tree
        .files()
        .filter_map(|(path, file)| {
            let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
            (name == ignore::FILE).then(|| (dir.to_owned(), file.bytes().to_vec()))
        })
        .collect();
    // A folder comes before those inside it.
    files.sort_by_key(|(dir, _)| dir.matches('/').count() + usize::from(!dir.is_empty()));
    Ignore::new(
        files.iter().map(|(dir, text)| (dir.as_str(), text.as_slice())),
        spec,
    )
}

/// What of a tree the rules leave, in the order of archives.
pub fn entries<'t>(
    tree: &'t Tree,
    rules: &'t Ignore,
) -> impl Iterator<Item = Result<Entry<&'t [u8]>, Infallible>> {
    kept(tree, rules).map(|(path, node)| {
        let kind = match node {
            Node::Directory => EntryKind::Directory,
            Node::File(file) => EntryKind::File {
                size: file.bytes().len() as u64,
                executable: file.executable(),
                content: file.bytes(),
            },
        };
        let path = path.into_bytes();
        Ok(Entry { path, kind })
    })
}

/// The paths that the rules leave, and what is there.
pub fn kept<'t>(tree: &'t Tree, rules: &'t Ignore) -> impl Iterator<Item = (String, Node<'t>)> {
    tree.walk()
        .filter(|(path, node)| !rules.excludes(path.as_bytes(), matches!(node, Node::Directory)))
}
