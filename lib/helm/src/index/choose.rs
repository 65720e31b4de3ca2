//! The version of a chart that a constraint means (Flux's rules, which are Helm's but for ties), found as its versions are read.

use crate::funcs::semver::range;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use std::fmt;
use std::io::Read;
use versions::{Range, Version};

/// A version of a chart in a stored index, as far as one needs to know it to fetch it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Listed {
    /// The chart's name.
    pub name: String,
    /// The version.
    pub version: String,
    /// Where its archive is; relative ones are below the repository.
    #[serde(default, deserialize_with = "or_none")]
    pub urls: Vec<String>,
    /// When it was added, in RFC 3339.
    #[serde(default)]
    pub created: String,
    /// The SHA-256 of its archive in hexadecimal digits; may be empty.
    #[serde(default)]
    pub digest: String,
}

/// Why there is no version to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    /// None is what is meant, in Flux's words.
    #[error("{0}")]
    None(String),
    /// What is stored is not of its form.
    #[error("the stored index is damaged: {0}")]
    Damaged(String),
}

/// The version that `wanted` means among those that `stored` has, which is a chart's place in a stored index: the first that is
/// written just so; else the highest that the constraint admits, of several alike the one that was added last. An empty
/// constraint is `*`. Of the versions only the best so far is held.
///
/// # Errors
/// See [`ChooseError`]; a malformed constraint means none.
pub fn choose(chart: &str, wanted: &str, stored: impl Read) -> Result<Listed, ChooseError> {
    let range = range(if wanted.is_empty() { "*" } else { wanted });
    let search = Search {
        wanted,
        range: range.as_ref().ok(),
        any: false,
        exact: None,
        best: None,
    };
    let mut reader = serde_json::Deserializer::from_reader(stored);
    let found = reader.deserialize_any(search);
    let found = found.map_err(|error| ChooseError::Damaged(error.to_string()))?;
    if !found.any {
        return Err(ChooseError::None("no chart version found".to_owned()));
    }
    if let Some(exact) = found.exact {
        return Ok(exact);
    }
    let best = found.best.map(|(_, _, best)| best);
    range.map_err(ChooseError::None)?;
    best.ok_or_else(|| {
        let text = format!("no '{chart}' chart with version matching '{wanted}' found");
        ChooseError::None(text)
    })
}

/// A text as one version, as Flux reads versions: with all three numbers.
pub fn concrete(text: &str) -> Option<Version> {
    let whole = text.matches('.').count() >= 2;
    Version::parse(text).ok().filter(|_| whole)
}

struct Search<'w> {
    wanted: &'w str,
    range: Option<&'w Range>,
    any: bool,
    exact: Option<Listed>,
    best: Option<(Version, jiff::Timestamp, Listed)>,
}

impl<'de, 'w> Visitor<'de> for Search<'w> {
    type Value = Search<'w>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the versions of a chart")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Self::Value, A::Error> {
        while let Some(listed) = items.next_element::<Listed>()? {
            self.look(listed);
        }
        Ok(self)
    }
}

impl Search<'_> {
    fn look(&mut self, listed: Listed) {
        self.any = true;
        if self.exact.is_some() {
            return;
        }
        if listed.version == self.wanted {
            self.exact = Some(listed);
            return;
        }
        let version = concrete(&listed.version);
        let Some(version) = version.filter(|version| self.range.is_some_and(|range| range.admits(version)))
        else {
            return;
        };
        let added = listed.created.parse().unwrap_or(jiff::Timestamp::MIN);
        let better = self
            .best
            .as_ref()
            .is_none_or(|(best, its, _)| best.precedence(&version).then_with(|| its.cmp(&added)).is_le());
        if better {
            self.best = Some((version, added, listed));
        }
    }
}

/// `null` is nothing, as Go reads it.
fn or_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
