//! From an event to what a service is sent, and how: one room a service.

use crate::{event::Event, provider::Service};
use runtime::Key;
use std::time::Duration;

/// What is to be told, in whose name.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// What happened, with the metadata that the alert has put together (Flux `Alert`, precedence of metadata).
    pub event: &'a Event,
    /// The alert that wants it told.
    pub alert: &'a Key,
    /// The alert's uid.
    pub alert_uid: &'a str,
    /// The same for the same event and alert, however often it is sent; for services that take such a key.
    pub idempotency_key: &'a str,
}

/// What came of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The service has it.
    Delivered,
    /// It is none that this service is told of, for the reason given.
    Skipped(&'static str),
}

/// Why a message was not delivered. The text holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DeliveryError {
    /// What failed, and what to do about it.
    pub message: String,
    /// Whether to try again.
    pub again: Again,
}

/// Whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// This event cannot be told to this service, ever; others can.
    Never,
    /// After a while of our own choice: nothing gets through at the moment.
    Later,
    /// Not before this time has passed, as the service says (RFC 9110, `Retry-After`).
    After(Duration),
}

/// Tells a service of an event, within the service's timeout.
///
/// # Errors
/// What failed, and whether to try again.
pub async fn deliver(service: &Service, letter: Letter<'_>) -> Result<Sent, DeliveryError> {
    let _ = (service, letter);
    Err(DeliveryError {
        message: "no service is there yet".into(),
        again: Again::Never,
    })
}
