//! What was told about an object lately, kept in its status for those who pass it on. Flux has no such field: its controllers
//! post each event once and forget it.

use std::{collections::BTreeMap, ops::Not};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, ConditionStatus, READY, cut};

/// The most messages that a status keeps; the oldest make room.
const KEPT: usize = 20;
/// The most bytes that the kept messages have together, beyond what one pass tells.
const BYTES: usize = 32 * 1024;
/// The most bytes that one message has, unless its metadata alone has more.
const MESSAGE_BYTES: usize = 6 * 1024;
/// The most bytes that a value of metadata has: more than any revision.
const VALUE_BYTES: usize = 1024;
/// So much of a text is kept in any case.
const LEAST_BYTES: usize = 256;

/// Something that was told about the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// It ends a failure that a message before it tells of.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub ends_failure: bool,
    /// What happened, for people.
    pub message: String,
    /// Further facts, with the object's API group as prefix of the keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The failure that it tells of has become another one that nobody tells of; told again, it is news.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub over: bool,
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

/// How a pass leaves an object, by its condition Ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left<'a> {
    /// Nothing is decided: the pass goes on, or what failed still stands in a condition.
    Undecided,
    /// It is not ready, for this reason.
    Failing(&'a str),
    /// It is ready, or what was wrong no longer is, in these words.
    Well {
        /// Why, in one word.
        reason: &'a str,
        /// Why, for people.
        message: &'a str,
    },
}

impl<'a> Left<'a> {
    /// How a pass leaves an object that had the conditions `old` and has `new`, after what was told of it.
    pub fn of(old: &[Condition], new: &'a [Condition], told: &[Message]) -> Self {
        let Some(ready) = find(new, READY) else {
            return Self::Undecided;
        };
        match ready.status {
            ConditionStatus::Unknown => return Self::Undecided,
            ConditionStatus::False => return Self::Failing(&ready.reason),
            ConditionStatus::True => {}
        }
        let mut well = ready;
        if let Some(failure) = open_failure(told) {
            let stands = |c: &Condition| c.reason == failure.reason;
            if new.iter().any(stands) {
                return Self::Undecided;
            }
            // What told of the failure tells of its end.
            let other = old.iter().find(|c| stands(c) && c.type_ != READY);
            well = other.and_then(|c| find(new, &c.type_)).unwrap_or(ready);
        }
        Self::Well {
            reason: &well.reason,
            message: &well.message,
        }
    }
}

/// Puts what a pass has to tell to the messages of an object; numbers go on from the last one kept. The `sequence` of `told` is
/// given here.
///
/// Only the repetition of a failure that lasts adds nothing: at rest nothing is written. What has happened again is told again.
/// The end of a failure is marked as one, and told if the pass tells nothing of it.
///
/// At most 20 messages with 32 KiB are kept: the last ones, all that this pass tells, and the last failure until it ends.
pub fn add_messages(kept: &mut Vec<Message>, mut told: Vec<Message>, left: Left<'_>, now: &Time) {
    fit(&mut told);
    if repeats(kept, &told) {
        return;
    }
    match left {
        Left::Undecided => {}
        Left::Failing(reason) => {
            let last = kept.last_mut().filter(|last| is_failure(last));
            if let Some(last) = last.filter(|last| told.is_empty() && last.reason != reason) {
                last.over = true;
            }
        }
        Left::Well { reason, message } => {
            let open = open_failure(kept).is_some() || told.iter().any(is_failure);
            match told.last_mut() {
                Some(last) => last.ends_failure = open && !is_failure(last),
                None if open => told.push(Message {
                    ends_failure: true,
                    message: cut(message.to_owned(), MESSAGE_BYTES),
                    metadata: BTreeMap::new(),
                    over: false,
                    reason: reason.to_owned(),
                    sequence: 0,
                    severity: MessageSeverity::Info,
                    time: now.clone(),
                }),
                None => {}
            }
        }
    }
    let own = told.len();
    let mut last = kept.last().map_or(0, |message| message.sequence);
    for mut message in told {
        last = last.saturating_add(1);
        message.sequence = last;
        kept.push(message);
    }
    make_room(kept, own);
}

/// The failure that was told last, unless its end was told.
fn open_failure(kept: &[Message]) -> Option<&Message> {
    kept.iter()
        .rev()
        .take_while(|m| !m.ends_failure)
        .find(|m| is_failure(m))
}

fn is_failure(message: &Message) -> bool {
    message.severity == MessageSeverity::Error
}

/// Whether a pass tells what the passes before it told, of a failure that has not changed since.
fn repeats(kept: &[Message], told: &[Message]) -> bool {
    let same = |a: &Message, b: &Message| {
        !a.over
            && is_failure(a)
            && is_failure(b)
            && a.message == b.message
            && a.reason == b.reason
            && a.metadata == b.metadata
    };
    let tail = kept.len().checked_sub(told.len()).map(|from| &kept[from..]);
    !told.is_empty() && tail.is_some_and(|tail| tail.iter().zip(told).all(|(a, b)| same(a, b)))
}

/// Cuts texts so that all that a pass tells has room beside the failure before it.
fn fit(told: &mut [Message]) {
    let share = MESSAGE_BYTES.min(BYTES / (told.len() + 1));
    for message in told {
        for value in message.metadata.values_mut() {
            *value = cut(std::mem::take(value), VALUE_BYTES);
        }
        let text = std::mem::take(&mut message.message);
        let room = share.saturating_sub(size(message)).max(LEAST_BYTES);
        message.message = cut(text, room);
    }
}

/// Keeps the last messages, those of the pass among them, and the last failure.
fn make_room(kept: &mut Vec<Message>, own: usize) {
    let failure = open_failure(kept).map(|failure| failure.sequence);
    let has_failed = |message: &Message| Some(message.sequence) == failure;
    let (mut count, mut bytes) = (0, 0);
    for message in kept.iter().filter(|message| has_failed(message)) {
        (count, bytes) = (1, size(message));
    }
    let mut from = kept.len();
    for (at, message) in kept.iter().enumerate().rev() {
        if !has_failed(message) {
            count += 1;
            bytes += size(message);
        }
        let is_own = at + own >= kept.len();
        if count > KEPT || (bytes > BYTES && !is_own) {
            break;
        }
        from = at;
    }
    let mut at = 0;
    kept.retain(|message| {
        at += 1;
        at > from || has_failed(message)
    });
}

fn size(message: &Message) -> usize {
    let metadata: usize = message
        .metadata
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    message.message.len() + message.reason.len() + metadata
}

fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

#[cfg(test)]
mod tests;
