//! The kinds of `notification.toolkit.fluxcd.io`: who is told what, and who may ask for a reconciliation.

mod alert;
mod provider;
mod receiver;

pub mod reason;

pub use alert::{
    Alert, AlertSpec, AlertStatus, DeliveryFailure, EventSeverity, Grouping, ObjectKind, ObjectSelector,
};
pub use provider::{Provider, ProviderSpec, ProviderType};
pub use receiver::{
    OidcProvider, OidcValidation, OidcVariable, Receiver, ReceiverResource, ReceiverSpec, ReceiverStatus,
    ReceiverType,
};

/// The API group of alerts, providers and receivers.
pub const GROUP: &str = "notification.toolkit.fluxcd.io";
