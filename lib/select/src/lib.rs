//! Selecting objects: Kubernetes' selectors for labels, and patterns for a whole text. PURE.

mod labels;
mod pattern;

pub use labels::{LabelSelector, SelectorError};
pub use pattern::{Pattern, PatternError};
