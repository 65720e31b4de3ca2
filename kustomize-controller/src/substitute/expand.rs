//! From parts to text: looks variables up and does to their values what the reference asks for.

use super::error::ExpandError;
use super::glob::Glob;
use super::parse::{Operation, Part, Place, Reference};
use std::collections::BTreeMap;

/// Bytes that one text may make us handle: far above what the API server takes as one object, far below what hurts.
const WORK: usize = 32 << 20;

/// The text that `parts` stand for; `strict` as in [`super::substitute`].
pub(super) fn expand(
    parts: &[Part],
    variables: &BTreeMap<String, String>,
    strict: bool,
) -> Result<String, ExpandError> {
    Expander {
        variables,
        strict,
        left: WORK,
    }
    .parts(parts)
}

struct Expander<'a> {
    variables: &'a BTreeMap<String, String>,
    strict: bool,
    /// What remains of [`WORK`].
    left: usize,
}

impl<'a> Expander<'a> {
    fn parts(&mut self, parts: &[Part]) -> Result<String, ExpandError> {
        let mut out = String::new();
        for part in parts {
            out.push_str(&self.part(part)?);
        }
        Ok(out)
    }

    fn part(&mut self, part: &Part) -> Result<String, ExpandError> {
        match part {
            Part::Text(text) => {
                self.spend(text.len())?;
                Ok(text.clone())
            }
            Part::Reference(reference) => self.reference(reference),
        }
    }

    /// Arguments come first, even those that will not be needed: that is the order in which Flux meets errors.
    fn reference(&mut self, reference: &Reference) -> Result<String, ExpandError> {
        let name = &reference.name;
        match &reference.operation {
            Operation::Plain => Ok(self.value(name)?.to_owned()),
            Operation::Length => Ok(self.value(name)?.len().to_string()),
            Operation::Case { upper, all } => Ok(case(self.value(name)?, *upper, *all)),
            Operation::Substring { offset, length } => {
                let offset = self.part(offset)?;
                let length = length.as_ref().map(|l| self.part(l)).transpose()?;
                let cut = substring(self.value(name)?, &offset, length.as_deref());
                cut.map(str::to_owned)
                    .ok_or_else(|| ExpandError::CutCharacter { name: name.clone() })
            }
            Operation::Trim { end, longest, glob } => {
                let glob = self.part(glob)?;
                self.trim(name, *end, *longest, &glob)
            }
            Operation::Replace { place, old, new } => {
                let old = self.part(old)?;
                let new = new.as_ref().map(|n| self.part(n)).transpose()?;
                self.replace(name, *place, &old, new.as_deref())
            }
            Operation::Default(words) => {
                let default = self.parts(words)?;
                let value = self.variables.get(name).filter(|v| !v.is_empty());
                self.spend(value.map_or(0, String::len))?;
                Ok(value.cloned().unwrap_or(default))
            }
        }
    }

    /// The value of a variable that has to be there (`strict`), at the price of its length.
    fn value(&mut self, name: &str) -> Result<&'a str, ExpandError> {
        let variables = self.variables;
        let value = variables.get(name).map(String::as_str);
        if value.is_none() && self.strict {
            return Err(ExpandError::NotSet {
                name: name.to_owned(),
            });
        }
        let value = value.unwrap_or_default();
        self.spend(value.len())?;
        Ok(value)
    }

    fn trim(&mut self, name: &str, end: bool, longest: bool, glob: &str) -> Result<String, ExpandError> {
        // A suffix is a prefix of the text read backwards. Flux turns the pattern round the same way, sign by sign,
        // so that classes and escapes mean nothing at the end of a text.
        let glob = if end {
            Glob::parse(glob.chars().rev())
        } else {
            Glob::parse(glob.chars())
        };
        let value = self.value(name)?;
        self.spend(glob.cost(value.len()))?;
        let starts = if end {
            glob.starts(value.chars().rev())
        } else {
            glob.starts(value.chars())
        };
        let count = starts.map_or(0, |s| if longest { s.longest } else { s.shortest });
        let keep = value.chars().count().saturating_sub(count);
        Ok(if end {
            value.chars().take(keep).collect()
        } else {
            value.chars().skip(count).collect()
        })
    }

    fn replace(
        &mut self,
        name: &str,
        place: Place,
        old: &str,
        new: Option<&str>,
    ) -> Result<String, ExpandError> {
        let value = self.value(name)?;
        let to = new.unwrap_or_default();
        let times = if place == Place::All {
            value.matches(old).count()
        } else {
            1
        };
        self.spend(times.saturating_mul(to.len()))?;
        Ok(match (place, new) {
            (Place::First, _) => value.replacen(old, to, 1),
            (Place::All, _) => value.replace(old, to),
            // Nothing to put there means nothing happens, unlike with the two above.
            (Place::Start | Place::End, None) => value.to_owned(),
            (Place::Start, Some(to)) => match value.strip_prefix(old) {
                Some(rest) => format!("{to}{rest}"),
                None => value.to_owned(),
            },
            (Place::End, Some(to)) => match value.strip_suffix(old) {
                Some(rest) => format!("{rest}{to}"),
                None => value.to_owned(),
            },
        })
    }

    fn spend(&mut self, bytes: usize) -> Result<(), ExpandError> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or(ExpandError::TooLarge { limit: WORK })?;
        Ok(())
    }
}

fn case(value: &str, upper: bool, all: bool) -> String {
    let count = if all { usize::MAX } else { 1 };
    value
        .chars()
        .enumerate()
        .map(|(at, c)| if at < count { letter(c, upper) } else { c })
        .collect()
}

/// Letter by letter, as Go does it: a letter whose other case takes two letters stays.
fn letter(c: char, upper: bool) -> char {
    let (mut up, mut low) = (c.to_uppercase(), c.to_lowercase());
    let (first, more) = if upper {
        (up.next(), up.next())
    } else {
        (low.next(), low.next())
    };
    if more.is_some() { c } else { first.unwrap_or(c) }
}

/// `None` when a character would be cut. Numbers that cannot be read leave the value as it is; a negative offset
/// counts from the end, a negative length is the distance of the cut from the end.
fn substring<'v>(value: &'v str, offset: &str, length: Option<&str>) -> Option<&'v str> {
    let Ok(offset) = offset.parse::<i64>() else {
        return Some(value);
    };
    let size = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let start = if offset < 0 {
        offset.saturating_add(size).max(0)
    } else {
        offset
    };
    let end = match length.map(str::parse::<i64>) {
        None => size,
        Some(Err(_)) => return Some(value),
        Some(Ok(length)) if length < 0 => size.saturating_add(length),
        Some(Ok(length)) => start.saturating_add(length).min(size),
    };
    if start >= end {
        return Some("");
    }
    value.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}
