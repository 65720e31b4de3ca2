//! PURE: desired state, what we remember and what is live → what to do about each object, and why.

use crate::{toggles::Toggles, view::Live};
use serde_json::Value;
use std::{
    collections::hash_map::DefaultHasher,
    fmt,
    hash::{Hash as _, Hasher as _},
};

/// What is known of the live object.
#[derive(Debug, Clone, Copy)]
pub enum Sight<'a> {
    /// Nobody may or can watch it.
    Blind,
    /// No object with our label is there; one without it may be.
    Absent,
    /// It is there.
    Present(&'a Live),
}

/// What we remember of having written an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The fingerprint of what was desired then.
    pub desired: u64,
    /// The fingerprint of the owners of its fields after the write.
    pub fields: u64,
    /// The same, of the fields beside those that may differ.
    pub beside: u64,
    /// The object that was written; another one of its name is not ours.
    pub uid: String,
}

/// What to do about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it is as desired.
    Keep,
    /// Nothing: it asks to be left alone.
    Skip,
    /// Nothing yet: it is being deleted, its successor comes after it.
    AwaitDeletion,
    /// Ask the API server what writing would do, then write: the object is not known to be ours.
    Check,
    /// Write it: it is gone.
    Restore,
    /// Write it: what is desired has changed.
    Update,
    /// Write it: someone changed what is ours.
    Correct {
        /// Who, if the object tells.
        by: Option<String>,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("keep"),
            Self::Skip => f.write_str("skip"),
            Self::AwaitDeletion => f.write_str("await deletion"),
            Self::Check => f.write_str("check"),
            Self::Restore => f.write_str("restore"),
            Self::Update => f.write_str("update"),
            Self::Correct { by: None } => f.write_str("correct"),
            Self::Correct { by: Some(manager) } => write!(f, "correct after {manager}"),
        }
    }
}

/// Decides about one object: `desired` is the fingerprint of its manifest, `asks` what the manifest's toggles say.
pub fn decide(desired: u64, asks: Toggles, written: Option<&Written>, sight: Sight<'_>) -> Action {
    if asks.ignore {
        return Action::Skip;
    }
    let live = match sight {
        Sight::Blind => return Action::Check,
        Sight::Absent if written.is_some() => return Action::Restore,
        Sight::Absent => return Action::Check,
        Sight::Present(live) => live,
    };
    if live.deleting {
        return Action::AwaitDeletion;
    }
    if live.toggles.ignore || asks.if_not_present {
        return Action::Skip;
    }
    match written {
        None => Action::Check,
        Some(w) if w.uid != live.uid || w.fields != live.owners.fingerprint => Action::Correct {
            by: live.owners.last_other.clone(),
        },
        Some(w) if w.desired != desired => Action::Update,
        Some(_) => Action::Keep,
    }
}

/// A fingerprint of a manifest: equal manifests have equal ones, whatever the order of their keys.
pub fn fingerprint(manifest: &Value) -> u64 {
    let mut hash = DefaultHasher::new();
    hash_value(manifest, &mut hash);
    hash.finish()
}

fn hash_value(value: &Value, hash: &mut DefaultHasher) {
    match value {
        Value::Null => 0u8.hash(hash),
        Value::Bool(b) => (1u8, b).hash(hash),
        Value::Number(n) => (2u8, n.to_string()).hash(hash),
        Value::String(s) => (3u8, s).hash(hash),
        Value::Array(items) => {
            (4u8, items.len()).hash(hash);
            items.iter().for_each(|item| hash_value(item, hash));
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(k, _)| *k);
            (5u8, entries.len()).hash(hash);
            for (key, value) in entries {
                key.hash(hash);
                hash_value(value, hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fields::Owners, health::Health};
    use runtime::Key;
    use serde_json::json;

    fn live() -> Live {
        Live {
            key: Key::new("n", "a"),
            uid: "u".into(),
            version: 1,
            owners: Owners {
                fingerprint: 7,
                foreign: false,
                last_other: Some("kubectl-edit".into()),
            },
            toggles: Toggles::default(),
            owner: None,
            health: Health::Current,
            deleting: false,
        }
    }

    fn written() -> Written {
        Written {
            desired: 1,
            fields: 7,
            beside: 7,
            uid: "u".into(),
        }
    }

    #[test]
    fn every_case_has_its_action() {
        let none = Toggles::default();
        let (here, ours) = (live(), written());
        let deleting = Live {
            deleting: true,
            ..live()
        };
        let ignored = Live {
            toggles: Toggles { ignore: true, ..none },
            ..live()
        };
        let edited = Live {
            owners: Owners {
                fingerprint: 8,
                ..live().owners
            },
            ..live()
        };
        let replaced = Live {
            uid: "v".into(),
            ..live()
        };
        let by = Some("kubectl-edit".to_owned());
        for (asks, written, sight, expected) in [
            (none, Some(&ours), Sight::Present(&here), Action::Keep),
            (none, None, Sight::Present(&here), Action::Check),
            (none, None, Sight::Absent, Action::Check),
            (none, Some(&ours), Sight::Absent, Action::Restore),
            (none, Some(&ours), Sight::Blind, Action::Check),
            (
                none,
                Some(&ours),
                Sight::Present(&deleting),
                Action::AwaitDeletion,
            ),
            (none, Some(&ours), Sight::Present(&ignored), Action::Skip),
            (
                none,
                Some(&ours),
                Sight::Present(&edited),
                Action::Correct { by: by.clone() },
            ),
            (
                none,
                Some(&ours),
                Sight::Present(&replaced),
                Action::Correct { by: by.clone() },
            ),
            (
                Toggles { ignore: true, ..none },
                None,
                Sight::Absent,
                Action::Skip,
            ),
            (
                Toggles {
                    if_not_present: true,
                    ..none
                },
                None,
                Sight::Absent,
                Action::Check,
            ),
            (
                Toggles {
                    if_not_present: true,
                    ..none
                },
                Some(&ours),
                Sight::Present(&edited),
                Action::Skip,
            ),
        ] {
            assert_eq!(
                decide(1, asks, written, sight),
                expected,
                "{asks:?} {written:?} {sight:?}"
            );
        }
        assert_eq!(
            decide(2, none, Some(&ours), Sight::Present(&here)),
            Action::Update
        );
    }

    #[test]
    fn fingerprints_do_not_depend_on_the_order_of_keys() {
        assert_eq!(
            fingerprint(&json!({"a": 1, "b": [1, "1"]})),
            fingerprint(&json!({"b": [1, "1"], "a": 1}))
        );
        assert_ne!(fingerprint(&json!({"a": 1})), fingerprint(&json!({"a": "1"})));
        assert_ne!(
            fingerprint(&json!({"a": [1, 2]})),
            fingerprint(&json!({"a": [2, 1]}))
        );
    }
}
