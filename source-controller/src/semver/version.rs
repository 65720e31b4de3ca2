//! One version, read leniently: a `v` in front and leading zeros are fine, and minor and patch may be absent.

use std::cmp::Ordering;

/// A longer text is no version.
const MAX_LENGTH: usize = 256;

/// A version. Equality and order are those of semver precedence: build metadata does not count.
#[derive(Debug, Clone)]
pub struct Version {
    pub(super) major: u64,
    pub(super) minor: u64,
    pub(super) patch: u64,
    pre: Vec<Identifier>,
    original: String,
}

/// The text is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid semantic version")]
pub struct VersionError;

/// Numbers sort before words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

impl Version {
    /// Reads `1.2.3-rc.1+build`, `v1`, `2025.02.03`.
    ///
    /// # Errors
    /// Text that is none of it, numbers past 64 bits, and numeric pre-release identifiers with leading zeros.
    pub fn parse(text: &str) -> Result<Version, VersionError> {
        if text.len() > MAX_LENGTH {
            return Err(VersionError);
        }
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (rest, build) = split(rest, '+');
        let (numbers, pre) = split(rest, '-');
        let mut parts = numbers.split('.').map(number);
        let major = parts.next().ok_or(VersionError)??;
        let minor = parts.next().unwrap_or(Ok(0))?;
        let patch = parts.next().unwrap_or(Ok(0))?;
        if parts.next().is_some() || !build.is_none_or(|build| build.split('.').all(is_word)) {
            return Err(VersionError);
        }
        let pre = pre.map_or(Ok(Vec::new()), |pre| {
            pre.split('.').map(Identifier::parse).collect()
        })?;
        Ok(Version {
            major,
            minor,
            patch,
            pre,
            original: text.to_owned(),
        })
    }

    /// Reads a Git tag or OCI tag as Flux does: all three numbers must be there.
    ///
    /// # Errors
    /// As [`Version::parse`], and with fewer than two dots.
    pub fn parse_tag(text: &str) -> Result<Version, VersionError> {
        if text.matches('.').count() < 2 {
            Err(VersionError)
        } else {
            Version::parse(text)
        }
    }

    /// The text it was read from.
    #[must_use]
    pub fn original(&self) -> &str {
        &self.original
    }

    /// Whether it has a pre-release part.
    #[must_use]
    pub fn is_pre_release(&self) -> bool {
        !self.pre.is_empty()
    }

    /// The order of the pre-release parts alone; having none is highest.
    pub(super) fn pre_release_order(&self, other: &Version) -> Ordering {
        self.pre
            .is_empty()
            .cmp(&other.pre.is_empty())
            .then_with(|| self.pre.cmp(&other.pre))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |version: &Version| (version.major, version.minor, version.patch);
        numbers(self)
            .cmp(&numbers(other))
            .then_with(|| self.pre_release_order(other))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl Identifier {
    fn parse(text: &str) -> Result<Identifier, VersionError> {
        if !is_word(text) {
            return Err(VersionError);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Identifier::Word(text.to_owned()));
        }
        if text.len() > 1 && text.starts_with('0') {
            return Err(VersionError);
        }
        // Numbers past 64 bits are compared as words.
        Ok(text
            .parse()
            .map_or_else(|_| Identifier::Word(text.to_owned()), Identifier::Number))
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at)
        .map_or((text, None), |(left, right)| (left, Some(right)))
}

fn number(text: &str) -> Result<u64, VersionError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(VersionError);
    }
    text.parse().map_err(|_| VersionError)
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
