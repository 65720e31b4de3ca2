//! What a source hands to its consumers: where the bytes are, what they are, and their digest.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The outcome of a source's reconciliation, as its status names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Digest of the file, as `<algorithm>:<checksum>`.
    #[schemars(regex(pattern = r"^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$"))]
    pub digest: String,
    /// When the file was last written.
    #[schemars(schema_with = "crate::schema::date_time")]
    pub last_update_time: Time,
    /// Further facts from upstream, such as the annotations of an OCI manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// Path of the file below the root of the controller's storage.
    pub path: String,
    /// What upstream calls this version, traceable there: a Git commit, a chart version, a digest.
    pub revision: String,
    /// Size of the file in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// Where consumers download the file.
    pub url: String,
}

impl Artifact {
    /// The digest in its two parts.
    ///
    /// # Errors
    /// When the text has no algorithm or no checksum, or characters that neither may have.
    pub fn digest(&self) -> Result<Digest, DigestError> {
        self.digest.parse()
    }
}

/// A checksum and the algorithm that made it, in the form of the OCI image specification.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: String,
    checksum: String,
}

impl Digest {
    /// The algorithm, such as `sha256`.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The checksum; lower-case hexadecimal for all registered algorithms.
    pub fn checksum(&self) -> &str {
        &self.checksum
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, checksum) = text.split_once(':').ok_or(DigestError::NoAlgorithm)?;
        if !is_algorithm(algorithm) {
            return Err(DigestError::Algorithm);
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '=' | '_' | '-');
        if checksum.is_empty() || !checksum.chars().all(legal) {
            return Err(DigestError::Checksum);
        }
        Ok(Self {
            algorithm: algorithm.to_owned(),
            checksum: checksum.to_owned(),
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.checksum)
    }
}

/// Why a text is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no colon.
    #[error("digest lacks an algorithm such as sha256:")]
    NoAlgorithm,
    /// The algorithm is empty or has characters that no algorithm has.
    #[error("digest has a malformed algorithm")]
    Algorithm,
    /// The checksum is empty or has characters that no checksum has.
    #[error("digest has a malformed checksum")]
    Checksum,
}

/// Whether the text is a name of the form `sha256` or `sha512-256`.
pub(super) fn is_algorithm(text: &str) -> bool {
    text.split(['.', '+', '_', '-'])
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}
