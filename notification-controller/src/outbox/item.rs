//! PURE: a message of an alert as it waits, and how large it may be.

use crate::{
    event::{Event, Marks},
    group::excerpt,
    message::cut_bytes,
};
use jiff::Timestamp;
use runtime::Key;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// So large a message may be where it is saved, so that no alert's metadata or object's annotations keep others from being saved.
pub const ITEM_BYTES: usize = 256 << 10;
/// So long are the text and the reason of one that is too large; Flux's controllers keep texts to 39 kB.
const TEXT_BYTES: usize = 40 << 10;
const WORD_BYTES: usize = 1 << 10;
/// The metadata that says that some was left out.
const LEFT_OUT: &str = "metadataLeftOut";

/// A message of an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The same whenever this is sent.
    pub key: String,
    /// It ends a failure that was told before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends_failure: bool,
    /// What decides whether the service is told of it.
    #[serde(default)]
    pub marks: Marks,
    /// The objects that this is put down to, until it is on its way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// It is held back for others to join it, from `since` on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// The alert's namespace.
    pub alert_namespace: String,
    /// The alert's name.
    pub alert_name: String,
    /// The alert's uid.
    pub alert_uid: String,
    /// What happened, with the alert's metadata.
    pub event: Event,
    /// Since when it waits.
    pub since: Timestamp,
}

impl Item {
    /// The alert.
    pub fn alert(&self) -> Key {
        Key::new(&*self.alert_namespace, &*self.alert_name)
    }

    /// Whether this is the message with this key, of the alert with this uid.
    pub fn is(&self, key: &str, alert_uid: &str) -> bool {
        self.key == key && self.alert_uid == alert_uid
    }

    /// The message without the largest of its metadata, if it is too large with them, and cut if its text is: whoever may write a status,
    /// or post events, may write a megabyte.
    pub(super) fn fitting(mut self) -> Self {
        if self.bytes() <= ITEM_BYTES {
            return self;
        }
        self.event.message = cut_bytes(&self.event.message, TEXT_BYTES);
        self.event.reason = cut_bytes(&self.event.reason, WORD_BYTES);
        let mut too_much = self.bytes().saturating_sub(ITEM_BYTES);
        let saved = |key: &String, value: &String| json!({ key: value }).to_string().len();
        let metadata = &mut self.event.metadata;
        let mut largest: Vec<(usize, String)> =
            metadata.iter().map(|(k, v)| (saved(k, v), k.clone())).collect();
        largest.sort();
        let mut left_out = Vec::new();
        while too_much > 0
            && let Some((size, key)) = largest.pop()
        {
            metadata.remove(&key);
            too_much = too_much.saturating_sub(size);
            left_out.push(excerpt(&key));
        }
        if !left_out.is_empty() {
            left_out.truncate(20);
            self.event
                .metadata
                .insert(LEFT_OUT.to_owned(), left_out.join(", "));
        }
        self
    }

    /// How large it is where it is saved.
    pub(super) fn bytes(&self) -> usize {
        serde_json::to_string(self).map_or(0, |text| text.len())
    }
}
