//! Constraints: alternatives of comparisons, with wildcards, tildes and carets.

use super::{Version, compare_pre, patterns};
use crate::template::quote::quote;
use std::cmp::Ordering;
use std::fmt;

/// The longest constraint that is read, and the most alternatives it may have.
const MAX_CONSTRAINT: usize = 512;
const MAX_ALTERNATIVES: usize = 32;

/// Alternatives, each of comparisons that must all hold.
#[derive(Debug, Clone)]
pub struct Constraint {
    alternatives: Vec<Vec<Comparison>>,
}

#[derive(Debug, Clone)]
struct Comparison {
    operator: String,
    version: Version,
    original: String,
    /// The minor, the patch, or any part at all is missing or a wildcard.
    any_minor: bool,
    any_patch: bool,
    any: bool,
}

impl Constraint {
    /// Reads a constraint: `>= 1.2, < 2 || ~3.1`, `1.2 - 1.4`, `^1`, `1.x`.
    ///
    /// # Errors
    /// Masterminds' words for what is no constraint.
    pub fn parse(text: &str) -> Result<Constraint, String> {
        if text.len() > MAX_CONSTRAINT {
            return Err(format!(
                "constraint string is too long (max {MAX_CONSTRAINT} bytes)"
            ));
        }
        let patterns = patterns();
        let mut rewritten = text.to_string();
        for found in patterns.range.captures_iter(text) {
            let comparisons = format!(">= {}, <= {} ", &found[1], &found[2]);
            rewritten = rewritten.replacen(&found[0], &comparisons, 1);
        }
        let parts: Vec<&str> = rewritten.split("||").collect();
        if parts.len() > MAX_ALTERNATIVES {
            return Err(format!("too many constraint groups (max {MAX_ALTERNATIVES})"));
        }
        let mut alternatives = Vec::new();
        for part in parts {
            if !patterns.valid.is_match(part) {
                return Err(format!("improper constraint: {}", quote(part.as_bytes())));
            }
            let comparisons = patterns
                .find
                .find_iter(part)
                .map(|found| Comparison::parse(found.as_str()))
                .collect::<Result<_, _>>()?;
            alternatives.push(comparisons);
        }
        Ok(Constraint { alternatives })
    }

    /// Whether a version satisfies one of the alternatives.
    pub fn check(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|comparisons| {
            let pre = comparisons.iter().any(|c| !c.version.pre.is_empty());
            comparisons.iter().all(|c| c.check(version, pre))
        })
    }
}

fn is_wild(part: &str) -> bool {
    matches!(part, "" | "x" | "X" | "*")
}

impl Comparison {
    fn parse(text: &str) -> Result<Comparison, String> {
        let Some(found) = patterns().comparison.captures(text) else {
            return Err(format!("improper constraint: {}", quote(text.as_bytes())));
        };
        let part = |i: usize| found.get(i).map_or("", |part| part.as_str());
        let (major, minor, patch, pre) = (part(3), part(4), part(5), part(6));
        let (mut any_minor, mut any_patch) = (false, false);
        let version = if is_wild(major) {
            format!("0.0.0{pre}")
        } else if is_wild(minor.trim_start_matches('.')) {
            any_minor = true;
            format!("{major}.0.0{pre}")
        } else if is_wild(patch.trim_start_matches('.')) {
            any_patch = true;
            format!("{major}{minor}.0{pre}")
        } else {
            part(2).to_string()
        };
        let any = is_wild(major) || any_minor || any_patch;
        Ok(Comparison {
            operator: part(1).to_string(),
            version: Version::parse(&version).map_err(|_| "constraint parser error")?,
            original: part(2).to_string(),
            any_minor,
            any_patch,
            any,
        })
    }

    fn check(&self, version: &Version, pre: bool) -> bool {
        if !version.pre.is_empty() && !pre {
            return false;
        }
        let order = version.precedence(&self.version);
        let same_major = version.major == self.version.major;
        let same_minor = version.minor == self.version.minor;
        match self.operator.as_str() {
            "!=" => self.differs(version),
            ">" if !self.any => order == Ordering::Greater,
            ">" => {
                version.major > self.version.major
                    || same_major
                        && !self.any_minor
                        && if self.any_patch {
                            version.minor > self.version.minor
                        } else {
                            order == Ordering::Greater
                        }
            }
            "<" => order == Ordering::Less,
            ">=" | "=>" => order != Ordering::Less,
            "<=" | "=<" if !self.any => order != Ordering::Greater,
            "<=" | "=<" => {
                version.major <= self.version.major
                    && !(same_major && version.minor > self.version.minor && !self.any_minor)
            }
            "^" => self.caret(version, order, same_major, same_minor),
            "~" | "~>" => self.tilde(version, order),
            _ if self.any => self.tilde(version, order),
            _ => order == Ordering::Equal,
        }
    }

    fn differs(&self, version: &Version) -> bool {
        if self.any {
            if self.version.major != version.major {
                return true;
            }
            if self.version.minor != version.minor && !self.any_minor {
                return true;
            }
            if self.any_minor {
                return false;
            }
            if self.version.patch != version.patch && !self.any_patch {
                return true;
            }
            if self.any_patch {
                return compare_pre(&version.pre, &self.version.pre) != Ordering::Equal;
            }
        }
        version.precedence(&self.version) != Ordering::Equal
    }

    fn tilde(&self, version: &Version, order: Ordering) -> bool {
        if order == Ordering::Less {
            return false;
        }
        if self.version.core() == (0, 0, 0) && !self.any_minor && !self.any_patch {
            return true;
        }
        version.major == self.version.major && (version.minor == self.version.minor || self.any_minor)
    }

    fn caret(&self, version: &Version, order: Ordering, same_major: bool, same_minor: bool) -> bool {
        if order == Ordering::Less {
            return false;
        }
        if self.version.major > 0 || self.any_minor {
            return same_major;
        }
        if version.major > 0 {
            return false;
        }
        if self.version.minor > 0 || self.any_patch {
            return same_minor;
        }
        version.minor == 0 && version.patch == self.version.patch
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, comparisons) in self.alternatives.iter().enumerate() {
            if i > 0 {
                f.write_str(" || ")?;
            }
            for (j, comparison) in comparisons.iter().enumerate() {
                if j > 0 {
                    f.write_str(" ")?;
                }
                write!(f, "{}{}", comparison.operator, comparison.original)?;
            }
        }
        Ok(())
    }
}
