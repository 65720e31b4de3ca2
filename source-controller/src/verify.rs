//! Signatures of what is in registries, and of charts: whose must be there, and whether one is.
//!
//! 1. [`Policy::read`] (I/O) reads the Secrets that a spec names, or asks [`PublicRoot`]; [`Policy`] is what they say.
//! 2. [`verify`] (I/O) fetches what claims to be a signature; whether it is one is decided by pure code below.
//!
//! What a chart's provenance file says needs no registry: [`provenance::check`] is pure.
//!
//! Nothing is verified unless something was found that is: every way out but one says so.

mod certificate;
mod cosign;
mod der;
mod key;
mod notation;
mod policy;
pub mod provenance;
mod public_root;
mod timestamp;

pub use policy::{Asked, Policy};
pub use public_root::{Place, PublicRoot};

use crate::oci::{OciError, Registry, Repository};
use jiff::Timestamp;
use std::time::Duration;
use thiserror::Error;

/// What became of a verification that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A signature is right.
    Verified,
    /// The policy says that none is needed, or that a wrong one does no harm.
    Ignored,
}

/// Why an artifact is not verified.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// What the verification needs cannot be read, or says nothing.
    #[error("{0}")]
    Policy(String),
    /// The registry could not be asked.
    #[error("cannot read the signatures of '{reference}'")]
    Registry {
        /// Of what.
        reference: String,
        /// Why.
        #[source]
        source: OciError,
    },
    /// There is no signature that is right. What was wrong with each that is there is told.
    #[error("no matching signatures were found for '{reference}'{}", told(.problems))]
    NoMatch {
        /// Of what.
        reference: String,
        /// What was wrong.
        problems: Vec<String>,
    },
}

impl VerifyError {
    /// How long the registry asks not to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Registry { source, .. } => source.retry_after(),
            Self::Policy(_) | Self::NoMatch { .. } => None,
        }
    }
}

/// So many problems are told.
const MAX_TOLD: usize = 4;

/// Checks that the artifact with a digest bears a signature as the policy wants it, at a moment.
///
/// # Errors
/// See [`VerifyError`].
pub async fn verify(
    registry: &Registry,
    repository: &Repository,
    digest: &str,
    policy: &Policy,
    now: Timestamp,
) -> Result<Verdict, VerifyError> {
    match policy {
        Policy::Cosign(trust) => cosign::verify(registry, repository, digest, trust).await,
        Policy::Notation(policy) => notation::verify(registry, repository, digest, policy, now).await,
    }
}

/// An artifact as messages name it.
fn reference(repository: &Repository, digest: &str) -> String {
    format!("{repository}@{digest}")
}

fn told(problems: &[String]) -> String {
    let told: Vec<&str> = problems.iter().take(MAX_TOLD).map(String::as_str).collect();
    match told.len() {
        0 => String::new(),
        _ => format!(": {}", told.join("; ")),
    }
}

#[cfg(test)]
mod tests;
