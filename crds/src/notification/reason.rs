//! Reasons of the conditions of Receivers and of the events on Alerts, besides the common ones.

/// The Receiver has been set up.
pub const INITIALIZED: &str = "Initialized";
/// The Receiver's Secret, or the token in it, does not exist.
pub const TOKEN_NOT_FOUND: &str = "TokenNotFound";
/// Fields of the Receiver contradict each other.
pub const VALIDATION_FAILED: &str = "ValidationFailed";

/// Event: a notification could not be sent.
pub const NOTIFICATION_DISPATCH_FAILED: &str = "NotificationDispatchFailed";
/// Event: a regular expression of the Alert cannot be used.
pub const INVALID_CONFIG: &str = "InvalidConfig";
/// Event: the object of an event could not be read to compare its labels.
pub const SOURCE_FETCH_FAILED: &str = "SourceFetchFailed";
/// Event: a piece of metadata comes from more than one place.
pub const METADATA_APPEND_FAILED: &str = "MetadataAppendFailed";
/// Event: what an older version left on the object was removed.
pub const MIGRATION: &str = "Migration";
