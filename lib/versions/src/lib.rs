//! Versions and ranges of them by the rules of Masterminds/semver 3, which Flux and Helm share. PURE.

mod range;
mod version;

pub use range::{Range, RangeError};
pub use version::{Version, VersionError};
