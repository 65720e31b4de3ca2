//! source-controller.

pub mod ignore;
pub mod semver;
