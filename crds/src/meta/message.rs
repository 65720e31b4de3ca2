//! What was told about an object lately, kept in its status for those who pass it on. Flux has no such field: its controllers
//! post each event once and forget it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cut;

/// The most messages that a status keeps; the oldest make room.
const KEPT: usize = 20;
/// The most bytes that the texts of the kept messages have together.
const BYTES: usize = 12 * 1024;
/// The most bytes that the text of one message has: half of that.
const MESSAGE_BYTES: usize = BYTES / 2;

/// Something that was told about the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// What happened, for people.
    pub message: String,
    /// Further facts, with the object's API group as prefix of the keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// The number of the message; the first about an object is 1.
    pub sequence: i64,
    /// How grave it is.
    pub severity: MessageSeverity,
    /// When it was told.
    #[schemars(schema_with = "crate::schema::date_time")]
    pub time: Time,
}

/// How grave a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageSeverity {
    /// Something happened as it should.
    #[default]
    Info,
    /// Something failed.
    Error,
}

/// Puts what a pass has to tell to the messages of an object, at most 20 with 12 KiB of text; numbers go on from the last one
/// kept. The `sequence` of `told` is given here.
///
/// A pass that repeats what the passes before it told, such as a failure that lasts, adds nothing: the state has not changed.
pub fn add_messages(kept: &mut Vec<Message>, mut told: Vec<Message>) {
    for message in &mut told {
        message.message = cut(std::mem::take(&mut message.message), MESSAGE_BYTES);
    }
    let same = |a: &Message, b: &Message| {
        a.message == b.message && a.reason == b.reason && a.severity == b.severity && a.metadata == b.metadata
    };
    let tail = kept.len().checked_sub(told.len()).map(|from| &kept[from..]);
    if tail.is_some_and(|tail| tail.iter().zip(&told).all(|(a, b)| same(a, b))) {
        return;
    }
    let mut last = kept.last().map_or(0, |message| message.sequence);
    for mut message in told {
        last = last.saturating_add(1);
        message.sequence = last;
        kept.push(message);
    }
    let mut bytes = 0;
    let room = kept.iter().rev().take(KEPT).take_while(|message| {
        bytes += size(message);
        bytes <= BYTES
    });
    // The last one is kept whatever its size: it is within the limit of one.
    let room = room.count().max(1);
    kept.drain(..kept.len().saturating_sub(room));
}

fn size(message: &Message) -> usize {
    let metadata: usize = message
        .metadata
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    message.message.len() + message.reason.len() + metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Message {
        Message {
            message: text.into(),
            metadata: BTreeMap::new(),
            reason: "Failed".into(),
            sequence: 0,
            severity: MessageSeverity::Error,
            time: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
        }
    }

    fn texts(kept: &[Message]) -> Vec<(i64, &str)> {
        kept.iter().map(|m| (m.sequence, m.message.as_str())).collect()
    }

    #[test]
    fn what_is_told_again_is_not_news() {
        let mut kept = Vec::new();
        for _ in 0..3 {
            add_messages(&mut kept, vec![told("a"), told("b")]);
        }
        add_messages(&mut kept, vec![told("b")]);
        assert_eq!(texts(&kept), [(1, "a"), (2, "b")]);
        add_messages(&mut kept, vec![]);
        add_messages(&mut kept, vec![told("a")]);
        add_messages(&mut kept, vec![told("b")]);
        assert_eq!(texts(&kept), [(1, "a"), (2, "b"), (3, "a"), (4, "b")]);
        let long = "x".repeat(BYTES);
        for _ in 0..3 {
            add_messages(&mut kept, vec![told(&long)]);
        }
        assert_eq!(kept.last().unwrap().sequence, 5, "nor is what had to be cut");
    }

    #[test]
    fn the_oldest_make_room() {
        let mut kept = Vec::new();
        for n in 0..100 {
            add_messages(&mut kept, vec![told(&n.to_string())]);
        }
        assert_eq!(kept.len(), KEPT);
        assert_eq!(texts(&kept).first(), Some(&(81, "80")));
        add_messages(&mut kept, vec![told(&"é".repeat(BYTES))]);
        let bytes: usize = kept.iter().map(size).sum();
        assert!(bytes <= BYTES, "{bytes}");
        assert_eq!(kept.last().unwrap().sequence, 101);
        assert!(kept.last().unwrap().message.ends_with("é..."));
        assert!(kept.len() > 1);
    }
}
