//! The shell round every reconcile, written once: process, watches, queue, status, events, identity, access.

pub mod access;
pub mod acting;
pub mod admin;
pub mod args;
pub mod client;
pub mod conditions;
pub mod configs;
pub mod dependency;
pub mod events;
pub mod fetch;
pub mod lease;
pub mod metrics;
pub mod name;
pub mod process;
pub mod queue;
pub mod reconciler;
pub mod requeue;
pub mod server;
pub mod shell;
pub mod source;
pub mod status;
pub mod telemetry;
pub mod watch;

/// The namespace and name of an object of a kind that the context tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

impl Key {
    /// A key from its two parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The key of an object; a cluster-scoped one has an empty namespace.
    pub fn of<K: kube::Resource>(object: &K) -> Self {
        let meta = object.meta();
        Self::new(
            meta.namespace.clone().unwrap_or_default(),
            meta.name.clone().unwrap_or_default(),
        )
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
