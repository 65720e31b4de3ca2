//! What is no failure, gathered until it is told as one summary: a value for each alert, bounded whatever happens. Pure.

use crate::{
    cause,
    event::{Event, Severity},
    group::excerpt,
    message::cut,
    transition::Happened,
};
use crds::notification::{Alert, GROUP};
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time};
use kube::Resource as _;
use runtime::Key;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
};

/// The reason of the event that tells it.
pub const REASON: &str = "Digest";
/// Of so many objects the last message is kept: of those that were told of last.
const OBJECTS: usize = 100;
/// So many kinds and reasons are counted apart.
const COUNTED: usize = 50;
/// So long may a name or reason be, in characters; Kubernetes has none that are longer, but third parties may.
const NAME: usize = 200;
/// So large the summary may be, in bytes.
const TEXT: usize = 12 << 10;
/// What is counted together when there are too many kinds and reasons.
const OTHERS: &str = "others";

/// What was gathered for an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Digest {
    /// The alert's namespace.
    pub alert_namespace: String,
    /// The alert's name.
    pub alert_name: String,
    /// The alert's uid.
    pub alert_uid: String,
    /// When it began.
    pub since: Timestamp,
    /// How many messages there were of each kind and reason.
    counts: BTreeMap<String, u64>,
    /// The last message of each object, of the one that was told of last at the end.
    objects: VecDeque<Latest>,
    /// Whether there were objects that made room for others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    crowded: bool,
}

/// The last message of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Latest {
    object: String,
    key: String,
    time: Timestamp,
    line: String,
}

/// Whether something may wait for a digest: neither a failure nor its end.
pub fn may_wait(happened: &Happened) -> bool {
    happened.event.severity != Severity::Error && !happened.ends_failure
}

impl Digest {
    /// An empty one that begins now.
    pub fn new(alert: &Key, uid: &str, now: Timestamp) -> Self {
        Self {
            alert_namespace: alert.namespace.clone(),
            alert_name: alert.name.clone(),
            alert_uid: uid.to_owned(),
            since: now,
            counts: BTreeMap::new(),
            objects: VecDeque::new(),
            crowded: false,
        }
    }

    /// The alert.
    pub fn alert(&self) -> Key {
        Key::new(&*self.alert_namespace, &*self.alert_name)
    }

    /// Takes in what happened; whether it was news. A process that begins after a crash may take in again what the one before it
    /// had saved last.
    pub fn add(&mut self, happened: &Happened) -> bool {
        let event = &happened.event;
        let new = Latest {
            object: cut(&cause::subject(event), 3 * NAME),
            key: cut(&happened.key, NAME),
            time: event.timestamp.0,
            line: format!("{}: {}", cut(&event.reason, NAME), excerpt(&event.message)),
        };
        let known = self.objects.iter().position(|old| old.object == new.object);
        let old = known.and_then(|at| self.objects.remove(at));
        let is_news = old.is_none_or(|old| (old.key, old.time) != (new.key.clone(), new.time));
        self.objects.push_back(new);
        self.make_room();
        if is_news {
            self.count(
                format!("{} {}", cut(event.kind(), NAME), cut(&event.reason, NAME)),
                1,
            );
        }
        is_news
    }

    /// Takes in what was gathered for the same alert elsewhere, before this.
    pub fn absorb(&mut self, earlier: Self) {
        self.since = self.since.min(earlier.since);
        self.crowded |= earlier.crowded;
        for (what, count) in earlier.counts {
            self.count(what, count);
        }
        for latest in earlier.objects.into_iter().rev() {
            if !self.objects.iter().any(|new| new.object == latest.object) {
                self.objects.push_front(latest);
            }
        }
        self.make_room();
    }

    fn count(&mut self, what: String, more: u64) {
        let has_room = self.counts.len() < COUNTED || self.counts.contains_key(&what);
        let what = if has_room { what } else { OTHERS.to_owned() };
        let count = self.counts.entry(what).or_default();
        *count = count.saturating_add(more);
    }

    fn make_room(&mut self) {
        while self.objects.len() > OBJECTS {
            self.objects.pop_front();
            self.crowded = true;
        }
    }

    /// The same whenever it is told.
    pub fn key(&self) -> String {
        format!("digest/{}/{}", self.alert_uid, self.since.as_nanosecond())
    }

    /// The event that tells it: about the alert itself.
    pub fn event(&self, now: Timestamp, instance: &str) -> Event {
        Event {
            involved_object: ObjectReference {
                api_version: Some(Alert::api_version(&()).into_owned()),
                kind: Some(Alert::kind(&()).into_owned()),
                name: Some(self.alert_name.clone()),
                namespace: Some(self.alert_namespace.clone()),
                uid: Some(self.alert_uid.clone()),
                ..Default::default()
            },
            severity: Severity::Info,
            timestamp: Time(now),
            message: self.text(),
            reason: REASON.into(),
            metadata: BTreeMap::from([(format!("{GROUP}/count"), self.messages().to_string())]),
            reporting_controller: crate::NAMES.controller.into(),
            reporting_instance: instance.into(),
        }
    }

    fn messages(&self) -> u64 {
        self.counts
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How many there were of each kind and reason, most first, then the objects, last told of first.
    fn text(&self) -> String {
        let since = self.since.strftime("%Y-%m-%dT%H:%M:%SZ");
        let mut text = format!("{} messages since {since}", self.messages());
        let mut counts: Vec<_> = self.counts.iter().collect();
        // Stable: what is as frequent stays in the order of the alphabet.
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (what, count) in counts {
            let _ = write!(text, "\n{what}: {count}");
        }
        let mut told = 0;
        for Latest { object, line, .. } in self.objects.iter().rev() {
            let more = format!("\n- {object}: {line}");
            if text.len() + more.len() > TEXT {
                break;
            }
            text.push_str(&more);
            told += 1;
        }
        match (self.objects.len() - told, self.crowded) {
            (0, false) => {}
            (0, true) => text.push_str("\n- and others before"),
            (left, false) => drop(write!(text, "\n- and {left} more")),
            (left, true) => drop(write!(text, "\n- and {left} more, and others before")),
        }
        text
    }
}

#[cfg(test)]
mod tests;
