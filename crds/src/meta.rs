//! The words that every kind uses: conditions, durations, references, artifacts, inventories.

use std::fmt::Debug;

use kube::core::NamespaceResourceScope;
use serde::{Serialize, de::DeserializeOwned};

mod artifact;
mod condition;
mod duration;
mod inventory;
mod message;
mod reference;
mod revision;
mod text;
mod words;

pub use artifact::{Artifact, Digest, DigestError};
pub use condition::{Condition, ConditionStatus, MESSAGE_LIMIT, reason};
pub use condition::{READY, RECONCILING, STALLED};
pub use duration::{Duration, DurationError, format_go, parse_go};
pub(crate) use duration::{HOURS, MINUTES};
pub use inventory::{Inventory, InventoryEntry, ObjectId, ObjectIdError};
pub use message::{Left, Message, MessageSeverity, add_messages};
pub use reference::{
    CommonMetadata, CustomHealthCheck, DependencyReference, IgnoreRule, Image, KubeConfigReference,
    LocalReference, NamespacedReference, Patch, SecretKeyReference, Selector,
};
pub use revision::{Revision, RevisionError};
pub use text::cut;
pub use words::*;

/// The status fields that every reconciled kind has.
pub trait ObjectStatus {
    /// The conditions, in the order in which they are stored.
    fn conditions(&self) -> &[Condition];
    /// The conditions, to be changed in place.
    fn conditions_mut(&mut self) -> &mut Vec<Condition>;
    /// The last `metadata.generation` that was reconciled; `-1` when none was, `0` when the field is absent.
    fn observed_generation(&self) -> i64;
    /// Records the `metadata.generation` that was reconciled.
    fn set_observed_generation(&mut self, generation: i64);
    /// The last handled value of the annotation [`REQUESTED_AT`].
    fn last_handled_reconcile_at(&self) -> Option<&str>;
    /// Records the value of the annotation [`REQUESTED_AT`] that was handled; `None` removes it.
    fn set_last_handled_reconcile_at(&mut self, value: Option<String>);
    /// What was told about the object lately, oldest first.
    fn messages(&self) -> &[Message];
    /// What was told, to be added to with [`add_messages`].
    fn messages_mut(&mut self) -> &mut Vec<Message>;

    /// The condition of this type, if it is there.
    fn condition(&self, type_: &str) -> Option<&Condition> {
        self.conditions().iter().find(|c| c.type_ == type_)
    }
}

/// A namespaced kind that one of the controllers reconciles and reports on.
pub trait FluxObject:
    kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// What is written to the status subresource.
    type Status: ObjectStatus
        + Default
        + Clone
        + Debug
        + PartialEq
        + Serialize
        + DeserializeOwned
        + Send
        + Sync;
    /// The API group, such as `source.toolkit.fluxcd.io`.
    const GROUP: &'static str;
    /// The API version, such as `v1`.
    const VERSION: &'static str;
    /// The kind, such as `GitRepository`.
    const KIND: &'static str;
    /// The finalizer that its objects carry.
    const FINALIZER: &'static str = FINALIZER;

    /// The status, if the object has one yet.
    fn status(&self) -> Option<&Self::Status>;
    /// The status, to be set or changed.
    fn status_mut(&mut self) -> &mut Option<Self::Status>;
    /// `spec.suspend`: the user wants this object left alone.
    fn suspended(&self) -> bool;
    /// `spec.interval`: how often to look again, if the object says so.
    fn interval(&self) -> Option<&Duration>;
}

/// Implements [`ObjectStatus`] and [`FluxObject`] for a kind whose status has the usual fields.
macro_rules! flux_object {
    ($kind:ident, $status:ident, $group:expr, $version:literal, interval: $interval:expr) => {
        impl $crate::meta::ObjectStatus for $status {
            fn conditions(&self) -> &[$crate::meta::Condition] {
                &self.conditions
            }
            fn conditions_mut(&mut self) -> &mut Vec<$crate::meta::Condition> {
                &mut self.conditions
            }
            fn observed_generation(&self) -> i64 {
                self.observed_generation
            }
            fn set_observed_generation(&mut self, generation: i64) {
                self.observed_generation = generation;
            }
            fn last_handled_reconcile_at(&self) -> Option<&str> {
                self.last_handled_reconcile_at.as_deref()
            }
            fn set_last_handled_reconcile_at(&mut self, value: Option<String>) {
                self.last_handled_reconcile_at = value;
            }
            fn messages(&self) -> &[$crate::meta::Message] {
                &self.messages
            }
            fn messages_mut(&mut self) -> &mut Vec<$crate::meta::Message> {
                &mut self.messages
            }
        }

        impl $crate::meta::FluxObject for $kind {
            type Status = $status;
            const GROUP: &'static str = $group;
            const VERSION: &'static str = $version;
            const KIND: &'static str = stringify!($kind);

            fn status(&self) -> Option<&$status> {
                self.status.as_ref()
            }
            fn status_mut(&mut self) -> &mut Option<$status> {
                &mut self.status
            }
            fn suspended(&self) -> bool {
                self.spec.suspend
            }
            fn interval(&self) -> Option<&$crate::meta::Duration> {
                let interval: fn(&Self) -> Option<&$crate::meta::Duration> = $interval;
                interval(self)
            }
        }
    };
}
pub(crate) use flux_object;

/// Whether an integer is absent from JSON, as Go's `omitempty` has it.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde's skip_serializing_if calls"
)]
pub(crate) fn is_zero(n: &i64) -> bool {
    *n == 0
}
