//! One message of what belongs together: the same alert, kind of object, reason and severity. Pure.

use crate::{
    event::{CHANGE_REQUEST, COMMIT, Event, Severity},
    outbox::Item,
};
use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

/// What messages have in common that are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Like {
    alert_uid: String,
    kind: String,
    reason: String,
    severity: Severity,
}

impl Like {
    /// What a message has in common with its like.
    pub fn of(item: &Item) -> Self {
        Self {
            alert_uid: item.alert_uid.clone(),
            kind: item.event.kind().to_owned(),
            reason: item.event.reason.clone(),
            severity: item.event.severity,
        }
    }
}

/// So many objects are named; of the others, the number is.
const NAMED: usize = 20;
/// So much of each object's own text is told, in characters.
const EXCERPT: usize = 200;

/// The messages as one: about the first object, with all objects and their texts listed; none of none. Metadata is kept that
/// all agree on.
pub fn together(items: &[Arc<Item>]) -> Option<Item> {
    let (first, others) = items.split_first()?;
    if others.is_empty() {
        return Some(Item::clone(first));
    }
    let mut item = Item::clone(first);
    item.event.message = listed(items);
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

fn listed(items: &[Arc<Item>]) -> String {
    let mut latest: Vec<&Event> = Vec::new();
    for item in items {
        let same =
            |event: &&Event| event.name() == item.event.name() && event.namespace() == item.event.namespace();
        match latest.iter().position(same) {
            Some(at) => latest[at] = &item.event,
            None => latest.push(&item.event),
        }
    }
    let (kind, reason) = (items[0].event.kind(), &items[0].event.reason);
    let same_text = latest.iter().all(|event| event.message == latest[0].message);
    let mut text = format!("{} {kind} objects: {reason}", latest.len());
    if same_text {
        let _ = write!(text, ": {}", excerpt(&latest[0].message));
    }
    for event in latest.iter().take(NAMED) {
        let _ = write!(text, "\n- {}/{}", event.namespace(), event.name());
        if !same_text {
            let _ = write!(text, ": {}", excerpt(&event.message));
        }
    }
    if latest.len() > NAMED {
        let _ = write!(text, "\n- and {} more", latest.len() - NAMED);
    }
    text
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

fn excerpt(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}
