//! Condition types of HelmReleases, besides the common ones.

/// The last install or upgrade worked, or did not.
pub const RELEASED: &str = "Released";
/// The release's tests passed, or did not; there only if tests are asked for.
pub const TEST_SUCCESS: &str = "TestSuccess";
/// A failed release was rolled back or uninstalled.
pub const REMEDIATED: &str = "Remediated";
/// The cluster is not as the release left it.
pub const DRIFTED: &str = "Drifted";
