//! Blocking on the disk where their contents are: the files of an artifact, copied out of sources as `cp` would.

mod glob;
mod merge;

use super::contents::{Contents, Origin};
use crate::spool::Spool;
use artifact::{File, Limits, Node, PathError, Tree, TreeBuilder, UnpackError, clean_path};
use crds::extensions::{CopyOperation, CopyStrategy};
use glob::{Dialect, Glob, Segment};
use merge::{MergeError, merge};
use std::{collections::BTreeMap, fs, io, sync::Arc};
use thiserror::Error;

/// A copy that failed, and which.
#[derive(Debug, Error)]
#[error("failed to apply copy operation from '{from}' to '{to}'")]
pub struct ComposeError {
    from: String,
    to: String,
    #[source]
    source: Box<CopyError>,
}

/// Why a copy failed.
#[derive(Debug, Error)]
pub enum CopyError {
    /// `from` is not `@<alias>/<pattern>`, or `to` is not `@artifact/<path>`.
    #[error("'{0}' is not of the form '@alias/path'")]
    Form(String),
    /// No source is called so.
    #[error("source alias '{0}' not found")]
    Alias(String),
    /// An item of `exclude` is malformed.
    #[error("invalid exclude pattern '{0}'")]
    Exclude(String),
    /// The pattern of `from` is malformed.
    #[error("invalid glob pattern '{0}': syntax error in pattern")]
    Pattern(String),
    /// Nothing matches.
    #[error("no files match pattern '{pattern}' in source '{alias}'")]
    NoMatch {
        /// The pattern of `from`.
        pattern: String,
        /// The source.
        alias: String,
    },
    /// Everything that matches is excluded.
    #[error("all files matching pattern '{pattern}' in source '{alias}' were excluded")]
    AllExcluded {
        /// The pattern of `from`.
        pattern: String,
        /// The source.
        alias: String,
    },
    /// The source has no such file or directory.
    #[error("source '{0}' does not exist")]
    Missing(String),
    /// A directory is to be extracted.
    #[error("extract strategy is not supported for directories, got '{0}'")]
    ExtractDirectory(String),
    /// What is to be extracted is not called like an archive.
    #[error("extract strategy requires tarball file (.tar.gz or .tgz), got '{0}'")]
    NoArchive(String),
    /// An archive cannot be unpacked.
    #[error("failed to extract tarball '{path}'")]
    Extract {
        /// The archive.
        path: String,
        /// What is wrong with it.
        #[source]
        source: UnpackError,
    },
    /// Two files cannot be merged.
    #[error("failed to merge '{path}' into '{into}'")]
    Merge {
        /// The file of the source.
        path: String,
        /// The file of the artifact.
        into: String,
        /// Which of them is wrong, and how.
        #[source]
        source: MergeError,
    },
    /// A file is larger than one that is merged may be.
    #[error("'{0}' has more than the {1} bytes that a file which is merged may have")]
    LargeMerge(String, u64),
    /// Contents cannot be read, or not be kept.
    #[error("cannot keep what is copied")]
    Disk(#[from] io::Error),
    /// A path leads out of the source or the artifact, or a file and a directory want one name.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The archives that were extracted are too large together.
    #[error("the extracted archives are larger than {0} bytes together")]
    TooLarge(u64),
    /// More is copied than an artifact may have, or than is copied for one.
    #[error("more than {0} {1} are copied for one artifact")]
    TooMany(u64, &'static str),
}

/// What one artifact may cost.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Copies in the spec.
    copies: u64,
    /// Files and directories that are written, also those that later ones replace.
    written: u64,
    /// Directories that it has.
    directories: u64,
    /// Bytes that it has: whoever reads it takes no more.
    bytes: u64,
    /// Bytes that come out of archives.
    extracted: u64,
    /// Bytes of a file that is merged: it is held in memory.
    merged: u64,
}

const BOUNDS: Bounds = Bounds {
    copies: 1000,
    written: 1_000_000,
    directories: 200_000,
    bytes: 1 << 30,
    extracted: 256 << 20,
    merged: 4 << 20,
};

/// An artifact's files, and where their contents are.
#[derive(Debug)]
pub struct Composed {
    /// The files.
    pub tree: Tree,
    /// Their contents.
    pub contents: Contents,
}

/// Sources by their alias.
pub type Sources = BTreeMap<String, Arc<Spool>>;

/// Copies one after the other; later ones replace what is there. `scratch` is an empty file for what has to be made.
///
/// # Errors
/// The first copy that fails. Rules and words are those of Flux's source-watcher.
pub fn compose(
    copies: &[CopyOperation],
    sources: &Sources,
    scratch: fs::File,
) -> Result<Composed, ComposeError> {
    compose_within(BOUNDS, copies, sources, scratch)
}

fn compose_within(
    bounds: Bounds,
    copies: &[CopyOperation],
    sources: &Sources,
    scratch: fs::File,
) -> Result<Composed, ComposeError> {
    let mut stage = Stage {
        files: TreeBuilder::default(),
        contents: Contents::new(scratch),
        bytes: 0,
        written: 0,
        extracted: 0,
        bounds,
    };
    for (number, copy) in copies.iter().enumerate() {
        let applied = match number as u64 {
            number if number >= bounds.copies => Err(CopyError::TooMany(bounds.copies, "copies")),
            _ => stage.apply(copy, sources),
        };
        applied.map_err(|source| ComposeError {
            from: copy.from.clone(),
            to: copy.to.clone(),
            source: Box::new(source),
        })?;
    }
    Ok(Composed {
        tree: stage.files.build(),
        contents: stage.contents,
    })
}

/// An artifact in the making.
struct Stage {
    files: TreeBuilder,
    contents: Contents,
    /// Bytes of all files that are there.
    bytes: u64,
    written: u64,
    /// Bytes that came out of archives: the same archive can be extracted again and again.
    extracted: u64,
    bounds: Bounds,
}

/// One copy, read.
struct Copy<'a> {
    alias: &'a str,
    pattern: &'a str,
    source: &'a Tree,
    spool: &'a Arc<Spool>,
    /// Clean; empty for the artifact's root.
    to: String,
    into_directory: bool,
    exclude: Exclude<'a>,
    strategy: CopyStrategy,
}

impl Stage {
    fn apply(&mut self, copy: &CopyOperation, sources: &Sources) -> Result<(), CopyError> {
        let copy = Copy::read(copy, sources)?;
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
        if copy.exclude.below("").covers(&path) {
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
        let found = copy.found()?;
        if found.is_empty() {
            return Err(CopyError::NoMatch { pattern, alias });
        }
        let exclude = copy.exclude.below(fixed(copy.pattern));
        let mut kept = found.iter().filter(|path| !exclude.covers(path)).peekable();
        if kept.peek().is_none() {
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
        let mut left_out: Option<String> = None;
        for (inside, node) in directory.walk() {
            let below = |parent: &String| {
                inside
                    .strip_prefix(parent.as_str())
                    .is_some_and(|r| r.starts_with('/'))
            };
            if left_out.as_ref().is_some_and(below) {
                continue;
            }
            if exclude.covers(&join(path, &inside)) {
                left_out = Some(inside);
                continue;
            }
            match node {
                Node::Directory => self.files.directory(&join(to, &inside))?,
                Node::File(file) => {
                    let file = self.contents.take(origin, file);
                    self.put(&join(to, &inside), file)?;
                }
            }
            self.admit()?;
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
                self.contents.make(merged.as_bytes(), there.executable())?
            }
        };
        self.put(to, file)?;
        self.admit()
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
    fn admit(&mut self) -> Result<(), CopyError> {
        self.written += 1;
        for (count, most, what) in [
            (self.written, self.bounds.written, "files and directories"),
            (self.files.directories(), self.bounds.directories, "directories"),
            (self.bytes, self.bounds.bytes, "bytes"),
        ] {
            if count > most {
                return Err(CopyError::TooMany(most, what));
            }
        }
        Ok(())
    }

    fn extract(&mut self, archive: &File, path: &str, to: &str) -> Result<(), CopyError> {
        let limits = Limits {
            bytes: self.bounds.extracted,
            ..Limits::default()
        };
        let (before, failed) = (self.contents.made(), |source| CopyError::Extract {
            path: path.to_owned(),
            source,
        });
        let (content, origin) = self.contents.unpack(archive, &limits).map_err(failed)?;
        // Names count as well as contents.
        self.extracted += content.size() + (self.contents.made() - before);
        if self.extracted > self.bounds.extracted {
            return Err(CopyError::TooLarge(self.bounds.extracted));
        }
        self.directory((&content, origin), "", to, &Exclude::default().below(""))
    }
}

impl<'a> Copy<'a> {
    fn read(copy: &'a CopyOperation, sources: &'a Sources) -> Result<Self, CopyError> {
        let (alias, pattern) = parts(&copy.from)?;
        let (root, to) = parts(&copy.to)?;
        if root != "artifact" {
            return Err(CopyError::Form(copy.to.clone()));
        }
        let spool = sources
            .get(alias)
            .ok_or_else(|| CopyError::Alias(alias.to_owned()))?;
        Ok(Self {
            alias,
            pattern,
            source: spool.tree(),
            spool,
            to: clean_path(to)?,
            into_directory: copy.to.ends_with('/'),
            exclude: Exclude::read(&copy.exclude)?,
            strategy: copy.strategy.unwrap_or_default(),
        })
    }

    /// The paths that match, in the order in which they are copied.
    fn found(&self) -> Result<Vec<String>, CopyError> {
        let bad = || CopyError::Pattern(self.pattern.to_owned());
        if self.strategy == CopyStrategy::Extract {
            let glob = Glob::parse(self.pattern, Dialect::Doublestar).ok_or_else(bad)?;
            let paths = self.source.walk().map(|(path, _)| path);
            return Ok(paths.filter(|path| glob.matches(path)).collect());
        }
        let glob = Glob::parse(self.pattern, Dialect::Go).ok_or_else(bad)?;
        let mut found = vec![String::new()];
        for segment in glob.segments() {
            let inside = found.iter().flat_map(|dir| self.children(dir, segment));
            found = inside.collect();
        }
        Ok(found)
    }

    fn children<'s>(&'s self, dir: &str, segment: &'s Segment) -> impl Iterator<Item = String> + use<'s, 'a> {
        let dir = dir.to_owned();
        let names: Vec<String> = self
            .source
            .entries(&dir)
            .filter(|(name, _)| segment.matches(name))
            .map(|(name, _)| join(&dir, name))
            .collect();
        names.into_iter()
    }

    /// Where a match goes: `dir/**` loses its directory, all others keep their whole path.
    fn place(&self, path: &str) -> String {
        let stripped = self
            .pattern
            .strip_suffix("/**")
            .and_then(|dir| path.strip_prefix(dir)?.strip_prefix('/'));
        join(&self.to, stripped.unwrap_or(path))
    }
}

/// What is left out of a copy.
#[derive(Default)]
struct Exclude<'a> {
    globs: Vec<(&'a str, Glob)>,
}

/// The same, and the directory that patterns may also be relative to.
struct Excluding<'e> {
    exclude: &'e Exclude<'e>,
    base: String,
}

impl<'a> Exclude<'a> {
    fn read(patterns: &'a [String]) -> Result<Self, CopyError> {
        let glob = |pattern: &'a String| {
            let glob = Glob::parse(pattern, Dialect::Doublestar);
            glob.map(|glob| (pattern.as_str(), glob))
                .ok_or_else(|| CopyError::Exclude(pattern.clone()))
        };
        Ok(Self {
            globs: patterns.iter().map(glob).collect::<Result<_, _>>()?,
        })
    }

    fn below(&self, base: &str) -> Excluding<'_> {
        Excluding {
            exclude: self,
            base: base.to_owned(),
        }
    }
}

impl Excluding<'_> {
    fn covers(&self, path: &str) -> bool {
        let relative = path
            .strip_prefix(&self.base)
            .and_then(|rest| rest.strip_prefix('/'));
        let name = path.rsplit('/').next().unwrap_or_default();
        self.exclude.globs.iter().any(|(pattern, glob)| {
            glob.matches(path)
                || relative.is_some_and(|relative| glob.matches(relative))
                || (!pattern.contains('/') && glob.matches(name))
        })
    }
}

/// `@<alias>/<path>` in its two parts.
fn parts(text: &str) -> Result<(&str, &str), CopyError> {
    text.strip_prefix('@')
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| CopyError::Form(text.to_owned()))
}

/// The directories with which a pattern begins, before the first that is a pattern itself.
fn fixed(pattern: &str) -> &str {
    let first = pattern.find(['*', '?', '[', ']']).unwrap_or(pattern.len());
    pattern[..first].rsplit_once('/').map_or("", |(dir, _)| dir)
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
