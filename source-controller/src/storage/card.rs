//! PURE: the card of an object: which files of it the object store has, what they must be, and which of them go.

use super::Retention;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A card has no more files than this, however long they are to be kept.
const MOST: usize = 64;

/// Which files of an object are in the store. It is the last thing that is written, and so says only what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Card {
    /// The files by name.
    pub files: BTreeMap<String, Kept>,
    /// Names that lead to a file.
    pub links: BTreeMap<String, String>,
}

/// A file in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Kept {
    /// The digest of its content.
    pub digest: String,
    /// How many bytes it has.
    pub size: u64,
    /// When it was stored, in seconds of Unix time.
    pub since: i64,
}

impl Card {
    /// The file that a name means, by way of a link or not.
    pub fn find(&self, name: &str) -> Option<(&str, &Kept)> {
        let name = self.links.get(name).map_or(name, String::as_str);
        let (name, kept) = self.files.get_key_value(name)?;
        Some((name, kept))
    }

    /// Adds the newest file; gives those that go: past their time, or the oldest beyond their number.
    pub fn add(
        &mut self,
        name: &str,
        kept: Kept,
        link: Option<&str>,
        retention: Retention,
    ) -> BTreeSet<String> {
        let now = kept.since;
        self.files.insert(name.to_owned(), kept);
        if let Some(link) = link {
            self.links.insert(link.to_owned(), name.to_owned());
        }
        self.trim(name, now, retention)
    }

    /// Takes out what is no longer kept beside the current file; gives their names.
    pub fn trim(&mut self, current: &str, now: i64, retention: Retention) -> BTreeSet<String> {
        let mut others: Vec<(i64, &String)> = self
            .files
            .iter()
            .filter(|(name, _)| *name != current)
            .map(|(name, kept)| (kept.since, name))
            .collect();
        others.sort();
        let ttl = i64::try_from(retention.ttl.as_secs()).unwrap_or(i64::MAX);
        let past = others
            .iter()
            .filter(|(since, _)| now.saturating_sub(*since) > ttl)
            .count();
        let records = retention.records.clamp(1, MOST);
        let surplus = (others.len() + 1).saturating_sub(records);
        let gone: BTreeSet<String> = others
            .into_iter()
            .take(past.max(surplus))
            .map(|(_, name)| name.clone())
            .collect();
        self.files.retain(|name, _| !gone.contains(name));
        self.links.retain(|_, name| !gone.contains(name));
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_newest_stay_and_links_lead_to_what_is_there() {
        let retention = Retention {
            ttl: Duration::from_secs(60),
            records: 2,
        };
        let kept = |since| Kept {
            since,
            ..Kept::default()
        };
        let mut card = Card::default();
        for (name, since, gone) in [
            ("a", 100, vec![]),
            ("b", 110, vec![]),
            ("c", 120, vec!["a"]),
            // The same file again is no other.
            ("c", 125, vec![]),
            // `b` is one too many, `c` is past its time.
            ("d", 190, vec!["b", "c"]),
        ] {
            let found = card.add(name, kept(since), Some("latest"), retention);
            assert_eq!(
                found.iter().map(String::as_str).collect::<Vec<_>>(),
                gone,
                "{name}"
            );
            assert_eq!(
                card.find("latest").map(|(name, kept)| (name, kept.since)),
                Some((name, since))
            );
        }
        assert_eq!(card.find("b"), None);
        // An older one may be the current one.
        card.add("e", kept(191), None, retention);
        assert_eq!(card.trim("d", 1000, retention), ["e".to_owned()].into());
        assert_eq!(card.find("latest").map(|(name, _)| name), Some("d"));
    }
}
