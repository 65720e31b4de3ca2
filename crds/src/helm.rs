//! The kind of `helm.toolkit.fluxcd.io/v2`: which chart to release, and how.

mod action;
mod chart;
mod helm_release;
mod post_render;
mod remediation;
mod snapshot;
mod status;
mod values;

pub mod condition;
pub mod reason;

pub use action::{
    ChartNameChangeStrategy, CrdsPolicy, DeletionPropagation, Install, Rollback, ServerSideApplyMode, Test,
    TestFilter, Uninstall, Upgrade,
};
pub use chart::{
    ChartReference, ChartReferenceKind, ChartSource, ChartTemplate, ChartTemplateMetadata, ChartTemplateSpec,
    ChartTemplateVerification,
};
pub use helm_release::{
    DriftDetection, DriftMode, HelmRelease, HelmReleaseSpec, WaitStrategy, WaitStrategyName,
};
pub use post_render::{Kustomize, PostRenderStrategy, PostRenderer};
pub use remediation::{
    ActionStrategy, ActionStrategyName, InstallRemediation, RemediationStrategy, UpgradeRemediation,
};
pub use snapshot::{ReleaseAction, Snapshot, TestHookStatus};
pub use status::{AttemptedAction, HelmReleaseStatus};
pub use values::{ValuesKind, ValuesReference};

/// The API group of HelmReleases.
pub const GROUP: &str = "helm.toolkit.fluxcd.io";
