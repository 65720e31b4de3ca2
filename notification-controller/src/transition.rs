//! From what was told of an object, and what its status says now, to what is to be told: pure.
//!
//! Our controllers put what they tell into the status that it is about (decision 015), with numbers that go up by one. Where
//! a status has no such field (the image controllers of Flux; definitions of Flux that have not been replaced), a change of
//! the condition Ready is what there is to tell.

use crate::{
    cause,
    event::{Event, Severity},
    watched::{Condition, Kind, Reported},
};
use crds::meta::{EVENT_PREFIX, MessageSeverity, READY};
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fmt};

/// How far it has been told what became of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The number of the last message that was taken up.
    pub sequence: i64,
    /// The condition Ready that was taken up, for objects whose status has no messages.
    pub ready: Option<Decided>,
}

/// A condition Ready that was decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decided {
    /// What it says.
    pub fingerprint: String,
    /// Since when, in seconds; 0 if it does not say.
    pub since: i64,
    /// How many were taken up before it in the same second.
    pub nth: u32,
}

/// What is to be told of an object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct News {
    /// What happened, oldest first.
    pub events: Vec<Happened>,
    /// How many messages the status does not hold any more, though nobody has been told of them.
    pub missed: i64,
    /// How far that goes.
    pub cursor: Cursor,
}

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// The same whenever it is told.
    pub key: String,
    /// What.
    pub event: Event,
    /// It ends a failure that was told before. Flux's chats hear of failures and not of their end, which is an event for commit
    /// statuses only; whoever was told of the one is told of the other here.
    pub ends_failure: bool,
    /// The objects that this is put down to, by the controller's own words.
    pub causes: Vec<String>,
}

/// Who says so, and when.
#[derive(Debug, Clone)]
pub struct Reporter<'a> {
    /// The kind of the object.
    pub kind: &'a Kind,
    /// The process, as events name it.
    pub instance: &'a str,
    /// Whether the statuses of this kind hold messages; otherwise conditions speak.
    pub keeps_messages: bool,
    /// The time now.
    pub now: Time,
    /// Of objects of which nothing was told, what happened before this is old news.
    pub since: Timestamp,
}

/// What is to be told of an object, given how far it has been told already; `None` if nothing was told of it ever.
pub fn news(told: Option<&Cursor>, object: &Reported, reporter: &Reporter<'_>) -> News {
    let told = match told {
        Some(told) => told.clone(),
        None => old_news(object, reporter.since),
    };
    if reporter.keeps_messages || !object.status.messages.is_empty() {
        from_messages(&told, object, reporter)
    } else {
        from_ready(&told, object, reporter)
    }
}

/// How far an object counts as told of which nothing was told, because it is old news.
fn old_news(object: &Reported, since: Timestamp) -> Cursor {
    let messages = &object.status.messages;
    let old = messages.iter().rfind(|message| message.time.0 < since);
    // What an older object's status does not hold any more is older still.
    let is_older = (object.metadata.creation_timestamp.as_ref()).is_some_and(|time| time.0 < since);
    let before = messages.first().filter(|_| is_older);
    let sequence = match (old, before) {
        (Some(old), _) => old.sequence,
        (None, Some(first)) => first.sequence.saturating_sub(1),
        (None, None) => 0,
    };
    let ready = ready(object).filter(|(condition, _)| {
        let changed = condition.last_transition_time.as_ref();
        changed.map_or(is_older, |time| time.0 < since)
    });
    Cursor {
        sequence,
        ready: ready.map(|(condition, fingerprint)| decided(condition, fingerprint, None)),
    }
}

fn from_messages(told: &Cursor, object: &Reported, reporter: &Reporter<'_>) -> News {
    let messages = &object.status.messages;
    let Some(last) = messages.last() else {
        // A status that is empty, or was emptied, counts anew.
        return News {
            cursor: Cursor::default(),
            ..News::default()
        };
    };
    let after = if last.sequence < told.sequence {
        0
    } else {
        told.sequence
    };
    let fresh: Vec<_> = messages
        .iter()
        .filter(|message| message.sequence > after)
        .collect();
    // There may be a gap after the first one: a failure is kept until it ends.
    let told = i64::try_from(fresh.len()).unwrap_or(i64::MAX);
    let missed = last.sequence.saturating_sub(after).saturating_sub(told).max(0);
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let events = fresh.into_iter().map(|message| {
        let mut metadata = annotations(object);
        metadata.extend(message.metadata.clone());
        let event = Event {
            involved_object: subject(object, reporter.kind),
            severity: match message.severity {
                MessageSeverity::Info => Severity::Info,
                MessageSeverity::Error => Severity::Error,
            },
            timestamp: message.time.clone(),
            message: message.message.clone(),
            reason: message.reason.clone(),
            metadata,
            reporting_controller: reporter.kind.controller.to_owned(),
            reporting_instance: reporter.instance.to_owned(),
        };
        let causes = causes(&event, &object.status.conditions);
        Happened {
            // A status that was emptied gives the numbers again.
            key: format!("{uid}/{}@{}", message.sequence, message.time.0.as_second()),
            event,
            ends_failure: message.ends_failure,
            causes,
        }
    });
    News {
        events: events.collect(),
        missed,
        cursor: Cursor {
            sequence: last.sequence,
            ready: None,
        },
    }
}

/// The objects that an event is put down to: by its own text, or, as long as that is why the object is not ready, by its condition
/// (what tells of a dependency that is not ready does not say which).
fn causes(event: &Event, conditions: &[Condition]) -> Vec<String> {
    let (kind, namespace) = (event.kind(), event.namespace());
    let named = cause::named(kind, namespace, &event.message);
    if !named.is_empty() {
        return named;
    }
    let ready = conditions.iter().find(|c| c.type_ == READY && c.status != "True");
    let same = ready.filter(|ready| ready.reason == event.reason);
    same.map(|ready| cause::named(kind, namespace, &ready.message))
        .unwrap_or_default()
}

fn from_ready(told: &Cursor, object: &Reported, reporter: &Reporter<'_>) -> News {
    let Some((ready, fingerprint)) = ready(object) else {
        return News {
            cursor: told.clone(),
            ..News::default()
        };
    };
    let at = |ready: Decided| Cursor {
        sequence: 0,
        ready: Some(ready),
    };
    let same =
        |known: &&Decided| known.fingerprint.trim_end_matches(FAILED) == fingerprint.trim_end_matches(FAILED);
    if let Some(known) = told.ready.as_ref().filter(same) {
        let known = Decided {
            fingerprint,
            ..known.clone()
        };
        return News {
            cursor: at(known),
            ..News::default()
        };
    }
    let decided = decided(ready, fingerprint, told.ready.as_ref());
    let mut metadata = annotations(object);
    let artifact = object
        .status
        .artifact
        .as_ref()
        .map(|artifact| artifact.revision.clone());
    let revision = artifact.or_else(|| object.status.last_attempted_revision.clone());
    if let Some(revision) = revision.filter(|revision| !revision.is_empty()) {
        metadata.insert(format!("{}/revision", reporter.kind.group), revision);
    }
    let severity = if ready.status == "True" {
        Severity::Info
    } else {
        Severity::Error
    };
    let event = Event {
        involved_object: subject(object, reporter.kind),
        severity,
        timestamp: reporter.now.clone(),
        message: ready.message.clone(),
        reason: ready.reason.clone(),
        metadata,
        reporting_controller: reporter.kind.controller.to_owned(),
        reporting_instance: reporter.instance.to_owned(),
    };
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let failed = (told.ready.as_ref()).is_some_and(|known| known.fingerprint.ends_with(FAILED));
    let causes = causes(&event, &object.status.conditions);
    News {
        events: vec![Happened {
            key: format!("{uid}/{decided}"),
            ends_failure: failed && severity == Severity::Info,
            event,
            causes,
        }],
        missed: 0,
        cursor: at(decided),
    }
}

/// What is taken up of a condition after another one; each is another, also where it says the same again.
fn decided(ready: &Condition, fingerprint: String, before: Option<&Decided>) -> Decided {
    let changed = ready.last_transition_time.as_ref();
    let since = changed.map_or(0, |time| time.0.as_second());
    let before = before.filter(|before| before.since == since);
    Decided {
        fingerprint,
        since,
        nth: before.map_or(0, |before| before.nth.saturating_add(1)),
    }
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}.{}", self.fingerprint, self.since, self.nth)
    }
}

impl Decided {
    /// As it was written; earlier versions wrote the fingerprint alone.
    pub fn read(text: &str) -> Option<Self> {
        let (fingerprint, rest) = text.split_once('@').unwrap_or((text, "0.0"));
        let (since, nth) = rest.split_once('.')?;
        Some(Self {
            fingerprint: fingerprint.to_owned(),
            since: since.parse().ok()?,
            nth: nth.parse().ok()?,
        })
    }
}

/// The condition Ready and its fingerprint, once it is decided.
fn ready(object: &Reported) -> Option<(&Condition, String)> {
    let ready = object.status.conditions.iter().find(|c| c.type_ == READY)?;
    if ready.status != "True" && ready.status != "False" {
        return None;
    }
    let text = format!("{}\n{}\n{}", ready.status, ready.reason, ready.message);
    let digest = Sha256::digest(text.as_bytes());
    let mut fingerprint = hex::encode(&digest[..8]);
    if ready.status == "False" {
        fingerprint.push(FAILED);
    }
    Some((ready, fingerprint))
}

/// What a fingerprint of a failure ends with; earlier versions left it out.
const FAILED: char = '!';

/// What the object itself adds to its events (Flux: annotations with this prefix).
fn annotations(object: &Reported) -> BTreeMap<String, String> {
    let all = object.metadata.annotations.iter().flatten();
    all.filter(|(key, _)| key.starts_with(EVENT_PREFIX))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn subject(object: &Reported, kind: &Kind) -> ObjectReference {
    let meta = &object.metadata;
    ObjectReference {
        api_version: Some(kind.api_version()),
        kind: Some(kind.kind.as_str().to_owned()),
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
