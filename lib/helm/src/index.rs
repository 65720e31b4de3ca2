//! A repository's index: which versions of which charts it has, and choosing one.

use crate::Error;
use crate::chart::Metadata;
use crate::funcs::semver::range;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use versions::Version;

/// `index.yaml`, without entries that cannot be used.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// The versions of each chart, the newest first.
    pub entries: BTreeMap<String, Vec<Entry>>,
}

/// A version of a chart.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What its `Chart.yaml` says.
    pub metadata: Metadata,
    /// Where its archive is; relative ones are below the repository.
    pub urls: Vec<String>,
    /// When it was added, as written.
    pub created: String,
    /// The SHA-256 of its archive in hexadecimal digits; may be empty.
    pub digest: String,
    version: Version,
}

impl Index {
    /// Reads an index. Entries with malformed metadata or versions are left out, as Helm does.
    ///
    /// # Errors
    /// Text that is not YAML, is empty, or has no `apiVersion`.
    pub fn parse(text: &[u8]) -> Result<Index, Error> {
        if text.is_empty() {
            return Err(Error::Index("empty index.yaml file".to_string()));
        }
        let json = yaml::parse_first(text)
            .map_err(|error| Error::Index(format!("error converting YAML to JSON: {error}")))?;
        let version = json.get("apiVersion").and_then(Json::as_str).unwrap_or_default();
        if version.is_empty() {
            return Err(Error::Index("no API version specified".to_string()));
        }
        let mut entries = BTreeMap::new();
        if let Some(Json::Object(charts)) = json.get("entries") {
            for (name, versions) in charts {
                let versions = versions.as_array().map(Vec::as_slice).unwrap_or_default();
                let mut versions: Vec<Entry> = versions.iter().filter_map(Entry::read).collect();
                versions.sort_by(|a, b| b.version.precedence(&a.version));
                entries.insert(name.clone(), versions);
            }
        }
        Ok(Index { entries })
    }

    /// The newest version of a chart that satisfies a constraint; an empty one is `*`, a version written in full is
    /// found even if it is a pre-release.
    ///
    /// # Errors
    /// No such chart, no such version, a malformed constraint.
    pub fn choose(&self, name: &str, constraint: &str) -> Result<&Entry, Error> {
        let versions = self.entries.get(name).filter(|versions| !versions.is_empty());
        let versions = versions.ok_or_else(|| Error::Index(format!("no chart name found: {name}")))?;
        let wanted = if constraint.is_empty() { "*" } else { constraint };
        let parsed = range(wanted).map_err(Error::Index)?;
        if let Some(exact) = versions.iter().find(|entry| entry.metadata.version == constraint) {
            return Ok(exact);
        }
        versions
            .iter()
            .find(|entry| parsed.admits(&entry.version))
            .ok_or_else(|| Error::Index(format!("no chart version found for {name}-{constraint}")))
    }
}

impl Entry {
    fn read(json: &Json) -> Option<Entry> {
        let mut metadata = Metadata::from_json(json).ok()?;
        if metadata.api_version.is_empty() {
            metadata.api_version = "v1".to_string();
        }
        metadata.validate().ok()?;
        let text = |key: &str| {
            json.get(key)
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_string()
        };
        let urls = json
            .get("urls")
            .and_then(Json::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        Some(Entry {
            urls: urls.iter().filter_map(Json::as_str).map(str::to_string).collect(),
            created: text("created"),
            digest: text("digest"),
            version: Version::parse(&metadata.version).ok()?,
            metadata,
        })
    }
}
