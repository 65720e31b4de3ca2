//! PURE: what is kept of a live object.

use crate::{
    fields::{Owners, Ownership},
    health::{self, Health},
    toggles::Toggles,
};
use runtime::Key;
use serde_json::Value;

/// The labels by which an object names the Flux object that it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct OwnerLabels {
    /// The label with the owner's name.
    pub name: &'static str,
    /// The label with the owner's namespace.
    pub namespace: &'static str,
}

/// A live object, reduced to what decisions need: a few hundred bytes, whatever its size.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Its namespace (or empty) and name.
    pub key: Key,
    /// Its identity over time.
    pub uid: String,
    /// Its resource version, an increasing number (Kubernetes 1.35).
    pub version: u64,
    /// Who owns its fields.
    pub owners: Owners,
    /// What its labels and annotations ask of us.
    pub toggles: Toggles,
    /// The owner that its labels name.
    pub owner: Option<Key>,
    /// How it is doing.
    pub health: Health,
    /// It is being deleted.
    pub deleting: bool,
}

impl Live {
    /// Reduces a live object; `None` when it has no name or version, which the API server never shows.
    pub fn of(object: &Value, ownership: &Ownership, owner: OwnerLabels) -> Option<Self> {
        let meta = object.get("metadata")?;
        let text = |key: &str| meta.get(key).and_then(Value::as_str);
        let label = |key: &str| {
            meta.get("labels")
                .and_then(|l| l.get(key))
                .and_then(Value::as_str)
        };
        Some(Self {
            key: Key::new(text("namespace").unwrap_or_default(), text("name")?),
            uid: text("uid").unwrap_or_default().to_owned(),
            version: text("resourceVersion")?.parse().ok()?,
            owners: ownership.read(object),
            toggles: Toggles::of(object),
            owner: label(owner.namespace)
                .zip(label(owner.name))
                .map(|(namespace, name)| Key::new(namespace, name)),
            health: health::of(object),
            deleting: text("deletionTimestamp").is_some(),
        })
    }
}
