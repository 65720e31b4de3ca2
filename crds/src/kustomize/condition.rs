//! Condition types of Kustomizations, besides the common ones.

/// What was applied is healthy; there only while health checks are asked for.
pub const HEALTHY: &str = "Healthy";
