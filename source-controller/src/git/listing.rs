//! The files of a checkout on their way into an archive: listed, filtered, and read one by one.

mod sparse;

use std::collections::HashSet;
use std::io::Cursor;
use std::sync::Arc;

use artifact::{Entry, EntryKind, MAX_DEPTH, MAX_LENGTH, Node, clean_path, walk_order};
use gix::ObjectId;
use gix::objs::{TreeRefIter, tree::EntryKind as TreeEntry};

use super::checkout::Origin;
use super::error::{GitError, MirrorError};
use super::reader::Reader;
use crate::ignore::{self, Ignore, RulesError};
use crate::spool::Spool;
use sparse::Starts;

/// More files and directories are refused, as consumers would: a few objects can name each other into billions.
const MAX_ITEMS: usize = 1_000_000;
/// Paths that are longer together are refused, in bytes: a million files have a hundred bytes each.
const MAX_PATHS: usize = 128 << 20;

/// Paths and where their content is, in the order of an archive.
#[derive(Default)]
pub struct Listing {
    items: Vec<Item>,
    /// The mirrors that blobs come from, by the index that items have.
    stores: Vec<Origin>,
    /// What was put into it from other artifacts, by the index that items have.
    spools: Vec<Arc<Spool>>,
}

struct Item {
    path: Vec<u8>,
    kind: Kind,
}

enum Kind {
    Directory,
    Blob {
        store: usize,
        id: ObjectId,
        executable: bool,
    },
    /// From a [`Spool`].
    Included {
        spool: usize,
        file: artifact::File,
    },
}

/// The entries of a listing with their content, for [`artifact::pack`].
pub struct ListingEntries<'a> {
    listing: &'a Listing,
    readers: Readers,
    at: usize,
}

/// The reader of the mirror that was read last: what comes next is likely there, too.
#[derive(Default)]
struct Readers(Option<(usize, Reader)>);

impl Listing {
    /// Drops what `.sourceignore` files and `spec.ignore` exclude.
    ///
    /// # Errors
    /// A `.sourceignore` that cannot be read from the mirror; rules that are too many, or take too long.
    pub fn ignore(&mut self, spec: Option<&str>) -> Result<(), GitError> {
        let (mut files, mut bytes, mut readers) = (Vec::new(), 0, Readers::default());
        for item in &self.items {
            let name = item.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            if name != ignore::FILE.as_bytes() || matches!(item.kind, Kind::Directory) {
                continue;
            }
            let directory = item.path[..item.path.len() - name.len()]
                .strip_suffix(b"/")
                .unwrap_or_default();
            let directory = String::from_utf8_lossy(directory).into_owned();
            // Its size is known before it is read.
            bytes += self.size(item, &mut readers)?;
            if bytes > ignore::MAX_BYTES as u64 {
                let file = ignore::file_in(&directory);
                return Err(GitError::Rules(RulesError::TooLarge(file)));
            }
            files.push((directory, self.content(item, &mut readers)?));
        }
        let texts = files
            .iter()
            .map(|(directory, text)| (directory.as_str(), text.as_slice()));
        let rules = Ignore::new(texts, spec).map_err(GitError::Rules)?;
        let mut problem = None;
        self.items.retain(|item| {
            let is_dir = matches!(item.kind, Kind::Directory);
            let excluded = problem.is_none().then(|| rules.excludes(&item.path, is_dir));
            match excluded {
                Some(Ok(excluded)) => !excluded,
                Some(Err(error)) => {
                    problem = Some(error);
                    true
                }
                None => true,
            }
        });
        problem.map_or(Ok(()), |problem| Err(GitError::Rules(problem)))
    }

    /// Puts `from` of another artifact's tree under `to` (`spec.include`); what is there already is replaced file by file.
    ///
    /// Both paths are relative to their roots and cannot leave them: above a root there is the root. Gives false, and changes
    /// nothing, if there is nothing at `from`.
    ///
    /// # Errors
    /// More files, or longer paths, than a repository may have.
    pub fn include(&mut self, to: &str, other: &Arc<Spool>, from: &str) -> Result<bool, GitError> {
        let (tree, spool) = (other.tree(), self.spools.len());
        let included = |file: &artifact::File| Kind::Included {
            spool,
            file: file.clone(),
        };
        let (to, from) = (within(to), within(from));
        let join = |rest: &str| match (to.is_empty(), rest.is_empty()) {
            (true, _) => rest.to_owned(),
            (_, true) => to.clone(),
            _ => format!("{to}/{rest}"),
        };
        let mut added = Vec::new();
        if let Some(file) = tree.file(&from) {
            added.push((to.clone(), included(file)));
        } else if tree.is_dir(&from) {
            added.push((to.clone(), Kind::Directory));
            for (path, node) in tree.walk() {
                let inside = if from.is_empty() {
                    Some(&*path)
                } else {
                    path.strip_prefix(&format!("{from}/"))
                };
                let Some(rest) = inside else { continue };
                let kind = match node {
                    Node::Directory => Kind::Directory,
                    Node::File(file) => included(file),
                };
                added.push((join(rest), kind));
            }
        } else {
            return Ok(false);
        }
        let parents = to
            .match_indices('/')
            .map(|(at, _)| (to[..at].to_owned(), Kind::Directory));
        let mut seen: HashSet<Vec<u8>> = HashSet::new();
        let added: Vec<Item> = parents
            .chain(added)
            .filter(|(path, _)| !path.is_empty())
            .map(|(path, kind)| Item {
                path: path.into_bytes(),
                kind,
            })
            .inspect(|item| {
                seen.insert(item.path.clone());
            })
            .collect();
        self.items.retain(|item| !seen.contains(&item.path));
        self.items.extend(added);
        self.items.sort_by(|a, b| walk_order(&a.path, &b.path));
        self.spools.push(other.clone());
        self.bounds().map(|_| true)
    }

    /// The entries in archive order, each file with its content.
    #[must_use]
    pub fn entries(&self) -> ListingEntries<'_> {
        ListingEntries {
            listing: self,
            readers: Readers::default(),
            at: 0,
        }
    }

    /// The paths in archive order, each with whether it is a directory.
    pub fn paths(&self) -> impl Iterator<Item = (&[u8], bool)> {
        self.items
            .iter()
            .map(|item| (item.path.as_slice(), matches!(item.kind, Kind::Directory)))
    }

    /// Adds the files of a commit under a prefix that is empty or ends in `/`. Links are left out, as they are by Flux.
    pub(super) fn add_tree(
        &mut self,
        origin: Origin,
        commit: ObjectId,
        prefix: &str,
    ) -> Result<(), GitError> {
        let object = |id: ObjectId| {
            move |source| {
                GitError::Mirror(MirrorError::Object {
                    id: id.to_string(),
                    source,
                })
            }
        };
        let reader = origin.reader()?;
        let root = reader.read(|repository| repository.find_commit(commit)?.tree_id().map(gix::Id::detach));
        let root = root.map_err(object(commit))?;
        let store = self.stores.len();
        // Directories still to be read, the next one last; each is read when its own item is already in place.
        let mut pending = vec![(prefix.as_bytes().to_vec(), root, 0)];
        // Those of other repositories count too.
        let mut bounds = self.bounds()?;
        while let Some((directory, id, depth)) = pending.pop() {
            if !directory.is_empty() {
                let path = directory[..directory.len() - 1].to_vec();
                self.items.push(Item {
                    path,
                    kind: Kind::Directory,
                });
            }
            let tree = reader.bytes(|repository| Ok(std::mem::take(&mut repository.find_tree(id)?.data)));
            let tree = tree.map_err(object(id))?;
            let mut files = Vec::new();
            let mut directories = Vec::new();
            for entry in TreeRefIter::from_bytes(&tree, gix::hash::Kind::Sha1) {
                let entry = entry.map_err(object(id))?;
                let path = [&directory[..], entry.filename].concat();
                if depth >= MAX_DEPTH || path.len() >= MAX_LENGTH || !is_honest(entry.filename) {
                    return Err(GitError::Mirror(MirrorError::Path(
                        String::from_utf8_lossy(&path).into_owned(),
                    )));
                }
                bounds.admit(&path)?;
                let id = entry.oid.to_owned();
                match entry.mode.kind() {
                    TreeEntry::Tree => directories.push((path, id)),
                    // Without recursion a submodule is an empty directory, with it this very item is its root.
                    TreeEntry::Commit => files.push(Item {
                        path,
                        kind: Kind::Directory,
                    }),
                    TreeEntry::Blob => files.push(Item {
                        path,
                        kind: Kind::Blob {
                            store,
                            id,
                            executable: false,
                        },
                    }),
                    TreeEntry::BlobExecutable => {
                        files.push(Item {
                            path,
                            kind: Kind::Blob {
                                store,
                                id,
                                executable: true,
                            },
                        });
                    }
                    TreeEntry::Link => {}
                }
            }
            self.items.extend(files);
            for (mut path, id) in directories {
                path.push(b'/');
                pending.push((path, id, depth + 1));
            }
        }
        self.stores.push(origin);
        self.items.sort_by(|a, b| walk_order(&a.path, &b.path));
        // A submodule's root was listed by its parent as well.
        self.items.dedup_by(|a, b| a.path == b.path);
        Ok(())
    }

    /// Keeps the files whose path begins with an entry, and the directories above them.
    pub(super) fn keep(&mut self, sparse: &[String]) -> Result<(), GitError> {
        if sparse.is_empty() {
            return Ok(());
        }
        let starts = Starts::of(sparse);
        let mut needed: HashSet<Vec<u8>> = HashSet::new();
        for item in &self.items {
            let kept = starts.any_of(&item.path);
            if kept && !matches!(item.kind, Kind::Directory) {
                needed.insert(item.path.clone());
                for (at, _) in item.path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
                    needed.insert(item.path[..at].to_vec());
                }
            }
        }
        self.items.retain(|item| needed.contains(&item.path));
        for entry in sparse {
            let path = clean_path(entry).unwrap_or_default();
            if !path.is_empty() && !needed.contains(path.as_bytes()) {
                return Err(GitError::Sparse(entry.clone()));
            }
        }
        Ok(())
    }

    /// What is listed already.
    fn bounds(&self) -> Result<Bounds, GitError> {
        let mut bounds = Bounds::default();
        for item in &self.items {
            bounds.admit(&item.path)?;
        }
        Ok(bounds)
    }

    /// How many bytes an item has.
    fn size(&self, item: &Item, readers: &mut Readers) -> Result<u64, GitError> {
        match &item.kind {
            Kind::Directory => Ok(0),
            Kind::Included { spool, file } => Ok(self.spools[*spool].content(file).size()),
            Kind::Blob { store, id, .. } => {
                let reader = readers.of(*store, &self.stores[*store])?;
                let size = reader.read(|repository| Ok(repository.find_header(*id)?.size()));
                size.map_err(|source| self.unreadable(*store, *id, source))
            }
        }
    }

    /// An object that lacks: its mirror is made anew.
    fn unreadable(&self, store: usize, id: ObjectId, source: gix::Error) -> GitError {
        self.stores[store].mirror.retire();
        GitError::Mirror(MirrorError::Object {
            id: id.to_string(),
            source,
        })
    }

    fn content(&self, item: &Item, readers: &mut Readers) -> Result<Vec<u8>, GitError> {
        match &item.kind {
            Kind::Directory => Ok(Vec::new()),
            Kind::Included { spool, file } => {
                let content = self.spools[*spool].content(file).bytes();
                content.map_err(|source| GitError::Mirror(MirrorError::Included(source)))
            }
            Kind::Blob { store, id, .. } => {
                let reader = readers.of(*store, &self.stores[*store])?;
                let blob = reader.bytes(|repository| Ok(repository.find_blob(*id)?.take_data()));
                blob.map_err(|source| self.unreadable(*store, *id, source))
            }
        }
    }
}

impl Iterator for ListingEntries<'_> {
    type Item = Result<Entry<Cursor<Vec<u8>>>, GitError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.listing.items.get(self.at)?;
        self.at += 1;
        let executable = match &item.kind {
            Kind::Directory => {
                return Some(Ok(Entry {
                    path: item.path.clone(),
                    kind: EntryKind::Directory,
                }));
            }
            Kind::Blob { executable, .. } => *executable,
            Kind::Included { file, .. } => file.executable(),
        };
        let content = self.listing.content(item, &mut self.readers);
        Some(content.map(|content| {
            let size = content.len() as u64;
            let kind = EntryKind::File {
                size,
                executable,
                content: Cursor::new(content),
            };
            Entry {
                path: item.path.clone(),
                kind,
            }
        }))
    }
}

impl Readers {
    fn of(&mut self, store: usize, origin: &Origin) -> Result<&Reader, GitError> {
        let (_, reader) = match self.0.take() {
            Some(last) if last.0 == store => self.0.insert(last),
            _ => self.0.insert((store, origin.reader()?)),
        };
        Ok(reader)
    }
}

/// What a listing has so far.
#[derive(Default)]
struct Bounds {
    items: usize,
    bytes: usize,
}

impl Bounds {
    fn admit(&mut self, path: &[u8]) -> Result<(), GitError> {
        self.items += 1;
        self.bytes += path.len();
        if self.items > MAX_ITEMS {
            return Err(GitError::Mirror(MirrorError::TooMany(MAX_ITEMS)));
        }
        if self.bytes > MAX_PATHS {
            return Err(GitError::Mirror(MirrorError::LongPaths(MAX_PATHS)));
        }
        Ok(())
    }
}

/// Names that a tree can only have if someone made it by hand.
fn is_honest(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && !name.eq_ignore_ascii_case(b".git")
        && !name.contains(&b'/')
        && !name.contains(&0)
}

/// A path in a root that has no outside: `..` at the root stays there.
fn within(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    segments.join("/")
}
