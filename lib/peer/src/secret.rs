//! Values that may be used but never shown.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

/// Bytes of a Secret: Debug gives no content, and there is no Display.
#[derive(Clone, Default, PartialEq, Eq)]
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

    /// The bytes as text without white space around them, if they are UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok().map(str::trim)
    }

    /// Whether there is nothing but white space.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.0.trim_ascii().is_empty()
    }

    /// A fingerprint: equal for equal secrets, and says nothing else.
    pub fn fingerprint(&self, into: &mut Sha256) {
        into.update((self.0.len() as u64).to_be_bytes());
        into.update(&self.0);
    }
}

/// A Kubernetes Secret that a source names.
#[derive(Debug, Clone, Copy)]
pub struct Credentials<'a> {
    /// `namespace/name`, for messages.
    pub name: &'a str,
    /// The Secret's `data`, decoded from base64.
    pub data: &'a BTreeMap<String, Vec<u8>>,
}

impl<'a> Credentials<'a> {
    /// Whether a key is there with a value.
    pub fn has(&self, key: &str) -> bool {
        self.data.get(key).is_some_and(|value| !value.is_empty())
    }

    /// A value as text, if the key is there.
    ///
    /// # Errors
    /// A value that is not UTF-8.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, NotText> {
        let Some(bytes) = self.data.get(key) else {
            return Ok(None);
        };
        let not_text = |_| NotText {
            key: key.to_owned(),
            secret: self.name.to_owned(),
        };
        std::str::from_utf8(bytes).map(Some).map_err(not_text)
    }
}

/// A value that should be text is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{key}' in secret '{secret}' is not valid UTF-8")]
pub struct NotText {
    /// The key.
    pub key: String,
    /// `namespace/name`.
    pub secret: String,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_printed() {
        assert_eq!(format!("{:?}", Secret::new("x")), "[redacted]");
    }
}
