//! What steps give each other, and the ways in which a pass stops. Values only.

use crate::state::Desired;
use crds::meta::Artifact;
use helm::Chart;
use std::sync::Arc;

/// Why a pass ends before it comes to the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Only a change of the object can help.
    Terminal {
        /// The reason of the condition.
        reason: &'static str,
        /// What is wrong.
        message: String,
        /// The generation counts as observed.
        observed: bool,
    },
    /// Something is not there yet; a watch calls when it is.
    Waiting {
        /// The reason of the condition.
        reason: &'static str,
        /// What is missing.
        message: String,
        /// An event tells of it, too.
        tells: bool,
    },
    /// A step failed, and is tried again.
    Failed {
        /// The reason of the condition.
        reason: &'static str,
        /// What went wrong.
        message: String,
        /// An event tells of it, too.
        tells: bool,
    },
}

/// The chart that a HelmRelease asks for.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The chart, with the version that its source gives it.
    pub chart: Arc<Chart>,
    /// The digest of the OCI artifact that it came in, if it came in one.
    pub oci_digest: Option<String>,
    /// Where it came from.
    pub artifact: Artifact,
}

impl Loaded {
    /// What a stored release is compared with.
    pub fn desired(&self, values: &serde_json::Map<String, serde_json::Value>) -> Desired {
        Desired {
            chart_name: self.chart.name().to_owned(),
            chart_version: self.chart.metadata.version.clone(),
            values: values.clone(),
        }
    }
}
