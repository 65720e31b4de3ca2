//! Kubernetes Events on the objects they concern, as Flux's controllers write them; repeated ones are counted.

use crate::telemetry::chain;
use crds::meta::{Message, MessageSeverity, cut};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event as CoreEvent, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams, PostParams},
};
use std::{
    collections::{BTreeMap, HashMap, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};
use tracing::warn;

/// How serious an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something happened as it should.
    Normal,
    /// Something failed.
    Warning,
    /// Of interest to who looks at the object, and nobody else: a Kubernetes Event, and no message.
    Trace,
}

/// Something to tell about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// How serious it is.
    pub severity: Severity,
    /// The reason in one CamelCase word, the same as on the condition.
    pub reason: String,
    /// What happened, for people.
    pub message: String,
    /// Annotations of the event, with the API group as prefix of the keys.
    pub metadata: BTreeMap<String, String>,
}

impl Event {
    /// A normal event.
    pub fn normal(reason: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Normal,
            reason: reason.into(),
            message: message.into(),
            metadata: BTreeMap::new(),
        }
    }

    /// A warning.
    pub fn warning(reason: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::normal(reason, message)
        }
    }

    /// An event that nobody is notified of.
    pub fn trace(reason: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Trace,
            ..Self::normal(reason, message)
        }
    }

    /// The event as the status keeps it; none if nobody is notified of it.
    pub(crate) fn message(&self, time: Time) -> Option<Message> {
        let severity = match self.severity {
            Severity::Normal => MessageSeverity::Info,
            Severity::Warning => MessageSeverity::Error,
            Severity::Trace => return None,
        };
        Some(Message {
            ends_failure: false,
            message: self.message.clone(),
            metadata: self.metadata.clone(),
            over: false,
            reason: self.reason.clone(),
            sequence: 0,
            severity,
            time,
        })
    }

    /// The event with one more annotation.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }
}

/// The object that an event is about.
pub type Subject = ObjectReference;

/// The subject for an object's kind and metadata.
pub fn subject<K: Resource<DynamicType = ()>>(meta: &ObjectMeta) -> Subject {
    Subject {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
        ..Default::default()
    }
}

/// Repetitions within this time are counted on the first event (client-go's correlator uses the same).
const WINDOW: Duration = Duration::from_secs(600);
/// How many recent events are remembered.
const REMEMBERED: usize = 4096;
/// The API server's limit on an event's message, in bytes.
const MESSAGE_LIMIT: usize = 1024;

/// Writes events in the name of one controller, one after the other, beside the passes that they tell of.
#[derive(Debug, Clone)]
pub struct Recorder {
    waiting: mpsc::Sender<(Subject, Event)>,
    unwritten: Arc<AtomicUsize>,
}

/// So many events may wait to be written; further ones are logged and dropped: the status has the truth.
const WAITING: usize = 4096;

impl Recorder {
    /// A recorder that signs as `component`. Must be made inside a tokio runtime.
    pub fn new(client: Client, component: &str) -> Self {
        let (waiting, mut events) = mpsc::channel::<(Subject, Event)>(WAITING);
        let writer = Writer {
            client,
            component: component.to_owned(),
            recent: Mutex::default(),
        };
        let unwritten = Arc::new(AtomicUsize::new(0));
        let left = unwritten.clone();
        tokio::spawn(async move {
            while let Some((subject, event)) = events.recv().await {
                writer.write(&subject, &event).await;
                left.fetch_sub(1, Ordering::AcqRel);
            }
        });
        Self { waiting, unwritten }
    }

    /// Has an event about an object written soon. A failure is logged and otherwise without effect.
    pub fn publish(&self, subject: Subject, event: Event) {
        self.unwritten.fetch_add(1, Ordering::AcqRel);
        if let Err(error) = self.waiting.try_send((subject, event)) {
            self.unwritten.fetch_sub(1, Ordering::AcqRel);
            warn!(error = chain(&error), "an event is not written");
        }
    }

    /// Waits until what was published so far is written, at most `limit`.
    pub async fn flush(&self, limit: Duration) {
        let written = async {
            while self.unwritten.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(limit, written).await;
    }
}

struct Writer {
    client: Client,
    component: String,
    recent: Mutex<HashMap<u64, Recent>>,
}

struct Recent {
    name: String,
    count: i32,
    first: Instant,
}

impl Writer {
    async fn write(&self, subject: &Subject, event: &Event) {
        let fingerprint = fingerprint(subject, event);
        let (namespace, object) = (
            subject.namespace.as_deref().unwrap_or("default"),
            subject.name.as_deref().unwrap_or_default(),
        );
        let api: Api<CoreEvent> = Api::namespaced(self.client.clone(), namespace);
        let now = Time(Timestamp::now());
        let answer = match self.repeated(fingerprint) {
            Some((name, count)) => {
                let body = serde_json::json!({"count": count, "lastTimestamp": now});
                api.patch(&name, &PatchParams::default(), &Patch::Merge(body))
                    .await
                    .map(|_| ())
            }
            None => {
                let name = format!("{object}.{:x}", Timestamp::now().as_nanosecond());
                self.remember(fingerprint, name.clone());
                api.create(
                    &PostParams::default(),
                    &core_event(&self.component, subject, event, name, now),
                )
                .await
                .map(|_| ())
            }
        };
        if let Err(error) = answer {
            self.lock().remove(&fingerprint);
            warn!(
                namespace,
                name = object,
                reason = event.reason,
                error = chain(&error),
                "cannot write the event"
            );
        }
    }

    /// The name and new count of the same event, if it was written lately.
    fn repeated(&self, fingerprint: u64) -> Option<(String, i32)> {
        let mut recent = self.lock();
        let known = recent
            .get_mut(&fingerprint)
            .filter(|r| r.first.elapsed() < WINDOW)?;
        known.count = known.count.saturating_add(1);
        Some((known.name.clone(), known.count))
    }

    fn remember(&self, fingerprint: u64, name: String) {
        let mut recent = self.lock();
        if recent.len() >= REMEMBERED {
            recent.retain(|_, r| r.first.elapsed() < WINDOW);
            if recent.len() >= REMEMBERED {
                recent.clear();
            }
        }
        recent.insert(
            fingerprint,
            Recent {
                name,
                count: 1,
                first: Instant::now(),
            },
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Recent>> {
        self.recent
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn core_event(component: &str, subject: &Subject, event: &Event, name: String, now: Time) -> CoreEvent {
    CoreEvent {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: subject.namespace.clone(),
            annotations: (!event.metadata.is_empty()).then(|| event.metadata.clone()),
            ..Default::default()
        },
        involved_object: subject.clone(),
        type_: Some(match event.severity {
            Severity::Normal | Severity::Trace => "Normal".into(),
            Severity::Warning => "Warning".into(),
        }),
        reason: Some(event.reason.clone()),
        message: Some(cut(event.message.clone(), MESSAGE_LIMIT)),
        count: Some(1),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        source: Some(EventSource {
            component: Some(component.to_owned()),
            ..Default::default()
        }),
        reporting_component: Some(component.to_owned()),
        ..Default::default()
    }
}

fn fingerprint(subject: &Subject, event: &Event) -> u64 {
    let mut hash = DefaultHasher::new();
    (
        &subject.kind,
        &subject.uid,
        &event.reason,
        &event.message,
        &event.metadata,
    )
        .hash(&mut hash);
    hash.finish()
}
