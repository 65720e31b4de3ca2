//! The versions of one chart, and the one that a constraint means (Flux's rules, which are Helm's but for ties).

use crate::funcs::semver::range;
use serde::{Deserialize, Deserializer};
use versions::Version;

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

/// Reads the versions of a chart from its place in a stored index.
///
/// # Errors
/// A text that is not of that form.
pub fn versions(text: &[u8]) -> Result<Vec<Listed>, String> {
    let listed: Option<Vec<Listed>> =
        serde_json::from_slice(text).map_err(|error| format!("the stored index is damaged: {error}"))?;
    Ok(listed.unwrap_or_default())
}

/// The version of a chart that `wanted` means: the one that is written just so; else the highest that the constraint admits,
/// of several alike the one that was added last. An empty constraint is `*`.
///
/// # Errors
/// No version, none that fits, a malformed constraint; in Flux's words.
pub fn choose<'a>(chart: &str, wanted: &str, listed: &'a [Listed]) -> Result<&'a Listed, String> {
    if listed.is_empty() {
        return Err("no chart version found".to_owned());
    }
    if let Some(exact) = listed.iter().find(|version| version.version == wanted) {
        return Ok(exact);
    }
    let admitted = range(if wanted.is_empty() { "*" } else { wanted })?;
    let fits = listed.iter().filter_map(|entry| {
        let version = concrete(&entry.version).filter(|version| admitted.admits(version))?;
        Some((version, added(entry), entry))
    });
    let best = fits.max_by(|a, b| a.0.precedence(&b.0).then_with(|| a.1.cmp(&b.1)));
    best.map(|(_, _, entry)| entry)
        .ok_or_else(|| format!("no '{chart}' chart with version matching '{wanted}' found"))
}

/// A text as one version, as Flux reads versions: with all three numbers.
pub fn concrete(text: &str) -> Option<Version> {
    let whole = text.matches('.').count() >= 2;
    Version::parse(text).ok().filter(|_| whole)
}

fn added(entry: &Listed) -> jiff::Timestamp {
    entry.created.parse().unwrap_or(jiff::Timestamp::MIN)
}

/// `null` is nothing, as Go reads it.
fn or_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
