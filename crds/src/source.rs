//! The kinds of `source.toolkit.fluxcd.io/v1`: where configuration comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{Artifact, FluxObject};

mod bucket;
mod external_artifact;
mod git_repository;
mod helm_chart;
mod helm_repository;
mod oci_repository;
mod verification;

pub mod condition;
pub mod reason;

pub use bucket::{Bucket, BucketProvider, BucketSpec, BucketStatus, BucketSts, StsProvider};
pub use external_artifact::{ExternalArtifact, ExternalArtifactSpec, ExternalArtifactStatus};
pub use git_repository::{
    GitInclude, GitProvider, GitReference, GitRepository, GitRepositorySpec, GitRepositoryStatus,
    GitVerification, GitVerificationMode,
};
pub use helm_chart::{
    ChartSourceKind, ChartSourceReference, HelmChart, HelmChartSpec, HelmChartStatus, HelmChartVerification,
    ReconcileStrategy,
};
pub use helm_repository::{
    AccessFrom, HelmRepository, HelmRepositorySpec, HelmRepositoryStatus, HelmRepositoryType,
    NamespaceSelector,
};
pub use oci_repository::{
    OCIRepository, OCIRepositorySpec, OCIRepositoryStatus, OciLayerOperation, OciLayerSelector, OciReference,
};
pub(crate) use verification::CHART_RULES;
pub use verification::{ChartVerificationProvider, OciVerification, OidcIdentity, VerificationProvider};

/// The API group of all sources.
pub const GROUP: &str = "source.toolkit.fluxcd.io";

/// An object whose status offers an artifact.
pub trait Source {
    /// The artifact, if there is one yet.
    fn artifact(&self) -> Option<&Artifact>;
}

/// A source whose status is written here.
pub trait OwnSource: FluxObject + Source {
    /// Takes the artifact back, and the URL of the newest one.
    fn take_back(status: &mut Self::Status);
}

macro_rules! source {
    ($($kind:ty $(: $($field:ident),+)?);+ $(;)?) => {$(
        impl Source for $kind {
            fn artifact(&self) -> Option<&Artifact> {
                self.status.as_ref()?.artifact.as_ref()
            }
        }
        $(
            impl OwnSource for $kind {
                fn take_back(status: &mut Self::Status) {
                    $(status.$field = None;)+
                }
            }
        )?
    )+};
}
source! {
    ExternalArtifact;
    Bucket: artifact, url;
    GitRepository: artifact;
    HelmChart: artifact, url;
    HelmRepository: artifact, url;
    OCIRepository: artifact, url;
}

/// Whose credentials are used for a container registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OciProvider {
    /// Those in the Secret or of the ServiceAccount, if any.
    #[default]
    Generic,
    /// Amazon's registry, by workload identity.
    Aws,
    /// Azure's registry, by workload identity.
    Azure,
    /// Google's registry, by workload identity.
    Gcp,
}

impl OciProvider {
    /// The value as manifests have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }
}
