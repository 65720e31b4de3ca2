//! Masterminds' versions and constraints.

mod constraint;

pub use constraint::Constraint;

use super::{Call, Function, Ty, fixed};
use crate::template::quote::quote;
use crate::template::value::Value;
use ::regex::Regex;
use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;
use std::sync::OnceLock;

/// The longest version that is read.
const MAX_VERSION: usize = 256;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("semver", &[Ty::Str], |c| {
        Ok(Value::Version(Rc::new(Version::parse(&c.text(0))?)))
    }),
    fixed("semverCompare", &[Ty::Str, Ty::Str], |c| {
        let constraint = Constraint::parse(&c.text(0))?;
        let version = Version::parse(&c.text(1))?;
        Ok(Value::Bool(constraint.check(&version)))
    }),
];

/// A version; missing parts are zero, a leading `v` is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
    /// What follows `-`.
    pub pre: String,
    /// What follows `+`.
    pub metadata: String,
    /// The text that was read.
    pub original: String,
}

struct Patterns {
    version: Regex,
    comparison: Regex,
    range: Regex,
    find: Regex,
    valid: Regex,
}

fn patterns() -> &'static Patterns {
    static PATTERNS: OnceLock<Patterns> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let tail = r"(-([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?";
        let part = r"[0-9|x|X|\*]+";
        let loose = format!(r"v?({part})(\.{part})?(\.{part})?{tail}");
        let plain = loose.replace('(', "(?:").replace("(?:?:", "(?:");
        let operator = r"(?:=||!=|>|<|>=|=>|<=|=<|~|~>|\^)";
        let build = |pattern: String| {
            // The patterns are constants: that they compile is checked by the first test that runs.
            Regex::new(&pattern).unwrap_or_else(|_| unreachable!("constant pattern {pattern}"))
        };
        Patterns {
            version: build(format!(r"^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?{tail}$")),
            comparison: build(format!(
                r"^[\t\n\x0c\r ]*({operator})[\t\n\x0c\r ]*({loose})[\t\n\x0c\r ]*$"
            )),
            range: build(format!(r"\s*({plain})\s+-\s+({plain})\s*")),
            find: build(format!(r"{operator}\s*{plain}")),
            valid: build(format!(
                r"^(?:\s*{operator}\s*{plain}\s*)(?:(?:\s+|,\s*){operator}\s*{plain}\s*)*$"
            )),
        }
    })
}

impl Version {
    /// Reads a version loosely: `v1`, `1.2`, `1.2.3-rc.1+build`.
    ///
    /// # Errors
    /// Masterminds' words for what is no version.
    pub fn parse(text: &str) -> Result<Version, String> {
        if text.len() > MAX_VERSION {
            return Err(format!("version string is too long (max {MAX_VERSION} bytes)"));
        }
        let Some(found) = patterns().version.captures(text) else {
            return Err("invalid semantic version".to_string());
        };
        let number = |i: usize| match found.get(i) {
            None => Ok(0),
            Some(digits) => digits.as_str().parse::<u64>().map_err(|_| {
                let digits = quote(digits.as_str().as_bytes());
                format!(
                    "error parsing version segment: strconv.ParseUint: parsing {digits}: value out of range"
                )
            }),
        };
        let part = |i: usize| {
            found
                .get(i)
                .map_or(String::new(), |part| part.as_str().to_string())
        };
        let version = Version {
            major: number(1)?,
            minor: number(2)?,
            patch: number(3)?,
            pre: part(5),
            metadata: part(7),
            original: text.to_string(),
        };
        let zeros =
            |part: &str| part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit());
        if version.pre.split('.').any(zeros) {
            return Err("version segment starts with 0".to_string());
        }
        Ok(version)
    }

    /// Reads a version strictly, as SemVer 2 has it: three numbers without leading zeros or `v`.
    ///
    /// # Errors
    /// Masterminds' words for what is no strict version.
    pub fn parse_strict(text: &str) -> Result<Version, String> {
        if text.is_empty() {
            return Err("version string empty".to_string());
        }
        let core = text.split(['-', '+']).next().unwrap_or_default();
        let parts: Vec<&str> = core.split('.').collect();
        if text.splitn(3, '.').count() != 3 {
            return Err("invalid semantic version".to_string());
        }
        if parts
            .iter()
            .any(|part| part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err("invalid characters in version".to_string());
        }
        if parts.iter().any(|part| part.len() > 1 && part.starts_with('0')) {
            return Err("version segment starts with 0".to_string());
        }
        Version::parse(text)
    }

    fn core(&self) -> (u64, u64, u64) {
        (self.major, self.minor, self.patch)
    }

    /// The version after this one, of the part that is `0` (patch), `1` (minor) or `2` (major).
    pub(crate) fn next(&self, part: u8) -> Version {
        let mut next = self.clone();
        match part {
            0 if self.pre.is_empty() => next.patch = self.patch.wrapping_add(1),
            0 => {}
            1 => (next.minor, next.patch) = (self.minor.wrapping_add(1), 0),
            _ => (next.major, next.minor, next.patch) = (self.major.wrapping_add(1), 0, 0),
        }
        (next.pre, next.metadata) = (String::new(), String::new());
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        next.original = format!("{prefix}{next}");
        next
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.precedence(other))
    }
}

impl Version {
    /// SemVer's precedence; metadata does not count.
    pub fn precedence(&self, other: &Version) -> Ordering {
        self.core()
            .cmp(&other.core())
            .then_with(|| compare_pre(&self.pre, &other.pre))
    }
}

fn compare_pre(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The version that a call's receiver is.
pub(crate) fn receiver(call: &Call<'_, '_>) -> Rc<Version> {
    match call.any(0) {
        Value::Version(version) => version.clone(),
        _ => Rc::new(Version {
            major: 0,
            minor: 0,
            patch: 0,
            pre: String::new(),
            metadata: String::new(),
            original: String::new(),
        }),
    }
}
