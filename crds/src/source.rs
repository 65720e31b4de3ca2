//! The kinds of `source.toolkit.fluxcd.io/v1`: where configuration comes from.

mod git_repository;

pub mod condition;
pub mod reason;

pub use git_repository::{
    GitInclude, GitProvider, GitReference, GitRepository, GitRepositorySpec, GitRepositoryStatus,
    GitVerification, GitVerificationMode,
};

/// The API group of all sources.
pub const GROUP: &str = "source.toolkit.fluxcd.io";
