//! PURE: how what is saved is written, and read again.

use super::{SHARDS, Seen};
use crate::{
    digest::Digest,
    outbox::{Item, PARTS},
    transition::{Cursor, Decided},
};
use runtime::Key;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use tracing::error;

/// The ConfigMap with the cursors of a shard.
pub fn name_of_shard(shard: u8) -> String {
    format!("notification-controller-told-{shard}")
}

/// The ConfigMap with a part of what waits for a Provider.
pub fn name_of_lane(provider: &Key, part: u8) -> String {
    let name = named("waiting", &provider.to_string());
    match part {
        0 => name,
        part => format!("{name}-{part}"),
    }
}

/// What waits for each Provider, of its parts.
pub fn lanes_of(parts: BTreeMap<(Key, u8), Vec<Item>>) -> Vec<(Key, Vec<(u8, Item)>)> {
    let mut lanes = BTreeMap::<Key, Vec<(u8, Item)>>::new();
    for ((provider, part), items) in parts {
        let items = items.into_iter().map(|item| (part, item));
        lanes.entry(provider).or_default().extend(items);
    }
    let lanes = lanes.into_iter();
    lanes.map(|(provider, items)| (provider, unique(items))).collect()
}

/// The ConfigMap with what is gathered for an alert.
pub fn name_of_digest(uid: &str) -> String {
    named("digest", uid)
}

fn named(what: &str, of: &str) -> String {
    let digest = hex::encode(Sha256::digest(of.as_bytes()));
    format!("notification-controller-{what}-{}", &digest[..16])
}

/// The shard with the cursor of an object.
pub fn shard_of(uid: &str) -> u8 {
    Sha256::digest(uid.as_bytes())[0] % SHARDS
}

/// A cursor as it is saved: `<kind>/<sequence>/`, and the condition Ready where that is what counts.
pub fn written(seen: &Seen) -> String {
    let ready = seen.cursor.ready.as_ref().map(ToString::to_string);
    format!(
        "{}/{}/{}",
        seen.kind,
        seen.cursor.sequence,
        ready.unwrap_or_default()
    )
}

/// A cursor as [`written`].
pub fn read(text: &str) -> Option<Seen> {
    let mut parts = text.splitn(3, '/');
    let kind = crate::watched::Kind::named(parts.next()?)?.kind.as_str();
    let sequence = parts.next()?.parse().ok()?;
    let ready = parts.next().and_then(Decided::read);
    let ready = ready.filter(|ready| !ready.fingerprint.is_empty());
    Some(Seen {
        kind,
        cursor: Cursor { sequence, ready },
    })
}

/// What waits for a Provider in the part that has this ConfigMap.
pub fn read_waiting(name: &str, data: &BTreeMap<String, String>) -> Option<((Key, u8), Vec<Item>)> {
    let provider = Key::new(data.get("namespace")?.clone(), data.get("name")?.clone());
    let part = (0..PARTS).find(|part| name_of_lane(&provider, *part) == name)?;
    let items = serde_json::from_str(data.get("items")?);
    match items {
        Ok(items) => Some(((provider, part), items)),
        Err(error) => {
            error!(provider = %provider, error = %error, "messages that waited cannot be read");
            None
        }
    }
}

/// Each message once.
fn unique(mut items: Vec<(u8, Item)>) -> Vec<(u8, Item)> {
    let mut known = BTreeSet::new();
    items.retain(|(_, item)| known.insert((item.alert_uid.clone(), item.key.clone())));
    items
}

/// What was gathered for an alert.
pub fn read_digest(data: &BTreeMap<String, String>) -> Option<Digest> {
    match serde_json::from_str(data.get("digest")?) {
        Ok(digest) => Some(digest),
        Err(error) => {
            error!(error = %error, "what was gathered for an alert cannot be read");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shard_says_of_itself_is_no_cursor() {
        assert_eq!(read("2026-01-02T03:04:05Z"), None);
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let seen = |ready| Seen {
            kind: "Kustomization",
            cursor: Cursor { sequence: 7, ready },
        };
        let decided = |since, nth| Decided {
            fingerprint: "ab12!".into(),
            since,
            nth,
        };
        for (ready, text) in [
            (None, "Kustomization/7/"),
            (
                Some(decided(1_767_323_045, 2)),
                "Kustomization/7/ab12!@1767323045.2",
            ),
        ] {
            assert_eq!(written(&seen(ready.clone())), text);
            assert_eq!(read(text), Some(seen(ready)));
        }
        let earlier = read("Kustomization/7/ab12!");
        assert_eq!(
            earlier,
            Some(seen(Some(decided(0, 0)))),
            "as it was written before"
        );
        for text in ["", "Kustomization", "Nonsense/1/", "Kustomization/x/"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
