//! `helm template` as a function: a chart and values in, manifests and hooks out.
//!
//! Agrees with Helm 4 byte for byte. It runs no program and reads nothing: the clock, randomness and the cluster are
//! handed in ([`Environment`]); templates run within [`Limits`].

mod capabilities;
mod chart;
mod dependencies;
mod environment;
mod error;
mod explain;
mod funcs;
mod glob;
mod hooks;
pub mod index;
mod json;
pub mod manifest;
mod package;
pub mod release;
mod render;
mod stack;
mod template;
pub mod values;

pub use capabilities::{Capabilities, HelmVersion, KubeVersion};
pub use chart::{ArchiveLimits, Chart, Crd, Dependency, File, Maintainer, Metadata, is_ignored};
pub use environment::Environment;
pub use error::Error;
pub use hooks::{Event, Hook, is_kept};
pub use manifest::Manifest;
pub use package::package;
pub use render::{Options, Rendered, Templates, crds, render, render_templates};
pub use template::run::Limits;
