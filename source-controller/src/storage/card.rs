//! PURE: the card of an object: which files of it the object store has, what they must be, and which of them go.
//!
//! In the store a file's key has its digest in it, so that new content does not take the place of what a card still names.

use super::Retention;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

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
    /// Names in the store of what is no file any more, and still to be deleted.
    pub gone: BTreeSet<String>,
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

    /// The links that lead to a file, of those that may be names of links: a card is what somebody wrote.
    pub fn links_to(&self, name: &str) -> Vec<String> {
        let is_name = |link: &str| !link.is_empty() && !link.starts_with('.') && !link.contains('/');
        let leads =
            |(link, to): &(&String, &String)| *to == name && is_name(link) && !self.files.contains_key(*link);
        let found = self.links.iter().filter(leads);
        found.map(|(link, _)| link.clone()).collect()
    }

    /// Adds the newest file. What it takes the place of is to be deleted.
    pub fn add(&mut self, name: &str, kept: Kept, links: &[String]) {
        let now = kept.since;
        self.gone.remove(&stored(name, &kept.digest));
        let before = self.files.insert(name.to_owned(), kept.clone());
        if let Some(before) = before.filter(|before| before.digest != kept.digest) {
            self.gone.insert(stored(name, &before.digest));
        }
        for link in links {
            self.links.insert(link.clone(), name.to_owned());
        }
        // Only a number that nobody wants is cut here: an older file may be the one that a status names.
        let all = Retention {
            ttl: Duration::MAX,
            records: MOST,
        };
        self.trim(name, now, all);
    }

    /// Takes out what is no longer kept beside the current file; it is to be deleted.
    pub fn trim(&mut self, current: &str, now: i64, retention: Retention) {
        let mut others: Vec<(i64, String)> = self
            .files
            .iter()
            .filter(|(name, _)| *name != current)
            .map(|(name, kept)| (kept.since, name.clone()))
            .collect();
        others.sort();
        let ttl = i64::try_from(retention.ttl.as_secs()).unwrap_or(i64::MAX);
        let past = others
            .iter()
            .filter(|(since, _)| now.saturating_sub(*since) > ttl)
            .count();
        let records = retention.records.clamp(1, MOST);
        let surplus = (others.len() + 1).saturating_sub(records);
        for (_, name) in others.into_iter().take(past.max(surplus)) {
            if let Some(kept) = self.files.remove(&name) {
                self.gone.insert(stored(&name, &kept.digest));
            }
        }
        self.links.retain(|_, name| self.files.contains_key(name));
    }
}

/// The name in the store of a file with this digest.
pub fn stored(name: &str, digest: &str) -> String {
    let hex = digest.rsplit_once(':').map_or(digest, |(_, hex)| hex);
    format!("{name}.{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay_and_links_lead_to_what_is_there() {
        let retention = Retention {
            ttl: Duration::from_secs(60),
            records: 2,
        };
        let kept = |since| Kept {
            since,
            digest: "sha256:d".to_owned(),
            ..Kept::default()
        };
        let latest = ["latest".to_owned()];
        let mut card = Card::default();
        for (name, since, gone) in [
            ("a", 100, vec![]),
            ("b", 110, vec![]),
            ("c", 120, vec!["a.d"]),
            // The same file again is no other.
            ("c", 125, vec![]),
            // `b` is one too many, `c` is past its time.
            ("d", 190, vec!["b.d", "c.d"]),
        ] {
            let before = card.files.clone();
            card.add(name, kept(since), &latest);
            assert!(
                before.keys().all(|file| card.find(file).is_some()),
                "{name} takes nothing away"
            );
            card.trim(name, since, retention);
            let found = std::mem::take(&mut card.gone);
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
        card.add("e", kept(191), &[]);
        card.trim("d", 1000, retention);
        assert_eq!(card.gone, ["e.d".to_owned()].into());
        assert_eq!(card.find("latest").map(|(name, _)| name), Some("d"));
    }

    #[test]
    fn new_content_under_an_old_name_is_another_file_in_the_store() {
        let kept = |digest: &str| Kept {
            digest: digest.to_owned(),
            ..Kept::default()
        };
        let mut card = Card::default();
        card.add("a", kept("sha256:1"), &[]);
        card.add("a", kept("sha256:2"), &[]);
        assert_eq!(card.gone, ["a.1".to_owned()].into());
        // What comes back is not to be deleted.
        card.add("a", kept("sha256:1"), &[]);
        assert_eq!(card.gone, ["a.2".to_owned()].into());
    }

    #[test]
    fn links_lead_nowhere_else() {
        let mut card = Card::default();
        let links = ["latest", "../latest", "/latest", ".latest", "", "a"].map(str::to_owned);
        card.add("a", Kept::default(), &links);
        assert_eq!(card.links_to("a"), ["latest"]);
        assert!(card.links_to("b").is_empty());
    }

    #[test]
    fn a_card_does_not_grow_without_end() {
        let mut card = Card::default();
        for number in 0..200 {
            let kept = Kept {
                since: number,
                ..Kept::default()
            };
            card.add(&number.to_string(), kept, &[]);
        }
        assert_eq!(card.files.len(), MOST);
        assert!(card.find("199").is_some() && card.find("0").is_none());
    }
}
