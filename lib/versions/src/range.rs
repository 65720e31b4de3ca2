//! Which versions a range admits.

use crate::Version;
use regex::Regex;
use std::sync::LazyLock;

/// A longer range is refused.
const MAX_LENGTH: usize = 512;
/// More alternatives are refused.
const MAX_ALTERNATIVES: usize = 32;

/// A version as ranges have it: up to three numbers or wildcards, pre-release, build.
const PARTIAL: &str = r"v?([0-9|xX*]+)(\.[0-9|xX*]+)?(\.[0-9|xX*]+)?(-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?";
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";

static HYPHEN: LazyLock<Regex> = LazyLock::new(|| {
    let partial = PARTIAL
        .replace("([0-9|", "(?:[0-9|")
        .replace(r"(\.", r"(?:\.")
        .replace("(-", "(?:-");
    pattern(&format!(r"\s*({partial})\s+-\s+({partial})\s*"))
});
static TERM: LazyLock<Regex> = LazyLock::new(|| pattern(&format!(r"({OPERATORS})\s*{PARTIAL}")));
static WHOLE_TERM: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r"^\s*({OPERATORS})\s*{PARTIAL}\s*$")));
static TERMS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"^(\s*({OPERATORS})\s*({PARTIAL})\s*)((?:\s+|,\s*)({OPERATORS})\s*({PARTIAL})\s*)*$"
    ))
});

/// A range: alternatives (`||`), each a list of terms (`,` or space) that all must hold.
#[derive(Debug, Clone)]
pub struct Range {
    alternatives: Vec<Vec<Term>>,
}

/// Why a text is no range. Display has the words of the library that Flux and Helm use, which end up in conditions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// A part of the range is not well-formed.
    #[error("improper constraint: {0:?}")]
    Improper(String),
    /// A part looks like a version but is none.
    #[error("constraint parser error")]
    Version,
    /// Too long.
    #[error("constraint string is too long (max {MAX_LENGTH} bytes)")]
    TooLong,
    /// Too many alternatives.
    #[error("too many constraint groups (max {MAX_ALTERNATIVES})")]
    TooMany,
}

#[derive(Debug, Clone)]
struct Term {
    operator: Operator,
    version: Version,
    /// From where on the version has wildcards or nothing.
    open: Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Patch,
    Minor,
    Everything,
}

impl Range {
    /// Reads a range such as `>=1.2 <2 || ~3.1.0-0`, `1.x`, `^0.3`, `1.2 - 1.4`. An empty one admits every release.
    ///
    /// # Errors
    /// See [`RangeError`].
    pub fn parse(text: &str) -> Result<Range, RangeError> {
        if text.len() > MAX_LENGTH {
            return Err(RangeError::TooLong);
        }
        let text = HYPHEN.replace_all(text, ">= $1, <= $2 ");
        let alternatives: Vec<&str> = text.split("||").collect();
        if alternatives.len() > MAX_ALTERNATIVES {
            return Err(RangeError::TooMany);
        }
        let parse = |alternative: &&str| {
            if !TERMS.is_match(alternative) {
                return Err(RangeError::Improper((*alternative).to_owned()));
            }
            TERM.find_iter(alternative)
                .map(|term| Term::parse(term.as_str()))
                .collect()
        };
        Ok(Range {
            alternatives: alternatives.iter().map(parse).collect::<Result<_, _>>()?,
        })
    }

    /// Whether a version lies in the range. Pre-releases do only where an alternative names one itself.
    #[must_use]
    pub fn admits(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|terms| {
            let pre_releases = terms.iter().any(|term| term.version.is_pre_release());
            (pre_releases || !version.is_pre_release()) && terms.iter().all(|term| term.admits(version))
        })
    }
}

impl Term {
    fn parse(text: &str) -> Result<Term, RangeError> {
        let improper = || RangeError::Improper(text.to_owned());
        let parts = WHOLE_TERM.captures(text).ok_or_else(improper)?;
        let part = |at: usize| parts.get(at).map_or("", |part| part.as_str());
        let wild = |at: usize| matches!(part(at).trim_start_matches('.'), "" | "x" | "X" | "*");
        let (open, numbers) = match (wild(2), wild(3), wild(4)) {
            (true, _, _) => (Open::Everything, "0.0.0".to_owned()),
            (_, true, _) => (Open::Minor, format!("{}.0.0", part(2))),
            (_, _, true) => (Open::Patch, format!("{}{}.0", part(2), part(3))),
            _ => (Open::Nothing, format!("{}{}{}", part(2), part(3), part(4))),
        };
        let version = Version::parse(&format!("{numbers}{}", part(5))).map_err(|_| RangeError::Version)?;
        let operator = match part(1) {
            "" | "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterEqual,
            "<=" | "=<" => Operator::LessEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            _ => return Err(improper()),
        };
        Ok(Term {
            operator,
            version,
            open,
        })
    }

    fn admits(&self, version: &Version) -> bool {
        let bound = &self.version;
        let order = version.precedence(bound);
        let same_major = version.major == bound.major;
        let same_minor = version.minor == bound.minor;
        match (self.operator, self.open) {
            (Operator::Equal, Open::Nothing) => order.is_eq(),
            (Operator::Equal | Operator::Tilde, _) => self.admits_by_tilde(version),
            (Operator::NotEqual, Open::Nothing) => order.is_ne(),
            (Operator::NotEqual, Open::Minor) => !same_major,
            // A pre-release of the excluded minor version is let through unless it is the very one named.
            (Operator::NotEqual, Open::Patch) => {
                !same_major || !same_minor || version.pre_release_order(bound).is_ne()
            }
            // `!=*` excludes only 0.0.0 itself.
            (Operator::NotEqual, Open::Everything) => order.is_ne(),
            (Operator::Greater, Open::Minor) => version.major > bound.major,
            (Operator::Greater, Open::Patch) => {
                version.major > bound.major || (same_major && version.minor > bound.minor)
            }
            (Operator::Greater, Open::Nothing | Open::Everything) => order.is_gt(),
            (Operator::Less, _) => order.is_lt(),
            (Operator::GreaterEqual, _) => order.is_ge(),
            (Operator::LessEqual, Open::Nothing) => order.is_le(),
            (Operator::LessEqual, Open::Minor) => version.major <= bound.major,
            (Operator::LessEqual, Open::Patch | Open::Everything) => {
                version.major < bound.major || (same_major && version.minor <= bound.minor)
            }
            (Operator::Caret, _) => self.admits_by_caret(version),
        }
    }

    fn admits_by_tilde(&self, version: &Version) -> bool {
        let bound = &self.version;
        let zero = (bound.major, bound.minor, bound.patch) == (0, 0, 0);
        let unbounded = zero && matches!(self.open, Open::Nothing | Open::Everything);
        let same_minor = version.minor == bound.minor || self.open == Open::Minor;
        version.precedence(bound).is_ge() && (unbounded || (version.major == bound.major && same_minor))
    }

    /// What stands left of the first number that is not zero may not change.
    fn admits_by_caret(&self, version: &Version) -> bool {
        let bound = &self.version;
        if version.precedence(bound).is_lt() || version.major != bound.major {
            return false;
        }
        if bound.major > 0 || self.open == Open::Minor {
            return true;
        }
        if version.minor != bound.minor {
            return false;
        }
        bound.minor > 0 || self.open == Open::Patch || version.patch == bound.patch
    }
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is a constant")
}
