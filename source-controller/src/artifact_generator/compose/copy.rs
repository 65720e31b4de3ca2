//! PURE: what a copy of the spec means: of which source, which paths, and where they go.

use super::{
    Sources,
    error::CopyError,
    glob::{Bad, Dialect, Glob},
    join,
};
use crate::{
    artifact_generator::allowance::{Allowance, Cost},
    spool::Spool,
};
use artifact::{Tree, clean_path};
use crds::extensions::{CopyOperation, CopyStrategy};
use std::sync::Arc;

/// One copy, read.
pub(super) struct Copy<'a> {
    pub(super) alias: &'a str,
    pub(super) pattern: &'a str,
    pub(super) source: &'a Tree,
    pub(super) spool: &'a Arc<Spool>,
    /// Clean; empty for the artifact's root.
    pub(super) to: String,
    pub(super) into_directory: bool,
    pub(super) exclude: Exclude<'a>,
    pub(super) strategy: CopyStrategy,
}

impl<'a> Copy<'a> {
    pub(super) fn read(
        copy: &'a CopyOperation,
        sources: &'a Sources,
        allowance: &Allowance,
    ) -> Result<Self, CopyError> {
        // It was put together of the spec, for this artifact alone, and each of its patterns is read.
        allowance.take(Cost::Compared, (copy.from.len() + copy.to.len()) as u64)?;
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
            exclude: Exclude::read(&copy.exclude, allowance)?,
            strategy: copy.strategy.unwrap_or_default(),
        })
    }

    /// The paths that match, in the order in which they are copied; more than `most` bytes of them are not held.
    pub(super) fn found(&self, allowance: &Allowance, most: u64) -> Result<Vec<String>, CopyError> {
        let bad = |bad| match bad {
            Bad::Syntax => CopyError::Pattern(self.pattern.to_owned()),
            Bad::TooMuch => CopyError::PatternTooMuch,
        };
        if self.strategy == CopyStrategy::Extract {
            let glob = Glob::parse(self.pattern, Dialect::Doublestar).map_err(bad)?;
            let mut found = Paths::new(most);
            for (path, _) in self.source.walk() {
                allowance.take(Cost::Compared, (path.len() * glob.weight()) as u64)?;
                if glob.matches(&path) {
                    found.add(path)?;
                }
            }
            return Ok(found.paths);
        }
        let glob = Glob::parse(self.pattern, Dialect::Go).map_err(bad)?;
        let mut found = vec![String::new()];
        for segment in glob.segments() {
            let mut inside = Paths::new(most);
            for dir in &found {
                for (name, _) in self.source.entries(dir) {
                    allowance.take(Cost::Compared, (name.len() * segment.weight()) as u64)?;
                    if segment.matches(name) {
                        inside.add(join(dir, name))?;
                    }
                }
            }
            found = inside.paths;
        }
        Ok(found)
    }

    /// Where a match goes: `dir/**` loses its directory, all others keep their whole path.
    pub(super) fn place(&self, path: &str) -> String {
        let stripped = self
            .pattern
            .strip_suffix("/**")
            .and_then(|dir| path.strip_prefix(dir)?.strip_prefix('/'));
        join(&self.to, stripped.unwrap_or(path))
    }
}

/// Paths that are held all at once.
struct Paths {
    paths: Vec<String>,
    most: u64,
    left: u64,
}

impl Paths {
    fn new(most: u64) -> Self {
        Self {
            paths: Vec::new(),
            most,
            left: most,
        }
    }

    fn add(&mut self, path: String) -> Result<(), CopyError> {
        let left = self.left.checked_sub(path.len() as u64);
        self.left = left.ok_or(CopyError::TooMany(self.most, PATHS))?;
        self.paths.push(path);
        Ok(())
    }
}

/// What [`CopyError::TooMany`] says of paths.
pub(super) const PATHS: &str = "bytes of paths";
/// The patterns of one copy are held all at once; about so many tokens.
const MAX_WEIGHT: usize = 3 * (128 << 10);

/// What is left out of a copy.
#[derive(Default)]
pub(super) struct Exclude<'a> {
    globs: Vec<(&'a str, Glob)>,
    weight: usize,
}

/// The same, and the directory that patterns may also be relative to.
pub(super) struct Excluding<'e> {
    exclude: &'e Exclude<'e>,
    base: String,
}

impl<'a> Exclude<'a> {
    fn read(patterns: &'a [String], allowance: &Allowance) -> Result<Self, CopyError> {
        let mut exclude = Self::default();
        for pattern in patterns {
            let glob = Glob::parse(pattern, Dialect::Doublestar).map_err(|bad| match bad {
                Bad::Syntax => CopyError::Exclude(pattern.clone()),
                Bad::TooMuch => CopyError::PatternTooMuch,
            })?;
            // Braces are looked for once more in what each of them brings.
            let read = glob.weight() * (1 + pattern.matches('{').count());
            allowance.take(Cost::Compared, read as u64)?;
            // Each is compared with the path from the root, from the directory, and with the name.
            exclude.weight += 3 * glob.weight();
            if exclude.weight > MAX_WEIGHT {
                return Err(CopyError::PatternTooMuch);
            }
            exclude.globs.push((pattern, glob));
        }
        Ok(exclude)
    }

    pub(super) fn below(&self, base: &str) -> Excluding<'_> {
        Excluding {
            exclude: self,
            base: base.to_owned(),
        }
    }
}

impl Excluding<'_> {
    pub(super) fn covers(&self, path: &str, allowance: &Allowance) -> Result<bool, CopyError> {
        allowance.take(Cost::Compared, (path.len() * self.exclude.weight) as u64)?;
        let relative = path
            .strip_prefix(&self.base)
            .and_then(|rest| rest.strip_prefix('/'));
        let name = path.rsplit('/').next().unwrap_or_default();
        let covers = |(pattern, glob): &(&str, Glob)| {
            glob.matches(path)
                || relative.is_some_and(|relative| glob.matches(relative))
                || (!pattern.contains('/') && glob.matches(name))
        };
        Ok(self.exclude.globs.iter().any(covers))
    }
}

/// `@<alias>/<path>` in its two parts.
fn parts(text: &str) -> Result<(&str, &str), CopyError> {
    text.strip_prefix('@')
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| CopyError::Form(text.to_owned()))
}

/// The directories with which a pattern begins, before the first that is a pattern itself.
pub(super) fn fixed(pattern: &str) -> &str {
    let first = pattern.find(['*', '?', '[', ']']).unwrap_or(pattern.len());
    pattern[..first].rsplit_once('/').map_or("", |(dir, _)| dir)
}
