//! Values that may be used but never shown.

use std::fmt;

use sha2::{Digest, Sha256};

/// Bytes of a Secret: Debug gives no content, and there is no Display.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes into custody.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Secret {
        Secret(bytes.into())
    }

    /// The bytes, for the one place that sends or parses them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// A fingerprint: equal for equal secrets, and says nothing else.
    pub(super) fn fingerprint(&self, into: &mut Sha256) {
        into.update((self.0.len() as u64).to_be_bytes());
        into.update(&self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
