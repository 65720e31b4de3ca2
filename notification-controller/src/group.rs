//! One message of what belongs together: an alert's failures of one cause, the ends of failures, and what is alike. Pure.

use crate::{
    cause,
    event::{CHANGE_REQUEST, COMMIT, Event, Severity},
    outbox::Item,
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

/// What holds messages of one alert together; those that share a tie are told as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Like {
    alert_uid: String,
    /// How many messages have each.
    ties: BTreeMap<Tie, usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Tie {
    /// An object that fails, or waits for one that does: what it tells, and whoever names it as the cause.
    Object(String),
    /// A revision at which something fails, of whatever kind and in whatever words.
    Revision(String),
    /// The end of a failure.
    End,
    /// Kind of object, reason and severity.
    Words(String, String, Severity),
}

impl Like {
    /// What holds a message to others.
    pub fn of(item: &Item) -> Self {
        let event = &item.event;
        let is_failure = event.severity == Severity::Error;
        let mut ties = BTreeSet::new();
        if item.ends_failure {
            ties.insert(Tie::End);
        } else if is_failure || !item.causes.is_empty() {
            ties.insert(Tie::Object(cause::subject(event)));
            ties.extend(item.causes.iter().cloned().map(Tie::Object));
            let revision = event.metadata.get(REVISION).filter(|_| is_failure);
            ties.extend(
                revision
                    .filter(|text| is_content(text))
                    .cloned()
                    .map(Tie::Revision),
            );
        }
        // What names its cause is put with that, not with what only sounds alike.
        if !item.ends_failure && item.causes.is_empty() {
            let (kind, reason) = (event.kind().to_owned(), event.reason.clone());
            ties.insert(Tie::Words(kind, reason, event.severity));
        }
        Self {
            alert_uid: item.alert_uid.clone(),
            ties: ties.into_iter().map(|tie| (tie, 1)).collect(),
        }
    }

    /// Whether another, which has few ties, belongs to this.
    pub fn shares(&self, other: &Self) -> bool {
        self.alert_uid == other.alert_uid && other.ties.keys().any(|tie| self.ties.contains_key(tie))
    }

    /// Takes in what belongs to this.
    pub fn absorb(&mut self, other: Self) {
        for (tie, count) in other.ties {
            *self.ties.entry(tie).or_default() += count;
        }
    }

    /// Forgets what belonged to this, and does not any more.
    pub fn shed(&mut self, other: &Self) {
        for (tie, count) in &other.ties {
            if let Some(own) = self.ties.get_mut(tie) {
                *own = own.saturating_sub(*count);
                if *own == 0 {
                    self.ties.remove(tie);
                }
            }
        }
    }
}

/// Metadata with the revision that an event is about, as an alert has it told.
const REVISION: &str = "revision";

/// Whether a revision says what it is the revision of, by a digest: a chart's version does not.
fn is_content(revision: &str) -> bool {
    let digest = revision.rsplit_once(':').map(|(_, digest)| digest);
    digest.is_some_and(|digest| digest.len() >= 40 && digest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// So many objects are named; of the others, the number is.
const NAMED: usize = 20;
/// So much of each object's own text is told, in characters.
const EXCERPT: usize = 200;

/// The messages as one: about the object that the others put it down to, or else the first that fails, with all objects and
/// their texts listed; none of none. Metadata is kept that all agree on.
pub fn together(items: &[Arc<Item>]) -> Option<Item> {
    if let [only] = items {
        return Some(Item::clone(only));
    }
    let lead = lead(items)?;
    let mut item = Item::clone(lead);
    // With others it is another message.
    let mut keys: Vec<&str> = items.iter().map(|item| &*item.key).collect();
    // Whatever the order in which they came back after a restart.
    keys.sort_unstable();
    item.key = format!("group/{}", hex::encode(&Sha256::digest(keys.join("\n"))[..16]));
    item.event.message = listed(items, lead);
    item.event.metadata = agreed(items);
    item.marks = items
        .iter()
        .fold(item.marks, |marks, item| marks.common(item.marks));
    // What they do not agree on is not there any more.
    item.marks.commit &= item.event.metadata.contains_key(COMMIT);
    item.marks.change_request &= item.event.metadata.contains_key(CHANGE_REQUEST);
    item.event
        .metadata
        .insert("count".into(), items.len().to_string());
    Some(item)
}

/// The one to be told about: a failure before anything else, then what most others name as the cause, then the first.
fn lead(items: &[Arc<Item>]) -> Option<&Arc<Item>> {
    let namings = namings(items);
    let rank = |item: &Arc<Item>| {
        let named = namings.get(&*cause::subject(&item.event)).copied();
        (item.event.severity == Severity::Error, named.unwrap_or_default())
    };
    // Of equals the last counts.
    items.iter().rev().max_by_key(|item| rank(item))
}

/// How many messages name an object as their cause.
fn namings(items: &[Arc<Item>]) -> BTreeMap<&str, usize> {
    let mut namings = BTreeMap::new();
    for cause in items.iter().flat_map(|item| &item.causes) {
        *namings.entry(cause.as_str()).or_default() += 1;
    }
    namings
}

fn listed(items: &[Arc<Item>], lead: &Item) -> String {
    let latest = latest(items, lead);
    let (kind, reason) = (lead.event.kind(), &lead.event.reason);
    let is_alike = latest
        .iter()
        .all(|event| event.kind() == kind && event.reason == *reason);
    let same_text = latest.iter().all(|event| event.message == latest[0].message);
    let mut text = match is_alike {
        true => format!("{} {kind} objects: {reason}", latest.len()),
        false => format!("{} objects{}", latest.len(), common(items, lead)),
    };
    if same_text {
        let _ = write!(text, ": {}", excerpt(&latest[0].message));
    }
    for event in latest.iter().take(NAMED) {
        let _ = match is_alike {
            true => write!(text, "\n- {}/{}", event.namespace(), event.name()),
            false => write!(text, "\n- {}: {}", cause::subject(event), event.reason),
        };
        if !same_text {
            let _ = write!(text, ": {}", excerpt(&event.message));
        }
    }
    if latest.len() > NAMED {
        let _ = write!(text, "\n- and {} more", latest.len() - NAMED);
    }
    text
}

/// The last event of each object; the lead's comes first.
fn latest<'a>(items: &'a [Arc<Item>], lead: &Item) -> Vec<&'a Event> {
    let mut latest: Vec<(String, &Event)> = Vec::new();
    for item in items {
        let subject = cause::subject(&item.event);
        match latest.iter().position(|(known, _)| *known == subject) {
            Some(at) => latest[at].1 = &item.event,
            None => latest.push((subject, &item.event)),
        }
    }
    let first = cause::subject(&lead.event);
    // Stable: the others keep their order.
    latest.sort_by_key(|(subject, _)| *subject != first);
    latest.into_iter().map(|(_, event)| event).collect()
}

/// What messages of several kinds or reasons have in common, in words.
fn common(items: &[Arc<Item>], lead: &Item) -> String {
    if items.iter().all(|item| item.ends_failure) {
        return " are well again".into();
    }
    // Of equals the first in the alphabet.
    let named = namings(items).into_iter().rev().max_by_key(|(_, count)| *count);
    match (named, lead.event.metadata.get(REVISION)) {
        (Some((object, _)), _) => format!(" because of {object}"),
        (None, Some(revision)) if is_content(revision) => format!(" at {revision}"),
        (None, _) => String::new(),
    }
}

fn agreed(items: &[Arc<Item>]) -> BTreeMap<String, String> {
    let mut metadata = items[0].event.metadata.clone();
    metadata.retain(|key, value| {
        items
            .iter()
            .all(|item| item.event.metadata.get(key) == Some(value))
    });
    metadata
}

/// The first line of a text, if it is not too long.
pub fn excerpt(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests;
