//! Why a chart is not rendered, in Helm's words where they are known.

/// What is wrong with a chart, its values or its templates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the chart cannot be used.
    #[error("{0}")]
    Load(String),
    /// A field of `Chart.yaml` is not as it must be.
    #[error("validation: {0}")]
    Metadata(String),
    /// A dependency of the chart cannot be used.
    #[error("error unpacking subchart {name} in {chart}: {source}")]
    Subchart {
        /// The file or directory below `charts/`.
        name: String,
        /// The chart that it is in.
        chart: String,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// `Chart.yaml` names dependencies that are not there.
    #[error(
        "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to \
         fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
        .0.join(", ")
    )]
    MissingDependencies(Vec<String>),
    /// The chart cannot be installed.
    #[error("{0} charts are not installable")]
    NotInstallable(String),
    /// The name of a release is not one.
    #[error("release name check failed: release name {name}: {problem}", name = crate::template::quote::quote(.name.as_bytes()))]
    ReleaseName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Values cannot be put together.
    #[error("{0}")]
    Values(String),
    /// Values break a schema of the chart or of its dependencies.
    #[error("values don't meet the specifications of the schema(s) in the following chart(s):\n{0}")]
    Schema(String),
    /// The chart is for other versions of Kubernetes.
    #[error("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {found}")]
    KubeVersion {
        /// The constraint of `Chart.yaml`.
        wanted: String,
        /// The version of the cluster.
        found: String,
    },
    /// A template cannot be parsed, or fails.
    #[error("{0}")]
    Template(String),
    /// Rendering would take more than its limits allow.
    #[error("rendering was given up: {0}")]
    Limit(String),
    /// A rendered file is not YAML.
    #[error("YAML parse error on {path}: {problem}")]
    Manifest {
        /// The template.
        path: String,
        /// What the parser says.
        problem: String,
    },
    /// An expression of `--set` and its kin is malformed.
    #[error("{0}")]
    Set(String),
    /// A release record cannot be read or written.
    #[error("{0}")]
    Release(String),
    /// A chart cannot be packaged.
    #[error("{0}")]
    Package(String),
}

impl Error {
    /// True if Helm has begun the release when this happens: the command line then adds a hint about `--debug`.
    pub fn while_rendering(&self) -> bool {
        matches!(
            self,
            Error::KubeVersion { .. } | Error::Template(_) | Error::Limit(_) | Error::Manifest { .. }
        )
    }
}
