//! PURE: what a copy of the spec means: of which source, which paths, and where they go.

use super::{
    Allowance, Sources,
    error::CopyError,
    glob::{Dialect, Glob},
    join,
};
use crate::spool::Spool;
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
    pub(super) fn read(copy: &'a CopyOperation, sources: &'a Sources) -> Result<Self, CopyError> {
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
    pub(super) fn found(&self, allowance: &Allowance) -> Result<Vec<String>, CopyError> {
        let bad = || CopyError::Pattern(self.pattern.to_owned());
        if self.strategy == CopyStrategy::Extract {
            let glob = Glob::parse(self.pattern, Dialect::Doublestar).ok_or_else(bad)?;
            let mut found = Vec::new();
            for (path, _) in self.source.walk() {
                allowance.compare(path.len() * glob.weight())?;
                if glob.matches(&path) {
                    found.push(path);
                }
            }
            return Ok(found);
        }
        let glob = Glob::parse(self.pattern, Dialect::Go).ok_or_else(bad)?;
        let mut found = vec![String::new()];
        for segment in glob.segments() {
            let mut inside = Vec::new();
            for dir in &found {
                for (name, _) in self.source.entries(dir) {
                    allowance.compare(name.len() * segment.weight())?;
                    if segment.matches(name) {
                        inside.push(join(dir, name));
                    }
                }
            }
            found = inside;
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
    fn read(patterns: &'a [String]) -> Result<Self, CopyError> {
        let glob = |pattern: &'a String| {
            let glob = Glob::parse(pattern, Dialect::Doublestar);
            glob.map(|glob| (pattern.as_str(), glob))
                .ok_or_else(|| CopyError::Exclude(pattern.clone()))
        };
        let globs: Vec<(&str, Glob)> = patterns.iter().map(glob).collect::<Result<_, _>>()?;
        Ok(Self {
            // Each is compared with the path from the root, from the directory, and with the name.
            weight: 3 * globs.iter().map(|(_, glob)| glob.weight()).sum::<usize>(),
            globs,
        })
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
        allowance.compare(path.len() * self.exclude.weight)?;
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
