//! One version, read leniently: a `v` in front and leading zeros are fine, and minor and patch may be absent.

use std::cmp::Ordering;
use std::fmt;

/// A longer text is no version, in bytes.
const MAX_LENGTH: usize = 256;

/// A version. Equal are those that are written alike; for their order see [`Version::precedence`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
    /// What follows `-`: a pre-release, if it is not empty.
    pub pre: String,
    /// What follows `+`: notes on the build.
    pub metadata: String,
    /// The text it was read from.
    pub original: String,
}

/// Why a text is no version, in the words of the library that Flux and Helm use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// It is of another form.
    #[error("invalid semantic version")]
    Invalid,
    /// It is too long.
    #[error("version string is too long (max {MAX_LENGTH} bytes)")]
    TooLong,
    /// A number does not fit into 64 bits.
    #[error("error parsing version segment: strconv.ParseUint: parsing {0:?}: value out of range")]
    Number(String),
    /// A number of the pre-release has zeros in front.
    #[error("version segment starts with 0")]
    LeadingZero,
}

impl Version {
    /// Reads `1.2.3-rc.1+build`, `v1`, `2025.02.03`.
    ///
    /// # Errors
    /// See [`VersionError`].
    pub fn parse(text: &str) -> Result<Version, VersionError> {
        if text.len() > MAX_LENGTH {
            return Err(VersionError::TooLong);
        }
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (rest, metadata) = split(rest, '+')?;
        let (numbers, pre) = split(rest, '-')?;
        let numbers: Vec<&str> = numbers.split('.').collect();
        let digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if numbers.len() > 3 || !numbers.iter().all(digits) {
            return Err(VersionError::Invalid);
        }
        let number = |at: usize| {
            let text = numbers.get(at).copied().unwrap_or("0");
            text.parse().map_err(|_| VersionError::Number(text.to_owned()))
        };
        let version = Version {
            major: number(0)?,
            minor: number(1)?,
            patch: number(2)?,
            pre,
            metadata,
            original: text.to_owned(),
        };
        let zeros = |part: &str| part.len() > 1 && part.starts_with('0') && digits(&part);
        if version.pre.split('.').any(zeros) {
            return Err(VersionError::LeadingZero);
        }
        Ok(version)
    }

    /// Whether it has a pre-release part.
    #[must_use]
    pub fn is_pre_release(&self) -> bool {
        !self.pre.is_empty()
    }

    /// Which of two comes first (SemVer 2, §11): build metadata does not count.
    #[must_use]
    pub fn precedence(&self, other: &Version) -> Ordering {
        let numbers = |version: &Version| (version.major, version.minor, version.patch);
        numbers(self)
            .cmp(&numbers(other))
            .then_with(|| self.pre_release_order(other))
    }

    /// The order of the pre-release parts alone; having none is highest.
    pub(crate) fn pre_release_order(&self, other: &Version) -> Ordering {
        self.pre
            .is_empty()
            .cmp(&other.pre.is_empty())
            .then_with(|| identifiers(&self.pre).cmp(identifiers(&other.pre)))
    }
}

impl fmt::Display for Version {
    /// All three numbers, and what follows them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        for (sign, part) in [('-', &self.pre), ('+', &self.metadata)] {
            if !part.is_empty() {
                write!(f, "{sign}{part}")?;
            }
        }
        Ok(())
    }
}

/// Numbers sort before words; those past 64 bits are words.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'v> {
    Number(u64),
    Word(&'v str),
}

fn identifiers(pre: &str) -> impl Iterator<Item = Identifier<'_>> {
    let parts = pre.split('.');
    parts.map(|part| part.parse().map_or(Identifier::Word(part), Identifier::Number))
}

/// What stands before a sign, and the words after it; empty if there is none.
fn split(text: &str, sign: char) -> Result<(&str, String), VersionError> {
    let Some((before, after)) = text.split_once(sign) else {
        return Ok((text, String::new()));
    };
    let word = |word: &str| {
        let valid = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !word.is_empty() && word.bytes().all(valid)
    };
    if after.split('.').all(word) {
        Ok((before, after.to_owned()))
    } else {
        Err(VersionError::Invalid)
    }
}
