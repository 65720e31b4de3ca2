//! What is done to a chart's manifests after they are rendered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{Image, Patch};

/// One change to the rendered manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct PostRenderer {
    /// Change them with kustomize.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<Kustomize>,
}

/// What kustomize changes.
// The fields stand in Flux's order, which the digests of a HelmRelease's status depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Kustomize {
    /// Changes to the objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// Container images to use instead of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
}

/// What of a chart the post-renderers change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PostRenderStrategy {
    /// The manifests without the hooks.
    NoHooks,
    /// The manifests and the hooks, all at once.
    #[default]
    Combined,
    /// The manifests and the hooks, each on their own.
    Separate,
}
