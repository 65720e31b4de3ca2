//! Blocking on the disk where their contents are: the files of an artifact, copied out of sources as `cp` would.

mod bounds;
mod copy;
mod error;
mod glob;
mod merge;

pub use error::ComposeError;

use super::{
    allowance::{Allowance, Cost, Spent},
    contents::{Contents, Origin},
};
use crate::spool::Spool;
use artifact::{File, Limits, Node, Tree, TreeBuilder, clean_path};
use bounds::{BOUNDS, Bounds};
use copy::{Copy, Exclude, Excluding, PATHS, fixed};
use crds::extensions::{CopyOperation, CopyStrategy};
use error::CopyError;
use merge::merge;
use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, MutexGuard},
};

/// An artifact's files, and where their contents are.
#[derive(Debug)]
pub struct Composed<'a> {
    /// The files.
    pub tree: Tree,
    /// Their contents.
    pub contents: Contents,
    /// Those of many files are in memory one at a time.
    _turn: Option<MutexGuard<'a, ()>>,
}

/// Sources by their alias.
pub type Sources = BTreeMap<String, Arc<Spool>>;

/// Adds a source. What they hold in memory is at the generator's expense; the same one twice is there once.
///
/// # Errors
/// They hold too much together.
pub fn hold(
    sources: &mut Sources,
    alias: &str,
    spool: Arc<Spool>,
    allowance: &Allowance,
) -> Result<(), Spent> {
    if !sources.values().any(|held| Arc::ptr_eq(held, &spool)) {
        allowance.take(Cost::Held, spool.tree().size())?;
    }
    sources.insert(alias.to_owned(), spool);
    Ok(())
}

/// Copies one after the other, at the expense of what all artifacts of a generator have together; later ones replace what is there.
/// `scratch` is an empty file for what has to be made.
///
/// # Errors
/// The first copy that fails. Rules and words are those of Flux's source-watcher.
pub fn compose<'a>(
    copies: &[CopyOperation],
    sources: &Sources,
    allowance: &'a Allowance,
    scratch: fs::File,
) -> Result<Composed<'a>, ComposeError> {
    compose_within(BOUNDS, copies, sources, allowance, scratch)
}

fn compose_within<'a>(
    bounds: Bounds,
    copies: &[CopyOperation],
    sources: &Sources,
    allowance: &'a Allowance,
    scratch: fs::File,
) -> Result<Composed<'a>, ComposeError> {
    let mut stage = Stage {
        files: TreeBuilder::default(),
        contents: Contents::new(scratch),
        bytes: 0,
        written: 0,
        paths: 0,
        extracted: 0,
        bounds,
        allowance,
        turn: None,
    };
    for (number, copy) in copies.iter().enumerate() {
        let applied = stage.apply(copy, sources).and_then(|()| {
            if number + 1 == copies.len() {
                allowance.take(Cost::Bytes, stage.bytes)?;
            }
            Ok(())
        });
        applied.map_err(|source| ComposeError {
            from: copy.from.clone(),
            to: copy.to.clone(),
            source: Box::new(source),
        })?;
    }
    Ok(Composed {
        tree: stage.files.build(),
        contents: stage.contents,
        _turn: stage.turn,
    })
}

/// An artifact in the making.
struct Stage<'a> {
    files: TreeBuilder,
    contents: Contents,
    /// Bytes of all files that are there.
    bytes: u64,
    written: u64,
    /// Bytes of the paths of all that was written.
    paths: u64,
    /// Bytes that came out of archives: the same archive can be extracted again and again.
    extracted: u64,
    bounds: Bounds,
    allowance: &'a Allowance,
    turn: Option<MutexGuard<'a, ()>>,
}

impl Stage<'_> {
    fn apply(&mut self, copy: &CopyOperation, sources: &Sources) -> Result<(), CopyError> {
        let copy = Copy::read(copy, sources, self.allowance)?;
        let origin = self.contents.source(copy.spool);
        if copy.pattern.contains(['*', '?', '[', ']']) {
            self.matching(&copy, origin)
        } else {
            self.single(&copy, origin)
        }
    }

    /// A file, or a directory with all that is in it, named without a pattern.
    fn single(&mut self, copy: &Copy<'_>, origin: Origin) -> Result<(), CopyError> {
        let path = clean_path(copy.pattern)?;
        let name = path.rsplit('/').next().unwrap_or_default();
        if let Some(directory) = copy.source.subtree(&path) {
            if copy.strategy == CopyStrategy::Extract {
                return Err(CopyError::ExtractDirectory(path));
            }
            return self.directory(
                (&directory, origin),
                &path,
                &join(&copy.to, name),
                &copy.exclude.below(&path),
            );
        }
        let file = copy.source.file(&path);
        let file = file.ok_or_else(|| CopyError::Missing(path.clone()))?;
        if copy.exclude.below("").covers(&path, self.allowance)? {
            return Ok(());
        }
        let file = &self.contents.take(origin, file);
        if copy.strategy == CopyStrategy::Extract {
            if !is_archive(&path) {
                return Err(CopyError::NoArchive(path));
            }
            return self.extract(file, &path, &copy.to);
        }
        let inside = copy.into_directory || matches!(self.files.node(&copy.to), Some(Node::Directory));
        let to = if inside {
            join(&copy.to, name)
        } else {
            copy.to.clone()
        };
        self.file(file, &path, &to, copy.strategy)
    }

    /// Whatever matches a pattern.
    fn matching(&mut self, copy: &Copy<'_>, origin: Origin) -> Result<(), CopyError> {
        let (pattern, alias) = (copy.pattern.to_owned(), copy.alias.to_owned());
        let found = copy.found(self.allowance, self.bounds.paths)?;
        if found.is_empty() {
            return Err(CopyError::NoMatch { pattern, alias });
        }
        let exclude = copy.exclude.below(fixed(copy.pattern));
        let mut kept = Vec::new();
        for path in &found {
            if !exclude.covers(path, self.allowance)? {
                kept.push(path);
            }
        }
        if kept.is_empty() {
            return Err(CopyError::AllExcluded { pattern, alias });
        }
        for path in kept {
            match (copy.source.subtree(path), copy.source.file(path)) {
                (None, Some(file)) if copy.strategy == CopyStrategy::Extract => {
                    if is_archive(path) {
                        let file = self.contents.take(origin, file);
                        self.extract(&file, path, &copy.to)?;
                    }
                }
                (Some(_), _) if copy.strategy == CopyStrategy::Extract => {}
                (Some(directory), _) => {
                    self.directory((&directory, origin), path, &copy.place(path), &exclude)?;
                }
                (None, Some(file)) => {
                    let file = self.contents.take(origin, file);
                    self.file(&file, path, &copy.place(path), copy.strategy)?;
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    fn directory(
        &mut self,
        (directory, origin): (&Tree, Origin),
        path: &str,
        to: &str,
        exclude: &Excluding<'_>,
    ) -> Result<(), CopyError> {
        self.files.directory(to)?;
        self.admit(to)?;
        let mut left_out: Option<String> = None;
        for (inside, node) in directory.walk() {
            // Also what is left out is walked past.
            self.allowance
                .take(Cost::Compared, (path.len() + inside.len()) as u64)?;
            let below = |parent: &String| {
                inside
                    .strip_prefix(parent.as_str())
                    .is_some_and(|r| r.starts_with('/'))
            };
            if left_out.as_ref().is_some_and(below) {
                continue;
            }
            if exclude.covers(&join(path, &inside), self.allowance)? {
                left_out = Some(inside);
                continue;
            }
            let to = join(to, &inside);
            match node {
                Node::Directory => self.files.directory(&to)?,
                Node::File(file) => {
                    let file = self.contents.take(origin, file);
                    self.put(&to, file)?;
                }
            }
            self.admit(&to)?;
        }
        Ok(())
    }

    fn file(&mut self, file: &File, path: &str, to: &str, strategy: CopyStrategy) -> Result<(), CopyError> {
        let there = match self.files.node(to) {
            Some(Node::File(there)) if strategy == CopyStrategy::Merge => Some(there.clone()),
            _ => None,
        };
        let file = match there {
            None => file.clone(),
            Some(there) => {
                let (base, over) = (self.small(&there, to)?, self.small(file, path)?);
                let merged = merge(&base, &over).map_err(|source| CopyError::Merge {
                    path: path.to_owned(),
                    into: to.to_owned(),
                    source,
                })?;
                self.allowance
                    .take(Cost::Merged, (base.len() + over.len() + merged.len()) as u64)?;
                self.contents.make(merged.as_bytes(), there.executable())?
            }
        };
        self.put(to, file)?;
        self.admit(to)
    }

    /// The content of a file that is merged.
    fn small(&self, file: &File, path: &str) -> Result<Vec<u8>, CopyError> {
        if Contents::size(file) > self.bounds.merged {
            return Err(CopyError::LargeMerge(path.to_owned(), self.bounds.merged));
        }
        Ok(self.contents.bytes(file)?)
    }

    fn put(&mut self, to: &str, file: File) -> Result<(), CopyError> {
        let replaced = match self.files.node(to) {
            Some(Node::File(there)) => Contents::size(there),
            _ => 0,
        };
        let size = Contents::size(&file);
        self.files.put(to, file)?;
        self.bytes = self.bytes + size - replaced;
        Ok(())
    }

    /// Counts what was just written.
    fn admit(&mut self, to: &str) -> Result<(), CopyError> {
        self.allowance.take(Cost::Written, 1)?;
        self.written += 1;
        self.paths += to.len() as u64;
        for (count, most, what) in [
            (self.written, self.bounds.written, "files and directories"),
            (self.paths, self.bounds.paths, PATHS),
            (self.files.directories(), self.bounds.directories, "directories"),
            (self.bytes, self.bounds.bytes, "bytes"),
        ] {
            if count > most {
                return Err(CopyError::TooMany(most, what));
            }
        }
        if self.written > self.bounds.many && self.turn.is_none() {
            self.turn = Some(self.allowance.turn());
        }
        Ok(())
    }

    fn extract(&mut self, archive: &File, path: &str, to: &str) -> Result<(), CopyError> {
        let limits = Limits {
            bytes: self.bounds.extracted,
            ..Limits::default()
        };
        let failed = |source| CopyError::Extract {
            path: path.to_owned(),
            source,
        };
        let (content, origin) = self.contents.unpack(archive, &limits).map_err(failed)?;
        self.allowance.take(Cost::Extracted, content.bytes)?;
        self.extracted += content.bytes;
        if self.extracted > self.bounds.extracted {
            return Err(CopyError::TooLarge(self.bounds.extracted));
        }
        self.directory((&content.tree, origin), "", to, &Exclude::default().below(""))
    }
}

fn is_archive(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.ends_with(".tar.gz") || path.ends_with(".tgz")
}

fn join(dir: &str, path: &str) -> String {
    match (dir.is_empty(), path.is_empty()) {
        (true, _) => path.to_owned(),
        (_, true) => dir.to_owned(),
        _ => format!("{dir}/{path}"),
    }
}

#[cfg(test)]
mod tests;
