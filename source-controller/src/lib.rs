//! source-controller.

pub mod git;
pub mod ignore;
pub mod semver;
