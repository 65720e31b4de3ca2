//! The kind of `kustomize.toolkit.fluxcd.io/v1`: what to apply from a source, and how.

mod kustomization;
mod status;

pub mod condition;
pub mod reason;

pub use kustomization::{
    BuildMetadata, Decryption, DecryptionProvider, DeletionPolicy, Kustomization, KustomizationSpec,
    PostBuild, SourceKind, SourceReference, SubstituteKind, SubstituteReference, SubstituteStrategy,
};
pub use status::{KustomizationStatus, Snapshot};

/// The API group of Kustomizations.
pub const GROUP: &str = "kustomize.toolkit.fluxcd.io";
