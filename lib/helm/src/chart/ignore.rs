//! `.helmignore`: which files of a directory are no part of the chart.

use crate::Error;
use crate::funcs::paths::base;
use crate::funcs::strings::trim_space;
use crate::glob::path_match;

/// The rules of a file, and Helm's own.
pub(super) struct Rules(Vec<Rule>);

struct Rule {
    pattern: String,
    negate: bool,
    directories: bool,
    /// The pattern is of whole paths, not of last parts.
    whole: bool,
}

impl Rules {
    /// Reads the rules, one a line.
    pub fn parse(text: &[u8]) -> Result<Rules, Error> {
        let text = String::from_utf8_lossy(text);
        let mut rules = Vec::new();
        for line in text.lines().chain(["templates/.?*"]) {
            let line = trim_space(line);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.contains("**") {
                return Err(Error::Load(
                    "double-star (**) syntax is not supported".to_string(),
                ));
            }
            if path_match(line, "abc").is_none() {
                return Err(Error::Load("syntax error in pattern".to_string()));
            }
            let (negate, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
            let (directories, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
            rules.push(Rule {
                pattern: line.strip_prefix('/').unwrap_or(line).to_string(),
                negate,
                directories,
                whole: line.contains('/'),
            });
        }
        Ok(Rules(rules))
    }

    /// Whether a file is left out, by its own name or that of a directory it is in.
    pub fn ignores(&self, path: &str) -> bool {
        path.match_indices('/')
            .any(|(at, _)| self.matches(&path[..at], true))
            || self.matches(path, false)
    }

    fn matches(&self, path: &str, directory: bool) -> bool {
        for rule in &self.0 {
            let found = || {
                let name = if rule.whole { path.to_string() } else { base(path) };
                path_match(&rule.pattern, &name).unwrap_or(false)
            };
            if rule.negate {
                // Helm's negation is of the whole file: what it does not name is left out.
                if rule.directories && !directory || !found() {
                    return true;
                }
            } else if (directory || !rule.directories) && found() {
                return true;
            }
        }
        false
    }
}
