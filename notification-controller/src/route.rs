//! Which alerts want an event, and what they make of it: pure.

mod patterns;
mod table;

use crate::event::{Event, SUMMARY, Severity};
use crds::{
    meta::EVENT_PREFIX,
    notification::{Alert, EventSeverity, ObjectSelector, reason},
};
use kube::ResourceExt as _;
use patterns::Patterns;
use runtime::{Key, access::Access};
use std::{collections::BTreeMap, time::Duration};
pub use table::{NAMESPACE_BYTES, Table};

/// An alert as events meet it.
#[derive(Debug, Clone)]
pub struct Route {
    /// The alert.
    pub alert: Key,
    /// The alert's uid.
    pub uid: String,
    /// The Provider that its messages go to.
    pub provider: Key,
    /// For how long messages are held back to be put together, if they are.
    pub window: Option<Duration>,
    /// How often what is no failure is summed up, if it is.
    pub digest: Option<Duration>,
    sources: Vec<ObjectSelector>,
    severity: EventSeverity,
    inclusions: Option<Patterns>,
    exclusions: Patterns,
    metadata: BTreeMap<String, String>,
    summary: Option<String>,
}

/// Something wrong with an alert, to be said on it: a reason and a text.
pub type Complaint = (&'static str, String);

impl Route {
    /// The route that an alert describes; none if it is suspended, or its patterns are too large. What is wrong with it is told beside:
    /// a pattern that is none is left out (Flux), and so is a source that may not be referred to.
    pub fn of(alert: &Alert, access: Access) -> (Option<Self>, Vec<Complaint>) {
        let (spec, key) = (&alert.spec, Key::of(alert));
        if spec.suspend {
            return (None, Vec::new());
        }
        let mut complaints = Vec::new();
        let mut compiled = |patterns: &[String], list: &str| {
            let (compiled, malformed) = Patterns::of(patterns);
            let malformed = malformed
                .into_iter()
                .map(|(pattern, problem)| format!("failed to compile {list} pattern '{pattern}': {problem}"));
            complaints.extend(first(malformed, "malformed patterns"));
            if compiled.is_err() {
                let text = format!(
                    "the patterns of {list} have more than {} bytes, or take more than {} when they are compiled; nothing is told",
                    re2::LARGEST,
                    patterns::LIST_BYTES
                );
                complaints.push((reason::INVALID_CONFIG, text));
            }
            compiled.ok()
        };
        let inclusions = compiled(&spec.inclusion_list, "inclusionList");
        let exclusions = compiled(&spec.exclusion_list, "exclusionList");
        let Some((inclusions, exclusions)) = inclusions.zip(exclusions) else {
            return (None, complaints);
        };
        let mut span = |field: &str, most: Duration| {
            let grouping = spec.grouping.as_ref()?;
            let text = if field == "digest" {
                &grouping.digest
            } else {
                &grouping.window
            };
            match text.as_ref()?.get() {
                Ok(span) => (!span.is_zero()).then(|| span.min(most)),
                Err(error) => {
                    complaints.push((reason::INVALID_CONFIG, format!("spec.grouping.{field}: {error}")));
                    None
                }
            }
        };
        let (window, digest) = (span("window", LONGEST_WINDOW), span("digest", LONGEST_DIGEST));
        let (mut sources, mut denied) = (Vec::new(), Vec::new());
        for source in &spec.event_sources {
            let namespace = source.namespace.as_deref().unwrap_or(&key.namespace);
            if access.no_cross_namespace_refs && namespace != key.namespace {
                let text = format!(
                    "alert '{key}' can't process event from '{}/{namespace}/{}', cross-namespace references have been disabled",
                    source.kind.as_str(),
                    source.name
                );
                denied.push(text);
                continue;
            }
            let mut source = source.clone();
            source.namespace = Some(namespace.to_owned());
            sources.push(source);
        }
        complaints.extend(first(denied, "such sources"));
        let route = Self {
            uid: alert.uid().unwrap_or_default(),
            provider: Key::new(key.namespace.clone(), spec.provider_ref.name.clone()),
            alert: key,
            window,
            digest,
            sources,
            severity: spec.event_severity.unwrap_or_default(),
            inclusions: (!spec.inclusion_list.is_empty()).then_some(inclusions),
            exclusions,
            metadata: spec.event_metadata.clone(),
            summary: spec.summary.clone().filter(|summary| !summary.is_empty()),
        };
        (Some(route), complaints)
    }

    /// Whether the alert wants an event, as far as its object and severity say; the selectors by label that still have to hold, of
    /// which one is enough. None wanted: no selector. Whether its text passes has to be asked as well.
    pub fn candidates<'a>(&'a self, event: &Event) -> Vec<&'a ObjectSelector> {
        let is_severe = self.severity != EventSeverity::Error || event.severity == Severity::Error;
        let wanted = self.sources.iter().filter(|source| {
            is_severe
                && source.kind.as_str() == event.kind()
                && source.namespace.as_deref() == Some(event.namespace())
                && (source.name == "*" || source.name == event.name())
        });
        wanted.collect()
    }

    /// Whether the lists of patterns let a text pass, of which they see the beginning. It takes the processor as long as
    /// [`Self::effort`] says.
    pub fn passes(&self, text: &str) -> bool {
        let text = seen(text);
        let inclusions = self.inclusions.as_ref();
        !self.exclusions.find(text) && inclusions.is_none_or(|inclusions| inclusions.find(text))
    }

    /// How long it may take to ask whether a text passes, at the most: with ten million it is a millisecond or two.
    pub fn effort(&self, text: &str) -> usize {
        self.weight() * seen(text).len()
    }

    /// How many bytes its patterns take.
    pub fn weight(&self) -> usize {
        self.inclusions.as_ref().map_or(0, Patterns::weight) + self.exclusions.weight()
    }

    /// The event as this alert has it told, and what its metadata contradicts itself in: for each key, who says what.
    ///
    /// From low to high: the object's annotations, `spec.eventMetadata`, `spec.summary`, the controller (Flux).
    pub fn dressed(&self, event: &Event) -> (Event, Vec<(String, String)>) {
        let group = event.group();
        let mut sources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut metadata = BTreeMap::new();
        let mut put = |key: &'_ str, value: &str| metadata.insert(key.to_owned(), value.to_owned());
        let own = event
            .metadata
            .iter()
            .filter_map(|(key, value)| key.strip_prefix(EVENT_PREFIX).map(|key| (key, value)));
        let controllers = event.metadata.iter().filter_map(|(key, value)| {
            let key = key.strip_prefix(group)?.strip_prefix('/')?;
            (!group.is_empty() && !UNTOLD.contains(&key)).then_some((key, value))
        });
        for (key, value) in own {
            put(key, value);
            sources
                .entry(key)
                .or_default()
                .push("involved object annotations");
        }
        for (key, value) in &self.metadata {
            put(key, value);
            sources
                .entry(key)
                .or_default()
                .push("Alert object .spec.eventMetadata");
        }
        if let Some(summary) = &self.summary {
            put(SUMMARY, summary);
            sources
                .entry(SUMMARY)
                .or_default()
                .push("Alert object .spec.summary");
        }
        for (key, value) in controllers {
            put(key, value);
            sources
                .entry(key)
                .or_default()
                .push("involved object controller metadata");
        }
        let contradictions = sources
            .into_iter()
            .filter(|(_, said)| said.len() > 1)
            .map(|(key, said)| (key.to_owned(), said.join(", ")))
            .collect();
        let mut event = event.clone();
        event.metadata = metadata;
        (event, contradictions)
    }
}

/// So many complaints of a kind are told of a state of an alert: its lists may have ten thousand.
const COMPLAINTS: usize = 10;

/// The first complaints of a kind, and how many there are besides.
fn first(all: impl IntoIterator<Item = String>, what: &str) -> Vec<Complaint> {
    let mut all = all.into_iter();
    let mut told: Vec<String> = all.by_ref().take(COMPLAINTS).collect();
    let others = all.count();
    if others > 0 {
        told.push(format!("{others} more {what} are left out"));
    }
    told.into_iter()
        .map(|text| (reason::INVALID_CONFIG, text))
        .collect()
}

/// Whether an object with these labels is meant by one of the selectors.
pub fn labelled<'a>(
    selectors: impl IntoIterator<Item = &'a ObjectSelector>,
    labels: &BTreeMap<String, String>,
) -> bool {
    selectors.into_iter().any(|selector| {
        let mut wanted = selector.match_labels.iter();
        wanted.all(|(key, value)| labels.get(key) == Some(value))
    })
}

fn seen(text: &str) -> &str {
    &text[..text.floor_char_boundary(SEEN)]
}

/// So much of a text meets patterns, in bytes: all of what our own controllers tell.
const SEEN: usize = 6 << 10;
/// What the controller says for machines, not for people (Flux).
const UNTOLD: [&str; 3] = ["checksum", "digest", "token"];
/// The longest time that messages are held back to be put together.
const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// The longest time that is summed up.
const LONGEST_DIGEST: Duration = Duration::from_secs(7 * 24 * 3600);

#[cfg(test)]
mod tests;
